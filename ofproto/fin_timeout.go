package ofproto

import (
	"fmt"
	"math"
	"strings"
)

const niciraFinTimeout = 19

// A FinTimeout lowers the timeouts of its own entry, in seconds, once a TCP packet with FIN or RST has come by it: to Idle
// and Hard where they are not 0 and what the entry has is longer, or 0. Statistics and FLOW_REMOVED then show the lower
// ones. It is Open vSwitch's own: struct nx_action_fin_timeout, NXAST_FIN_TIMEOUT.
type FinTimeout struct {
	Idle, Hard uint16
}

// Type returns ActionVendor.
func (FinTimeout) Type() ActionType { return ActionVendor }

// Len implements Action.
func (FinTimeout) Len() int { return 16 }

// String writes "fin_timeout(idle_timeout=5,hard_timeout=60)", without those that are 0.
func (a FinTimeout) String() string {
	var args []string
	if a.Idle != 0 {
		args = append(args, fmt.Sprintf("idle_timeout=%d", a.Idle))
	}
	if a.Hard != 0 {
		args = append(args, fmt.Sprintf("hard_timeout=%d", a.Hard))
	}
	return "fin_timeout(" + strings.Join(args, ",") + ")"
}

func (a FinTimeout) appendTo(dst []byte) []byte {
	dst = be.AppendUint32(appendActionHeader(dst, ActionVendor, 16), uint32(VendorNicira))
	dst = be.AppendUint16(be.AppendUint16(be.AppendUint16(dst, niciraFinTimeout), a.Idle), a.Hard)
	return append(dst, 0, 0)
}

// vendorAction is a vendor's action by its data: of a type of its own where there is one, and its padding is zero.
func vendorAction(v VendorID, data Bytes) Action {
	if v == VendorNicira && len(data) == 8 && be.Uint16(data) == niciraFinTimeout && be.Uint16(data[6:]) == 0 {
		return FinTimeout{be.Uint16(data[2:]), be.Uint16(data[4:])}
	}
	return VendorAction{v, data}
}

// parseFinTimeout reads the arguments that String writes.
func parseFinTimeout(args string) (a FinTimeout, err error) {
	for arg := range strings.SplitSeq(args, ",") {
		key, value, _ := strings.Cut(arg, "=")
		var to *uint16
		switch key {
		case "":
			continue
		case "idle_timeout":
			to = &a.Idle
		case "hard_timeout":
			to = &a.Hard
		default:
			return FinTimeout{}, fmt.Errorf("ofproto: action fin_timeout(%s): argument %q is unknown", args, key)
		}
		n, err := parseNumber("action fin_timeout: "+key, value, math.MaxUint16, 1)
		if err != nil {
			return FinTimeout{}, err
		}
		*to = uint16(n)
	}
	return a, nil
}
