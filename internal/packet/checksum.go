package packet

import "encoding/binary"

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
