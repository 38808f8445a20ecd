package packet

import "encoding/binary"

// ARP operations, RFC 826.
const (
	ARPRequest = 1
	ARPReply   = 2
)

// An ARP is one ARP packet for Ethernet and IPv4, RFC 826, and the frame around it.
type ARP struct {
	Dst                  [6]byte // of the frame; zero: Broadcast for a request, TargetMAC for anything else
	VLAN                 uint16  // id of an 802.1Q tag, 0 for none
	Op                   uint16  // ARPRequest or ARPReply
	SenderMAC, TargetMAC [6]byte // the frame's source is SenderMAC
	SenderIP, TargetIP   [4]byte
}

// AppendARP appends a as a whole frame.
func AppendARP(dst []byte, a ARP) []byte {
	start := len(dst)
	if a.Dst == ([6]byte{}) {
		if a.Dst = a.TargetMAC; a.Op == ARPRequest {
			a.Dst = Broadcast
		}
	}
	dst = appendEthernet(dst, a.Dst, a.SenderMAC, a.VLAN, TypeARP)
	dst = append(dst, 0, 1, TypeIPv4>>8, TypeIPv4&0xff, 6, 4)
	dst = binary.BigEndian.AppendUint16(dst, a.Op)
	dst = append(dst, a.SenderMAC[:]...)
	dst = append(dst, a.SenderIP[:]...)
	dst = append(dst, a.TargetMAC[:]...)
	dst = append(dst, a.TargetIP[:]...)
	return pad(dst, start)
}

// A TCP is one TCP segment, RFC 9293, in an IPv4 packet that may not be fragmented, in a frame.
type TCP struct {
	DstMAC, SrcMAC   [6]byte
	VLAN             uint16 // id of an 802.1Q tag, 0 for none
	SrcIP, DstIP     [4]byte
	TOS, TTL         uint8 // a TTL of 0 stands for 64
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            uint8
	Window           uint16
	Options          []byte // at most 40 bytes; padded with zeros to a multiple of 4
	Payload          []byte
}

// AppendTCP appends t as a whole frame, its checksums filled in. It panics when options or packet are longer than IPv4
// and TCP can say, as only a mistake of the caller makes them so.
func AppendTCP(dst []byte, t TCP) []byte {
	start := len(dst)
	header := tcpLen + (len(t.Options)+3)/4*4
	if header > 60 {
		panic("packet: TCP options longer than 40 bytes")
	}
	dst = appendEthernet(dst, t.DstMAC, t.SrcMAC, t.VLAN, TypeIPv4)
	dst = appendIPv4(dst, t.SrcIP, t.DstIP, t.TOS, t.TTL, ProtoTCP, header+len(t.Payload))
	at := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, t.SrcPort)
	dst = binary.BigEndian.AppendUint16(dst, t.DstPort)
	dst = binary.BigEndian.AppendUint32(dst, t.Seq)
	dst = binary.BigEndian.AppendUint32(dst, t.Ack)
	dst = append(dst, byte(header/4)<<4, t.Flags)
	dst = binary.BigEndian.AppendUint16(dst, t.Window)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, t.Options...)
	for len(dst) < at+header {
		dst = append(dst, 0)
	}
	dst = append(dst, t.Payload...)
	binary.BigEndian.PutUint16(dst[at+16:], checksum(dst[at:], pseudo(t.SrcIP, t.DstIP, ProtoTCP, len(dst)-at)))
	return pad(dst, start)
}

// A UDP is one UDP datagram, RFC 768, in an IPv4 packet that may not be fragmented, in a frame.
type UDP struct {
	DstMAC, SrcMAC   [6]byte
	VLAN             uint16 // id of an 802.1Q tag, 0 for none
	SrcIP, DstIP     [4]byte
	TOS, TTL         uint8 // a TTL of 0 stands for 64
	SrcPort, DstPort uint16
	Payload          []byte
}

// AppendUDP appends u as a whole frame, its checksums filled in. It panics when the packet is longer than IPv4 can say.
func AppendUDP(dst []byte, u UDP) []byte {
	start := len(dst)
	dst = appendEthernet(dst, u.DstMAC, u.SrcMAC, u.VLAN, TypeIPv4)
	dst = appendIPv4(dst, u.SrcIP, u.DstIP, u.TOS, u.TTL, ProtoUDP, udpLen+len(u.Payload))
	at := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, u.SrcPort)
	dst = binary.BigEndian.AppendUint16(dst, u.DstPort)
	dst = binary.BigEndian.AppendUint16(dst, uint16(udpLen+len(u.Payload)))
	dst = append(dst, 0, 0)
	dst = append(dst, u.Payload...)
	sum := checksum(dst[at:], pseudo(u.SrcIP, u.DstIP, ProtoUDP, len(dst)-at))
	if sum == 0 {
		sum = 0xffff // zero says that there is no checksum
	}
	binary.BigEndian.PutUint16(dst[at+6:], sum)
	return pad(dst, start)
}

func appendEthernet(dst []byte, to, from [6]byte, vlan, typ uint16) []byte {
	dst = append(dst, to[:]...)
	dst = append(dst, from[:]...)
	if vlan != 0 {
		dst = binary.BigEndian.AppendUint16(dst, TypeVLAN)
		dst = binary.BigEndian.AppendUint16(dst, vlan&0xfff)
	}
	return binary.BigEndian.AppendUint16(dst, typ)
}

func appendIPv4(dst []byte, from, to [4]byte, tos, ttl, proto uint8, payload int) []byte {
	if payload > 0xffff-ipv4Len {
		panic("packet: IPv4 packet longer than 65535 bytes")
	}
	if ttl == 0 {
		ttl = 64
	}
	at := len(dst)
	dst = append(dst, 0x45, tos)
	dst = binary.BigEndian.AppendUint16(dst, uint16(ipv4Len+payload))
	dst = append(dst, 0, 0, 0x40, 0, ttl, proto, 0, 0) // no identification, as it may not be fragmented
	dst = append(dst, from[:]...)
	dst = append(dst, to[:]...)
	binary.BigEndian.PutUint16(dst[at+10:], checksum(dst[at:], 0))
	return dst
}

func pad(dst []byte, start int) []byte {
	for len(dst) < start+MinFrame {
		dst = append(dst, 0)
	}
	return dst
}
