package ofproto

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
)

// The subtypes of Nicira's actions that have a text here, those that Open vSwitch shows most often on OpenFlow 1.0
// (NXAST_* of its nicira-ext.h). The others appear as vendor(...).
const (
	niciraResubmit      = 1
	niciraSetTunnel     = 2
	niciraSetQueue      = 4
	niciraPopQueue      = 5
	niciraNote          = 8
	niciraSetTunnel64   = 9
	niciraResubmitTable = 14
	niciraExit          = 17
	niciraDecTTL        = 18
)

// niciraActionText returns ovs-ofctl's text for a Nicira action, and "" where there is none that parseNiciraAction
// would turn into the same bytes.
func niciraActionText(data []byte) string {
	if len(data) < 8 {
		return ""
	}
	var text string
	switch be.Uint16(data) {
	case niciraResubmit:
		text = fmt.Sprintf("resubmit:%v", Port(be.Uint16(data[2:])))
	case niciraResubmitTable:
		text = fmt.Sprintf("resubmit(%v,%d)", Port(be.Uint16(data[2:])), data[4])
	case niciraSetTunnel:
		text = fmt.Sprintf("set_tunnel:0x%x", be.Uint32(data[4:]))
	case niciraSetTunnel64:
		if len(data) == 16 {
			text = fmt.Sprintf("set_tunnel64:0x%x", be.Uint64(data[8:]))
		}
	case niciraSetQueue:
		text = fmt.Sprintf("set_queue:%d", be.Uint32(data[4:]))
	case niciraPopQueue:
		text = "pop_queue"
	case niciraExit:
		text = "exit"
	case niciraDecTTL:
		text = "dec_ttl"
	case niciraNote:
		text = "note:" + dotted(data[2:])
	}
	if a, ok, err := parseNiciraAction(splitAction(text)); !ok || err != nil || !SameAction(a, VendorAction{VendorNicira, data}) {
		return ""
	}
	return text
}

func dotted(b []byte) string {
	var s strings.Builder
	for i, c := range b {
		if i > 0 {
			s.WriteByte('.')
		}
		fmt.Fprintf(&s, "%02x", c)
	}
	return s.String()
}

// parseNiciraAction reads what niciraActionText writes. It reports whether the key is one of those.
func parseNiciraAction(key, arg string) (a Action, ok bool, err error) {
	data := make([]byte, 8, 16)
	put := func(subtype uint16) { be.PutUint16(data, subtype) }
	switch key {
	case "resubmit":
		port, table, both := strings.Cut(arg, ",")
		put(niciraResubmit)
		p := PortInPort
		if port != "" || !both {
			if p, err = ParsePort(port); err != nil {
				return nil, true, err
			}
		}
		be.PutUint16(data[2:], uint16(p))
		if both {
			put(niciraResubmitTable)
			data[4] = math.MaxUint8 // this table
			if table != "" {
				n, err := parseNumber("table", table, math.MaxUint8, 1)
				if err != nil {
					return nil, true, err
				}
				data[4] = uint8(n)
			}
		}
	case "set_tunnel", "set_tunnel64":
		n, err := parseNumber("tunnel", arg, math.MaxUint64, 1)
		if err != nil {
			return nil, true, err
		}
		put(niciraSetTunnel)
		be.PutUint32(data[4:], uint32(n))
		if key == "set_tunnel64" || n > math.MaxUint32 {
			put(niciraSetTunnel64)
			be.PutUint32(data[4:], 0)
			data = be.AppendUint64(data, n)
		}
	case "set_queue":
		n, err := parseNumber("queue", arg, math.MaxUint32, 1)
		if err != nil {
			return nil, true, err
		}
		put(niciraSetQueue)
		be.PutUint32(data[4:], uint32(n))
	case "pop_queue":
		put(niciraPopQueue)
	case "exit":
		put(niciraExit)
	case "dec_ttl":
		put(niciraDecTTL)
	case "note":
		note, err := hex.DecodeString(strings.ReplaceAll(arg, ".", ""))
		if err != nil {
			return nil, true, fmt.Errorf("ofproto: action note:%s: %w", arg, err)
		}
		put(niciraNote)
		data = append(data[:2], note...)
		data = append(data, make([]byte, (8-len(data)%8)%8)...)
	default:
		return nil, false, nil
	}
	return VendorAction{VendorNicira, data}, true, nil
}
