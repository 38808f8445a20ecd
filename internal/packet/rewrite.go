package packet

import "encoding/binary"

// The Set functions do to a frame what the set actions of OpenFlow 1.0.0 §3.3 do in a switch. They change the frame in
// place and its checksums by the difference (RFC 1624), so that a wrong checksum stays wrong instead of being repaired.
// They leave a frame alone that does not have the field.

// SetIPv4Src sets the source address of an IPv4 packet.
func SetIPv4Src(frame []byte, ip [4]byte) { setAddress(frame, 12, ip) }

// SetIPv4Dst sets the destination address of an IPv4 packet.
func SetIPv4Dst(frame []byte, ip [4]byte) { setAddress(frame, 16, ip) }

// SetDSCP sets the upper six bits of an IPv4 packet's TOS byte to those of tos. The lower two, ECN, stay as they are.
func SetDSCP(frame []byte, tos uint8) {
	var p Peeked
	if Peek(frame, &p); p.EtherType != TypeIPv4 || p.L3 == 0 {
		return
	}
	ip := frame[p.L3:]
	old := binary.BigEndian.Uint16(ip)
	ip[1] = tos&^3 | ip[1]&3
	adjust(ip[10:], old, binary.BigEndian.Uint16(ip))
}

// SetSrcPort sets the source port of a TCP segment or UDP datagram that is not a fragment.
func SetSrcPort(frame []byte, port uint16) { setPort(frame, 0, port) }

// SetDstPort sets the destination port of a TCP segment or UDP datagram that is not a fragment.
func SetDstPort(frame []byte, port uint16) { setPort(frame, 2, port) }

// SetVLANID returns frame with the id of its tag set, and with a new tag when it has none. It may reuse frame's memory.
func SetVLANID(frame []byte, id uint16) []byte { return setTag(frame, 0x0fff, id) }

// SetVLANPCP returns frame with the priority of its tag set, and with a new tag when it has none. It may reuse frame's
// memory.
func SetVLANPCP(frame []byte, pcp uint8) []byte { return setTag(frame, 0xe000, uint16(pcp)<<13) }

// StripVLAN returns frame without its outer tag. It moves the addresses within frame's memory.
func StripVLAN(frame []byte) []byte {
	if !tagged(frame) {
		return frame
	}
	copy(frame[vlanLen:ethernetLen-2+vlanLen], frame[:ethernetLen-2])
	return frame[vlanLen:]
}

func tagged(frame []byte) bool {
	if len(frame) < ethernetLen+vlanLen {
		return false
	}
	typ := binary.BigEndian.Uint16(frame[12:])
	return typ == TypeVLAN || typ == TypeQinQ
}

func setTag(frame []byte, mask, bits uint16) []byte {
	if len(frame) < ethernetLen {
		return frame
	}
	if !tagged(frame) {
		frame = append(frame, 0, 0, 0, 0)
		copy(frame[12+vlanLen:], frame[12:])
		binary.BigEndian.PutUint16(frame[12:], TypeVLAN)
		binary.BigEndian.PutUint16(frame[14:], 0)
	}
	tci := binary.BigEndian.Uint16(frame[14:])
	binary.BigEndian.PutUint16(frame[14:], tci&^mask|bits&mask)
	return frame
}

func setAddress(frame []byte, at int, addr [4]byte) {
	var p Peeked
	if Peek(frame, &p); p.EtherType != TypeIPv4 || p.L3 == 0 {
		return
	}
	ip := frame[p.L3:]
	sum, udp := transportSum(ip)
	for i := 0; i < 4; i += 2 {
		field := ip[at+i:]
		old, now := binary.BigEndian.Uint16(field), binary.BigEndian.Uint16(addr[i:])
		binary.BigEndian.PutUint16(field, now)
		adjust(ip[10:], old, now)
		adjustTransport(sum, udp, old, now)
	}
}

func setPort(frame []byte, at int, port uint16) {
	var p Peeked
	if Peek(frame, &p); p.L4 == 0 || p.Proto != ProtoTCP && p.Proto != ProtoUDP {
		return
	}
	sum, udp := transportSum(frame[p.L3:])
	field := frame[p.L4+at:]
	old := binary.BigEndian.Uint16(field)
	binary.BigEndian.PutUint16(field, port)
	adjustTransport(sum, udp, old, port)
}

// transportSum returns the checksum field of the TCP or UDP header behind an IPv4 header, nil when it is not there. The
// first fragment has it, which covers the addresses too, the later ones do not.
func transportSum(ip []byte) (sum []byte, udp bool) {
	if binary.BigEndian.Uint16(ip[6:])&0x1fff != 0 {
		return nil, false
	}
	header := int(ip[0]&0x0f) * 4
	total := min(int(binary.BigEndian.Uint16(ip[2:])), len(ip))
	at := 0
	switch ip[9] {
	case ProtoTCP:
		at = header + 16
	case ProtoUDP:
		at = header + 6
	default:
		return nil, false
	}
	if at+2 > total {
		return nil, false
	}
	return ip[at : at+2], ip[9] == ProtoUDP
}

func adjustTransport(sum []byte, udp bool, old, now uint16) {
	if sum == nil || udp && sum[0]|sum[1] == 0 { // UDP without a checksum stays without
		return
	}
	if adjust(sum, old, now); udp && sum[0]|sum[1] == 0 {
		sum[0], sum[1] = 0xff, 0xff
	}
}

// adjust updates a checksum for a change of one 16-bit word, RFC 1624 equation 3.
func adjust(sum []byte, old, now uint16) {
	s := uint32(^binary.BigEndian.Uint16(sum)) + uint32(^old) + uint32(now)
	binary.BigEndian.PutUint16(sum, ^fold(s))
}
