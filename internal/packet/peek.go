package packet

import (
	"encoding/binary"
	"errors"
)

// Errors of Peek. They carry no detail, because building it would cost an allocation for each bad frame.
var (
	ErrEthernet = errors.New("packet: Ethernet header cut short")
	ErrVLAN     = errors.New("packet: VLAN tag cut short")
	ErrARP      = errors.New("packet: ARP cut short, or not Ethernet and IPv4")
	ErrIPv4     = errors.New("packet: IPv4 header cut short or inconsistent")
	ErrTCP      = errors.New("packet: TCP header cut short or inconsistent")
	ErrUDP      = errors.New("packet: UDP header cut short or inconsistent")
	ErrICMP     = errors.New("packet: ICMP header cut short")
)

// A Peeked holds what Peek found in a frame. Fields of layers the frame does not have are zero.
type Peeked struct {
	Dst, Src  [6]byte
	Tagged    bool   // it carries an 802.1Q or 802.1ad tag; only the outer one is read
	VLAN      uint16 // VLAN id, 0 without a tag and in a tag that gives a priority only
	PCP       uint8  // priority of the tag, 0 to 7
	EtherType uint16 // of the payload, behind the tag; TypeNone for 802.3 without a type

	ARPOp                      uint16
	ARPSenderMAC, ARPTargetMAC [6]byte

	SrcIP, DstIP     [4]byte // of IPv4, or the sender's and target's of ARP
	TOS, Proto       uint8   // of IPv4; TOS is the whole byte, DSCP and ECN
	Fragment         bool    // any fragment, also the first: its ports stay zero, as in a switch
	SrcPort, DstPort uint16  // of TCP and UDP; type and code of ICMP, where OpenFlow 1.0 matches them
	TCPFlags         uint8
	Seq, Ack         uint32
	Window           uint16
	L4Payload        []byte // of TCP and UDP; aliases the frame, bounded by the IPv4 total length

	L3, L4 int // offsets of the ARP or IPv4 header and of the TCP, UDP or ICMP header; 0 for none
}

// Peek reads the headers of an Ethernet frame into p, whatever p held before. It does not allocate, does not verify
// checksums, and accepts a frame cut short behind its headers, as a switch with a small miss_send_len sends it.
//
// On an error the layers before the broken one are filled in and the broken one is zero, so that a frame with a bad
// IPv4 header can still be forwarded by its addresses.
func Peek(frame []byte, p *Peeked) error {
	*p = Peeked{}
	if len(frame) < ethernetLen {
		return ErrEthernet
	}
	copy(p.Dst[:], frame[0:6])
	copy(p.Src[:], frame[6:12])
	typ, at := binary.BigEndian.Uint16(frame[12:]), ethernetLen
	if typ == TypeVLAN || typ == TypeQinQ {
		if len(frame) < ethernetLen+vlanLen {
			p.EtherType = typ
			return ErrVLAN
		}
		tci := binary.BigEndian.Uint16(frame[14:])
		p.Tagged, p.VLAN, p.PCP = true, tci&0xfff, uint8(tci>>13)
		typ, at = binary.BigEndian.Uint16(frame[16:]), at+vlanLen
	}
	if typ < 0x600 { // a length: look for the type in a SNAP header
		typ, at = snapType(frame, at)
	}
	p.EtherType = typ
	switch typ {
	case TypeIPv4:
		return peekIPv4(frame, at, p)
	case TypeARP:
		return peekARP(frame, at, p)
	}
	return nil
}

// snapType returns the type behind an 802.2 LLC and SNAP header with a zero organization code, and the offset behind it.
func snapType(frame []byte, at int) (uint16, int) {
	b := frame[at:]
	if len(b) < 8 || b[0] != 0xaa || b[1] != 0xaa || b[2] != 0x03 || b[3]|b[4]|b[5] != 0 {
		return TypeNone, at
	}
	typ := binary.BigEndian.Uint16(b[6:])
	if typ < 0x600 {
		return TypeNone, at
	}
	return typ, at + 8
}

func peekARP(frame []byte, at int, p *Peeked) error {
	b := frame[at:]
	if len(b) < arpLen || binary.BigEndian.Uint32(b) != 1<<16|TypeIPv4 || b[4] != 6 || b[5] != 4 {
		return ErrARP
	}
	p.L3 = at
	p.ARPOp = binary.BigEndian.Uint16(b[6:])
	copy(p.ARPSenderMAC[:], b[8:14])
	copy(p.SrcIP[:], b[14:18])
	copy(p.ARPTargetMAC[:], b[18:24])
	copy(p.DstIP[:], b[24:28])
	return nil
}

func peekIPv4(frame []byte, at int, p *Peeked) error {
	b := frame[at:]
	if len(b) < ipv4Len {
		return ErrIPv4
	}
	header := int(b[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || header < ipv4Len || header > len(b) || header > total {
		return ErrIPv4
	}
	p.L3 = at
	p.TOS, p.Proto = b[1], b[9]
	copy(p.SrcIP[:], b[12:16])
	copy(p.DstIP[:], b[16:20])
	if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 { // more fragments, or an offset
		p.Fragment = true
		return nil
	}
	// What lies behind the total length is Ethernet padding, never payload.
	b = b[header:min(total, len(b))]
	at += header
	switch p.Proto {
	case ProtoTCP:
		return peekTCP(b, at, p)
	case ProtoUDP:
		return peekUDP(b, at, p)
	case ProtoICMP:
		if len(b) < 4 {
			return ErrICMP
		}
		p.L4, p.SrcPort, p.DstPort = at, uint16(b[0]), uint16(b[1])
	}
	return nil
}

func peekTCP(b []byte, at int, p *Peeked) error {
	if len(b) < tcpLen {
		return ErrTCP
	}
	header := int(b[12]>>4) * 4
	if header < tcpLen || header > len(b) {
		return ErrTCP
	}
	p.L4 = at
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.Seq, p.Ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	p.TCPFlags = b[13]
	p.Window = binary.BigEndian.Uint16(b[14:])
	p.L4Payload = b[header:]
	return nil
}

func peekUDP(b []byte, at int, p *Peeked) error {
	if len(b) < udpLen {
		return ErrUDP
	}
	total := int(binary.BigEndian.Uint16(b[4:]))
	if total < udpLen {
		return ErrUDP
	}
	p.L4 = at
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.L4Payload = b[udpLen:min(total, len(b))]
	return nil
}
