package oftest

import (
	"fmt"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// noPriority is the DLVLANPCP of a packet without a tag, and of a match on such packets. Open vSwitch takes a match on a
// VLAN priority for one on tagged packets only; OpenFlow 1.0.0 says nothing of it.
const noPriority = 0xff

// keyOf returns what a frame looks like to the flow table: a Match without wildcards, OpenFlow 1.0.0 §3.4. Fields that
// the frame does not have are zero, but for those of a VLAN tag.
func keyOf(in ofproto.Port, frame []byte) ofproto.Match {
	var p packet.Peeked
	_ = packet.Peek(frame, &p) // the layers before a broken one count, as in a switch
	k := ofproto.Match{
		InPort:    in,
		DLSrc:     p.Src,
		DLDst:     p.Dst,
		DLVLAN:    ofproto.VLANNone,
		DLVLANPCP: noPriority,
		DLType:    p.EtherType,
		NWTOS:     p.TOS &^ 3,
		NWProto:   p.Proto,
		NWSrc:     p.SrcIP,
		NWDst:     p.DstIP,
		TPSrc:     p.SrcPort,
		TPDst:     p.DstPort,
	}
	if p.Tagged {
		k.DLVLAN, k.DLVLANPCP = p.VLAN, p.PCP
	}
	if p.EtherType == packet.TypeARP {
		k.NWProto = uint8(p.ARPOp)
	}
	return k
}

// endsConnection reports whether a frame is a TCP segment with FIN or RST.
func endsConnection(frame []byte) bool {
	var p packet.Peeked
	return packet.Peek(frame, &p) == nil && p.Proto == packet.ProtoTCP && p.EtherType == packet.TypeIPv4 && p.TCPFlags&(packet.FIN|packet.RST) != 0
}

// under returns the part of a match that counts under other wildcards.
func under(m ofproto.Match, w ofproto.Wildcards) ofproto.Match {
	m.Wildcards = w
	return m.Normalized()
}

// union ignores what either ignores.
func union(a, b ofproto.Wildcards) ofproto.Wildcards {
	const addresses = ofproto.WildNWSrc | ofproto.WildNWDst
	return ((a | b) &^ addresses).
		WithNWSrcBits(min(a.NWSrcBits(), b.NWSrcBits())).
		WithNWDstBits(min(a.NWDstBits(), b.NWDstBits())) & ofproto.WildAll
}

// overlaps reports whether a packet can match both. Both are normalized.
func overlaps(a, b ofproto.Match) bool {
	w := union(a.Wildcards, b.Wildcards)
	return under(a, w) == under(b, w)
}

// canonical returns the normalized form of a match as a switch keeps it, in which fields without meaning are wildcarded:
// network addresses without an Ethernet type of IPv4 or ARP, ports without a protocol that has them, and so on
// (OpenFlow 1.0.0 §3.4). The complaint names a field that the controller meant to match, and that does not count.
func canonical(m ofproto.Match) (_ ofproto.Match, complaint string) {
	w := m.Wildcards & ofproto.WildAll
	ignore := func(bits ofproto.Wildcards, field string, set, need bool) {
		if set && !need {
			if complaint == "" {
				complaint = fmt.Sprintf("match on %s, which does not count without its prerequisites: %v", field, m)
			}
			w |= bits
		}
	}
	fixed := func(bit ofproto.Wildcards) bool { return w&bit == 0 }
	exact := w == 0 // says every field, also those that cannot count

	ip := fixed(ofproto.WildDLType) && m.DLType == packet.TypeIPv4
	arp := fixed(ofproto.WildDLType) && m.DLType == packet.TypeARP
	transport := ip && fixed(ofproto.WildNWProto) &&
		(m.NWProto == packet.ProtoTCP || m.NWProto == packet.ProtoUDP || m.NWProto == packet.ProtoICMP)
	untagged := fixed(ofproto.WildDLVLAN) && m.DLVLAN == ofproto.VLANNone

	if untagged { // so that it does not overlap with a match on a priority
		w &^= ofproto.WildDLVLANPCP
		m.DLVLANPCP = noPriority
	} else {
		m.DLVLANPCP &= 7
	}
	ignore(ofproto.WildNWTOS, "nw_tos", fixed(ofproto.WildNWTOS), ip)
	ignore(ofproto.WildNWProto, "nw_proto", fixed(ofproto.WildNWProto), ip || arp)
	ignore(ofproto.WildNWSrc, "nw_src", w.NWSrcBits() > 0, ip || arp)
	ignore(ofproto.WildNWDst, "nw_dst", w.NWDstBits() > 0, ip || arp)
	ignore(ofproto.WildTPSrc, "tp_src", fixed(ofproto.WildTPSrc), transport)
	ignore(ofproto.WildTPDst, "tp_dst", fixed(ofproto.WildTPDst), transport)
	m.NWTOS &^= 3
	if m.DLVLAN != ofproto.VLANNone {
		m.DLVLAN &= 0xfff
	}
	if exact {
		complaint = ""
	}
	return under(m, w), complaint
}

// plain returns a canonical match without what only this package knows of, as somebody would have written it.
func plain(m ofproto.Match) ofproto.Match {
	if m.DLVLANPCP == noPriority {
		m.DLVLANPCP, m.Wildcards = 0, m.Wildcards|ofproto.WildDLVLANPCP
	}
	return m
}

// onWire returns a canonical match as Open vSwitch sends it back, which need not be bit by bit what a controller has
// sent: the count of an address that is ignored altogether is 32, and a match on untagged packets is exact on the
// priority too.
func onWire(m ofproto.Match) ofproto.Match {
	if m.Wildcards.NWSrcBits() == 0 {
		m.Wildcards = m.Wildcards&^ofproto.WildNWSrc | 32<<8
	}
	if m.Wildcards.NWDstBits() == 0 {
		m.Wildcards = m.Wildcards&^ofproto.WildNWDst | 32<<14
	}
	if m.DLVLANPCP == noPriority {
		m.DLVLANPCP = 0
	}
	return m
}
