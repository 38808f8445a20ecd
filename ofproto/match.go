package ofproto

// Wildcards say which fields of a Match are ignored: enum ofp_flow_wildcards, OpenFlow 1.0.0 §5.2.3.
type Wildcards uint32

// The bits of Wildcards (OFPFW_*). Each of nw_src and nw_dst has six bits that count the address's ignored low bits, 32
// and more ignoring all of it.
const (
	WildInPort    Wildcards = 1 << 0
	WildDLVLAN    Wildcards = 1 << 1
	WildDLSrc     Wildcards = 1 << 2
	WildDLDst     Wildcards = 1 << 3
	WildDLType    Wildcards = 1 << 4
	WildNWProto   Wildcards = 1 << 5
	WildTPSrc     Wildcards = 1 << 6
	WildTPDst     Wildcards = 1 << 7
	WildNWSrc     Wildcards = 63 << nwSrcShift
	WildNWDst     Wildcards = 63 << nwDstShift
	WildDLVLANPCP Wildcards = 1 << 20
	WildNWTOS     Wildcards = 1 << 21
	WildAll       Wildcards = 1<<22 - 1

	nwSrcShift = 8
	nwDstShift = 14
)

// NWSrcBits returns how many high bits of nw_src count: 32 for an exact address, 0 for any.
func (w Wildcards) NWSrcBits() int { return 32 - min(32, int(w>>nwSrcShift&63)) }

// NWDstBits returns how many high bits of nw_dst count: 32 for an exact address, 0 for any.
func (w Wildcards) NWDstBits() int { return 32 - min(32, int(w>>nwDstShift&63)) }

// WithNWSrcBits returns w with that many high bits of nw_src counting, 0 to 32.
func (w Wildcards) WithNWSrcBits(bits int) Wildcards {
	return w&^WildNWSrc | ignoredBits(bits)<<nwSrcShift
}

// WithNWDstBits returns w with that many high bits of nw_dst counting, 0 to 32.
func (w Wildcards) WithNWDstBits(bits int) Wildcards {
	return w&^WildNWDst | ignoredBits(bits)<<nwDstShift
}

// ignoredBits returns the six-bit count for a prefix length; no prefix at all is 63, as in WildAll.
func ignoredBits(prefix int) Wildcards {
	if prefix <= 0 {
		return 63
	}
	return Wildcards(32 - min(32, prefix))
}

// VLANNone is the DLVLAN of a packet without a VLAN tag (OFP_VLAN_NONE).
const VLANNone uint16 = 0xffff

// A Match says which packets a flow entry is for: struct ofp_match, OpenFlow 1.0.0 §5.2.3.
//
// The zero Match is exact on zero fields, not a wildcard; start from MatchAll and clear the wildcards of the fields that
// are set. Matches are comparable; two that mean the same are equal once Normalized.
type Match struct {
	Wildcards Wildcards
	InPort    Port
	DLSrc     MAC
	DLDst     MAC
	DLVLAN    uint16 // VLAN id, 12 bits; VLANNone for untagged packets
	DLVLANPCP uint8  // VLAN priority, 3 bits
	DLType    uint16 // Ethernet type; below 0x0600 for an 802.2 frame
	NWTOS     uint8  // DSCP in the high six bits
	NWProto   uint8  // IP protocol, or the low byte of an ARP opcode
	NWSrc     IPv4   // or ARP's sender
	NWDst     IPv4   // or ARP's target
	TPSrc     uint16 // TCP or UDP port, or ICMP type
	TPDst     uint16 // TCP or UDP port, or ICMP code

	pad [3]byte // as received; Normalized clears it
}

// MatchAll matches every packet.
var MatchAll = Match{Wildcards: WildAll}

const matchLen = 40

// Normalized returns the one form of all matches with the same meaning: what is wildcarded is zero (the ignored bits of
// an address too), and so are reserved bits and padding.
func (m Match) Normalized() Match {
	w := m.Wildcards & WildAll
	src, dst := w.NWSrcBits(), w.NWDstBits()
	m.Wildcards = w.WithNWSrcBits(src).WithNWDstBits(dst)
	m.NWSrc, m.NWDst = m.NWSrc.prefix(src), m.NWDst.prefix(dst)
	m.pad = [3]byte{}
	if w&WildInPort != 0 {
		m.InPort = 0
	}
	if w&WildDLSrc != 0 {
		m.DLSrc = MAC{}
	}
	if w&WildDLDst != 0 {
		m.DLDst = MAC{}
	}
	if w&WildDLVLAN != 0 {
		m.DLVLAN = 0
	}
	if w&WildDLVLANPCP != 0 {
		m.DLVLANPCP = 0
	}
	if w&WildDLType != 0 {
		m.DLType = 0
	}
	if w&WildNWTOS != 0 {
		m.NWTOS = 0
	}
	if w&WildNWProto != 0 {
		m.NWProto = 0
	}
	if w&WildTPSrc != 0 {
		m.TPSrc = 0
	}
	if w&WildTPDst != 0 {
		m.TPDst = 0
	}
	return m
}

// prefix returns the address with only its high bits left.
func (a IPv4) prefix(bits int) IPv4 {
	var out IPv4
	be.PutUint32(out[:], be.Uint32(a[:])&^(1<<(32-bits)-1))
	return out
}

func (m *Match) appendTo(dst []byte) []byte {
	dst = be.AppendUint32(dst, uint32(m.Wildcards))
	dst = be.AppendUint16(dst, uint16(m.InPort))
	dst = append(dst, m.DLSrc[:]...)
	dst = append(dst, m.DLDst[:]...)
	dst = be.AppendUint16(dst, m.DLVLAN)
	dst = append(dst, m.DLVLANPCP, m.pad[0])
	dst = be.AppendUint16(dst, m.DLType)
	dst = append(dst, m.NWTOS, m.NWProto, m.pad[1], m.pad[2])
	dst = append(dst, m.NWSrc[:]...)
	dst = append(dst, m.NWDst[:]...)
	dst = be.AppendUint16(dst, m.TPSrc)
	return be.AppendUint16(dst, m.TPDst)
}

// matchAt reads the matchLen bytes at the start of b.
func matchAt(b []byte) Match {
	_ = b[matchLen-1]
	return Match{
		Wildcards: Wildcards(be.Uint32(b)),
		InPort:    Port(be.Uint16(b[4:])),
		DLSrc:     MAC(b[6:12]),
		DLDst:     MAC(b[12:18]),
		DLVLAN:    be.Uint16(b[18:]),
		DLVLANPCP: b[20],
		DLType:    be.Uint16(b[22:]),
		NWTOS:     b[24],
		NWProto:   b[25],
		NWSrc:     IPv4(b[28:32]),
		NWDst:     IPv4(b[32:36]),
		TPSrc:     be.Uint16(b[36:]),
		TPDst:     be.Uint16(b[38:]),
		pad:       [3]byte{b[21], b[26], b[27]},
	}
}
