// Package packet reads and builds the few packet formats a controller meets: Ethernet (IEEE 802.3, 802.1Q), ARP
// (RFC 826), IPv4 (RFC 791), TCP (RFC 9293), UDP (RFC 768) and LLDP (IEEE 802.1AB).
//
// Peek is made for the path every PACKET_IN takes: one pass, no allocation, no panic on any bytes. The Append functions
// build whole frames and the Set functions rewrite them in place, with their checksums.
//
// Addresses are plain arrays, so that any named array type of the same length can be assigned to them.
package packet

// Ethernet types, as in the IEEE registry.
const (
	TypeIPv4 = 0x0800
	TypeARP  = 0x0806
	TypeVLAN = 0x8100 // 802.1Q customer tag
	TypeQinQ = 0x88a8 // 802.1ad service tag
	TypeIPv6 = 0x86dd
	TypeLLDP = 0x88cc

	// TypeNone stands for an 802.3 frame that carries a length and no type: OFP_DL_TYPE_NOT_ETH_TYPE in
	// OpenFlow 1.0.0 §5.2.3.
	TypeNone = 0x05ff
)

// IPv4 protocol numbers, as in the IANA registry.
const (
	ProtoICMP = 1
	ProtoTCP  = 6
	ProtoUDP  = 17
)

// TCP flags, RFC 9293 §3.1.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// MinFrame is the length of the shortest Ethernet frame without its check sequence, in bytes. The Append functions pad
// to it, as every Ethernet sender must.
const MinFrame = 60

// Header lengths in bytes, without options.
const (
	ethernetLen = 14
	vlanLen     = 4
	arpLen      = 28
	ipv4Len     = 20
	tcpLen      = 20
	udpLen      = 8
)

// Broadcast is the address of every station on a link.
var Broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
