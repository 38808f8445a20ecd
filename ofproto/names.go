package ofproto

import (
	"fmt"
	"strings"
)

// bitNames lists the names of the set bits, names[i] for bit i, and the rest as a number; "0" if none is set.
func bitNames(bits uint32, names []string) string {
	if bits == 0 {
		return "0"
	}
	var s []string
	for i, name := range names {
		if bit := uint32(1) << i; bits&bit != 0 && name != "" {
			s, bits = append(s, name), bits&^bit
		}
	}
	if bits != 0 {
		s = append(s, fmt.Sprintf("0x%x", bits))
	}
	return strings.Join(s, " ")
}

// String lists the names of the bits: "FLOW_STATS TABLE_STATS".
func (c Capabilities) String() string {
	return bitNames(uint32(c), []string{"FLOW_STATS", "TABLE_STATS", "PORT_STATS", "STP", "", "IP_REASM", "QUEUE_STATS", "ARP_MATCH_IP"})
}

// String lists the names of the bits: "PORT_DOWN NO_FLOOD".
func (c PortConfig) String() string {
	return bitNames(uint32(c), []string{"PORT_DOWN", "NO_STP", "NO_RECV", "NO_RECV_STP", "NO_FLOOD", "NO_FWD", "NO_PACKET_IN"})
}

// String lists the names of the bits, "LINK_DOWN", and the spanning tree state unless it is listening (which is 0).
func (s PortState) String() string {
	stp := []string{"", "STP_LEARN", "STP_FORWARD", "STP_BLOCK"}[s&PortSTPMask>>8]
	rest := bitNames(uint32(s&^PortSTPMask), []string{"LINK_DOWN"})
	switch {
	case stp == "":
		return rest
	case rest == "0":
		return stp
	}
	return rest + " " + stp
}

// String lists the names of the bits: "1GB-FD COPPER AUTO_NEG".
func (f PortFeatures) String() string {
	return bitNames(uint32(f), []string{"10MB-HD", "10MB-FD", "100MB-HD", "100MB-FD", "1GB-HD", "1GB-FD", "10GB-FD",
		"COPPER", "FIBER", "AUTO_NEG", "AUTO_PAUSE", "AUTO_PAUSE_ASYM"})
}

var actionNames = []string{"OUTPUT", "SET_VLAN_VID", "SET_VLAN_PCP", "STRIP_VLAN", "SET_DL_SRC", "SET_DL_DST",
	"SET_NW_SRC", "SET_NW_DST", "SET_NW_TOS", "SET_TP_SRC", "SET_TP_DST", "ENQUEUE"}

// String returns the specification's name without its prefix, "SET_DL_SRC", or the number.
func (t ActionType) String() string {
	if t == ActionVendor {
		return "VENDOR"
	}
	return nameOf(actionNames, int(t))
}

// String returns how fragments are treated: "normal", "drop", "reassemble", or the number.
func (f ConfigFlags) String() string { return nameOf([]string{"normal", "drop", "reassemble"}, int(f)) }

// MarshalText is String.
func (f ConfigFlags) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// String returns "no_match", "action" or the number.
func (r PacketInReason) String() string { return nameOf([]string{"no_match", "action"}, int(r)) }

// MarshalText is String.
func (r PacketInReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns "idle", "hard", "delete" or the number.
func (r FlowRemovedReason) String() string { return nameOf([]string{"idle", "hard", "delete"}, int(r)) }

// MarshalText is String.
func (r FlowRemovedReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns "add", "delete", "modify" or the number.
func (r PortReason) String() string { return nameOf([]string{"add", "delete", "modify"}, int(r)) }

// MarshalText is String.
func (r PortReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns "other", "primary", "secondary" or the number.
func (r Role) String() string { return nameOf([]string{"other", "primary", "secondary"}, int(r)) }

// MarshalText is String.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

var statsNames = []string{"DESC", "FLOW", "AGGREGATE", "TABLE", "PORT", "QUEUE"}

// String returns the specification's name without its prefix, "FLOW", or the number.
func (k StatsKind) String() string {
	if k == StatsVendor {
		return "VENDOR"
	}
	return nameOf(statsNames, int(k))
}

// MarshalText is String.
func (k StatsKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String returns "nicira" or eight hexadecimal digits.
func (v VendorID) String() string {
	if v == VendorNicira {
		return "nicira"
	}
	return fmt.Sprintf("0x%08x", uint32(v))
}

// MarshalText is String.
func (v VendorID) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// String returns "none", "min_rate" or the number.
func (t QueuePropertyType) String() string { return nameOf([]string{"none", "min_rate"}, int(t)) }

// MarshalText is String.
func (t QueuePropertyType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
