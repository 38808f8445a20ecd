package ofproto

import (
	"fmt"
	"strconv"
	"strings"
)

const separators = ", \t\r\n"

// nextWord cuts the first word off s: what stands before a separator outside parentheses.
func nextWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, separators)
	depth := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth <= 0 && strings.IndexByte(separators, c) >= 0:
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// ParseMatch reads ovs-ofctl's flow syntax as far as a Match can say it: fields as String writes them, separated by
// commas or blanks, among them tcp, nw_src=10.0.0.0/8 (or 10.0.0.0/255.0.0.0), icmp_type, arp_op, and the newer names
// eth_src, ip_src, tcp_dst and so on. What is not mentioned is wildcarded. As in ovs-ofctl the order is free; unlike
// there, fields do not need the protocol that gives them a meaning.
func ParseMatch(s string) (Match, error) {
	m := MatchAll
	for word, rest := nextWord(s); word != ""; word, rest = nextWord(rest) {
		key, value, _ := strings.Cut(word, "=")
		known, err := m.set(key, value)
		if !known {
			err = fmt.Errorf("ofproto: match field %q is unknown", key)
		}
		if err != nil {
			return Match{}, err
		}
	}
	return m, m.checkVLAN()
}

// checkVLAN refuses a priority of no tag, which would be read as the priority of a tag by Open vSwitch.
func (m *Match) checkVLAN() error {
	if m.Wildcards&(WildDLVLAN|WildDLVLANPCP) == 0 && m.DLVLAN == VLANNone {
		return fmt.Errorf("ofproto: dl_vlan_pcp with dl_vlan=0xffff: packets without a tag have no priority")
	}
	return nil
}

// set reads one field into m. It reports whether the key is a match field.
func (m *Match) set(key, value string) (known bool, err error) {
	for _, p := range protocols {
		if key == p.name && value == "" {
			m.DLType, m.Wildcards = p.dlType, m.Wildcards&^WildDLType
			if p.nwProto >= 0 {
				m.NWProto, m.Wildcards = uint8(p.nwProto), m.Wildcards&^WildNWProto
			}
			return true, nil
		}
	}
	switch key {
	case "in_port":
		m.InPort, err = ParsePort(value)
		m.Wildcards &^= WildInPort
	case "dl_src", "eth_src":
		m.DLSrc, err = ParseMAC(value)
		m.Wildcards &^= WildDLSrc
	case "dl_dst", "eth_dst":
		m.DLDst, err = ParseMAC(value)
		m.Wildcards &^= WildDLDst
	case "nw_src", "ip_src", "arp_spa":
		err = parseCIDR(value, &m.NWSrc, &m.Wildcards, Wildcards.WithNWSrcBits)
	case "nw_dst", "ip_dst", "arp_tpa":
		err = parseCIDR(value, &m.NWDst, &m.Wildcards, Wildcards.WithNWDstBits)
	case "vlan_tci":
		err = m.setVLANTCI(value)
	default:
		return m.setNumber(key, value)
	}
	if err != nil {
		err = fmt.Errorf("%w (in %s)", err, key)
	}
	return true, err
}

func (m *Match) setNumber(key, value string) (known bool, err error) {
	limit, step, wild := uint64(0xff), uint64(1), Wildcards(0)
	switch key {
	case "dl_vlan", "vlan_vid":
		limit, wild = 0xfff, WildDLVLAN
		if n, err := strconv.ParseUint(value, 0, 16); err == nil && uint16(n) == VLANNone {
			limit = n
		}
	case "dl_vlan_pcp", "vlan_pcp":
		limit, wild = 7, WildDLVLANPCP
	case "dl_type", "eth_type":
		limit, wild = 0xffff, WildDLType
	case "nw_proto", "ip_proto", "arp_op":
		wild = WildNWProto
	case "nw_tos":
		limit, step, wild = 0xfc, 4, WildNWTOS
	case "ip_dscp":
		limit, wild = 0x3f, WildNWTOS
	case "tp_src", "tcp_src", "udp_src", "sctp_src":
		limit, wild = 0xffff, WildTPSrc
	case "tp_dst", "tcp_dst", "udp_dst", "sctp_dst":
		limit, wild = 0xffff, WildTPDst
	case "icmp_type", "icmpv6_type":
		wild = WildTPSrc
	case "icmp_code", "icmpv6_code":
		wild = WildTPDst
	default:
		return false, nil
	}
	n, err := parseNumber(key, value, limit, step)
	if err != nil {
		return true, err
	}
	m.Wildcards &^= wild
	switch wild {
	case WildDLVLAN:
		m.DLVLAN = uint16(n)
	case WildDLVLANPCP:
		m.DLVLANPCP = uint8(n)
	case WildDLType:
		m.DLType = uint16(n)
	case WildNWProto:
		m.NWProto = uint8(n)
	case WildNWTOS:
		if key == "ip_dscp" {
			n <<= 2
		}
		m.NWTOS = uint8(n)
	case WildTPSrc:
		m.TPSrc = uint16(n)
	case WildTPDst:
		m.TPDst = uint16(n)
	}
	return true, nil
}

// setVLANTCI reads the form in which Open vSwitch prints VLAN fields: 0 for no tag, else bit 12 set over the id and
// under the priority.
func (m *Match) setVLANTCI(value string) error {
	value = strings.TrimSuffix(value, "/0x1fff")
	n, err := parseNumber("vlan_tci", value, 0xffff, 1)
	switch {
	case err != nil:
		return err
	case n == 0:
		m.DLVLAN, m.Wildcards = VLANNone, m.Wildcards&^WildDLVLAN
	case n&0x1000 != 0:
		m.DLVLAN, m.DLVLANPCP = uint16(n&0xfff), uint8(n>>13)
		m.Wildcards &^= WildDLVLAN | WildDLVLANPCP
	default:
		return fmt.Errorf("ofproto: vlan_tci %q: bit 0x1000 must be set in all but 0", value)
	}
	return nil
}

// parseCIDR reads an address, alone, with a prefix length, or with a netmask that is a prefix.
func parseCIDR(value string, a *IPv4, w *Wildcards, with func(Wildcards, int) Wildcards) error {
	text, mask, masked := strings.Cut(value, "/")
	addr, err := ParseIPv4(text)
	if err != nil {
		return err
	}
	bits := 32
	switch {
	case masked && strings.Contains(mask, "."):
		m, err := ParseIPv4(mask)
		if err != nil {
			return err
		}
		for bits = 0; bits < 32 && m[bits/8]&(0x80>>(bits%8)) != 0; bits++ {
		}
		if (IPv4{0xff, 0xff, 0xff, 0xff}).prefix(bits) != m {
			return fmt.Errorf("ofproto: netmask %q: OpenFlow 1.0 has prefixes only", mask)
		}
	case masked:
		n, err := parseNumber("prefix length", mask, 32, 1)
		if err != nil {
			return err
		}
		bits = int(n)
	}
	*a, *w = addr.prefix(bits), with(*w, bits)
	return nil
}

// parseNumber reads a decimal or 0x number up to the limit, a multiple of step.
func parseNumber(key, value string, limit, step uint64) (uint64, error) {
	n, err := strconv.ParseUint(value, 0, 64)
	if err != nil || n > limit || n%step != 0 {
		if step > 1 {
			return 0, fmt.Errorf("ofproto: %s %q: want a multiple of %d up to %d", key, value, step, limit)
		}
		return 0, fmt.Errorf("ofproto: %s %q: want a number up to %d", key, value, limit)
	}
	return n, nil
}
