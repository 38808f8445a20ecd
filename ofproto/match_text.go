package ofproto

import (
	"fmt"
	"strconv"
	"strings"
)

// protocol is a name that stands for an Ethernet type and perhaps an IP protocol in the flow syntax.
type protocol struct {
	name    string
	dlType  uint16
	nwProto int // -1 where the name leaves it open
}

// The first name that fits is the one written; so the open ones come last.
var protocols = []protocol{
	{"icmp", 0x0800, 1}, {"tcp", 0x0800, 6}, {"udp", 0x0800, 17}, {"sctp", 0x0800, 132}, {"ip", 0x0800, -1},
	{"arp", 0x0806, -1}, {"rarp", 0x8035, -1},
	{"icmp6", 0x86dd, 58}, {"tcp6", 0x86dd, 6}, {"udp6", 0x86dd, 17}, {"sctp6", 0x86dd, 132}, {"ipv6", 0x86dd, -1},
}

// String writes the match in ovs-ofctl's flow syntax, "tcp,in_port=1,nw_dst=10.0.0.0/8,tp_dst=1935"; a match of every
// packet is the empty string. Only what is not wildcarded appears, and with DLVLAN VLANNone no VLAN priority, since
// Open vSwitch would read it as the priority of a tag.
func (m Match) String() string {
	var s strings.Builder
	m.write(&s)
	return s.String()
}

// MarshalText is String.
func (m Match) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is ParseMatch.
func (m *Match) UnmarshalText(text []byte) error {
	v, err := ParseMatch(string(text))
	if err == nil {
		*m = v
	}
	return err
}

func (m Match) write(s *strings.Builder) {
	field := func(key, value string) {
		if s.Len() > 0 {
			s.WriteByte(',')
		}
		s.WriteString(key)
		if value != "" {
			s.WriteByte('=')
			s.WriteString(value)
		}
	}
	has := func(w Wildcards) bool { return m.Wildcards&w == 0 }

	name, proto, named := "", false, false
	if has(WildDLType) {
		name, proto, named = m.protocol()
	}
	if named {
		field(name, "")
	}
	if has(WildInPort) {
		field("in_port", m.InPort.String())
	}
	if has(WildDLVLAN) {
		if m.DLVLAN == VLANNone {
			field("dl_vlan", "0xffff")
		} else {
			field("dl_vlan", decimal(m.DLVLAN))
		}
	}
	if has(WildDLVLANPCP) && !(has(WildDLVLAN) && m.DLVLAN == VLANNone) {
		field("dl_vlan_pcp", decimal(uint16(m.DLVLANPCP)))
	}
	if has(WildDLSrc) {
		field("dl_src", m.DLSrc.String())
	}
	if has(WildDLDst) {
		field("dl_dst", m.DLDst.String())
	}
	if has(WildDLType) && !named {
		field("dl_type", fmt.Sprintf("0x%04x", m.DLType))
	}

	src, dst, op, typ, code := "nw_src", "nw_dst", "nw_proto", "tp_src", "tp_dst"
	switch name {
	case "arp", "rarp":
		src, dst, op = "arp_spa", "arp_tpa", "arp_op"
	case "icmp", "icmp6":
		typ, code = "icmp_type", "icmp_code"
	}
	if bits := m.Wildcards.NWSrcBits(); bits > 0 {
		field(src, m.NWSrc.cidr(bits))
	}
	if bits := m.Wildcards.NWDstBits(); bits > 0 {
		field(dst, m.NWDst.cidr(bits))
	}
	if has(WildNWProto) && !proto {
		field(op, decimal(uint16(m.NWProto)))
	}
	if has(WildNWTOS) {
		field("nw_tos", decimal(uint16(m.NWTOS)))
	}
	if has(WildTPSrc) {
		field(typ, decimal(m.TPSrc))
	}
	if has(WildTPDst) {
		field(code, decimal(m.TPDst))
	}
}

// protocol returns the name for the Ethernet type, and whether it covers the IP protocol too.
func (m Match) protocol() (name string, proto, ok bool) {
	for _, p := range protocols {
		if m.DLType != p.dlType {
			continue
		}
		if p.nwProto < 0 {
			return p.name, false, true
		}
		if m.Wildcards&WildNWProto == 0 && int(m.NWProto) == p.nwProto {
			return p.name, true, true
		}
	}
	return "", false, false
}

func (a IPv4) cidr(bits int) string {
	if bits == 32 {
		return a.String()
	}
	return a.prefix(bits).String() + "/" + strconv.Itoa(bits)
}

func decimal(n uint16) string { return strconv.Itoa(int(n)) }
