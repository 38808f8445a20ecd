package ofproto

import (
	"encoding/hex"
	"fmt"
	"net/netip"
)

// A DPID is a datapath id: the switch's MAC address in the low 48 bits, an implementer's number in the high 16, OpenFlow
// 1.0.0 §5.3.1.
type DPID uint64

// String returns 16 hexadecimal digits.
func (d DPID) String() string { return fmt.Sprintf("%016x", uint64(d)) }

// MarshalText is String.
func (d DPID) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// A MAC is an Ethernet address.
type MAC [6]byte

// ParseMAC reads six colon-separated pairs of hexadecimal digits; a single digit stands for itself with a zero before it.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	octet, digits := 0, 0
	for i := range len(s) {
		c := s[i]
		if c == ':' && digits > 0 && octet < 5 {
			octet, digits = octet+1, 0
			continue
		}
		d, ok := hexDigit(c)
		if !ok || digits == 2 {
			return MAC{}, fmt.Errorf("ofproto: MAC address %q: want six pairs of hexadecimal digits", s)
		}
		m[octet] = m[octet]<<4 | d
		digits++
	}
	if octet != 5 || digits == 0 {
		return MAC{}, fmt.Errorf("ofproto: MAC address %q: want six pairs of hexadecimal digits", s)
	}
	return m, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// String returns the address in lower case with colons.
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	var s [17]byte
	for i, b := range m {
		if i > 0 {
			s[3*i-1] = ':'
		}
		s[3*i], s[3*i+1] = digits[b>>4], digits[b&15]
	}
	return string(s[:])
}

// MarshalText is String.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is ParseMAC.
func (m *MAC) UnmarshalText(text []byte) error {
	v, err := ParseMAC(string(text))
	if err == nil {
		*m = v
	}
	return err
}

// An IPv4 is an IPv4 address in network order.
type IPv4 [4]byte

// ParseIPv4 reads dotted decimals.
func ParseIPv4(s string) (IPv4, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return IPv4{}, fmt.Errorf("ofproto: IPv4 address %q: want four dotted decimals", s)
	}
	return a.As4(), nil
}

// String returns dotted decimals.
func (a IPv4) String() string { return a.Addr().String() }

// Addr returns the same address as a netip.Addr.
func (a IPv4) Addr() netip.Addr { return netip.AddrFrom4(a) }

// MarshalText is String.
func (a IPv4) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is ParseIPv4.
func (a *IPv4) UnmarshalText(text []byte) error {
	v, err := ParseIPv4(string(text))
	if err == nil {
		*a = v
	}
	return err
}

// Bytes is opaque content: a packet, a vendor's data. It is an ordinary byte slice that reads as hexadecimal digits.
type Bytes []byte

// String returns two hexadecimal digits a byte.
func (b Bytes) String() string { return hex.EncodeToString(b) }

// MarshalText is String.
func (b Bytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b), nil }

// UnmarshalText reads what MarshalText wrote.
func (b *Bytes) UnmarshalText(text []byte) error {
	v, err := hex.AppendDecode(nil, text)
	if err == nil {
		*b = v
	}
	return err
}
