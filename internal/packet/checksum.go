package packet

import (
	"encoding/binary"
	"errors"
)

// checksum is the Internet checksum of b, RFC 1071, on top of a partial sum.
func checksum(b []byte, sum uint32) uint16 {
	for len(b) >= 2 {
		sum += uint32(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return ^fold(sum)
}

// fold adds the carries of a sum back in. A packet of 65535 bytes cannot overflow the 32 bits of the sum.
func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// pseudo is the partial sum of the pseudo header that TCP and UDP checksums cover, RFC 9293 §3.1.
func pseudo(from, to [4]byte, proto uint8, length int) uint32 {
	return uint32(binary.BigEndian.Uint16(from[:2])) + uint32(binary.BigEndian.Uint16(from[2:])) +
		uint32(binary.BigEndian.Uint16(to[:2])) + uint32(binary.BigEndian.Uint16(to[2:])) +
		uint32(proto) + uint32(length)
}

// ErrChecksum is a checksum that does not fit the bytes it covers.
var ErrChecksum = errors.New("packet: wrong checksum")

// Verify checks the checksums of an IPv4 header and of an unfragmented TCP or UDP packet in it, as a receiver does. It
// returns an error of Peek's for what it cannot read, a truncated payload included, and nil for other protocols.
func Verify(frame []byte) error {
	var p Peeked
	if err := Peek(frame, &p); err != nil || p.EtherType != TypeIPv4 {
		return err
	}
	ip := frame[p.L3:]
	header, total := int(ip[0]&0x0f)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if total > len(ip) {
		return ErrIPv4
	}
	if checksum(ip[:header], 0) != 0 {
		return ErrChecksum
	}
	segment := ip[header:total]
	switch {
	case p.L4 == 0 || p.Proto != ProtoTCP && p.Proto != ProtoUDP:
		return nil
	case p.Proto == ProtoUDP:
		n := int(binary.BigEndian.Uint16(segment[4:]))
		if n > len(segment) {
			return ErrUDP
		}
		if segment = segment[:n]; segment[6]|segment[7] == 0 { // sent without one
			return nil
		}
	}
	if checksum(segment, pseudo(p.SrcIP, p.DstIP, p.Proto, len(segment))) != 0 {
		return ErrChecksum
	}
	return nil
}
