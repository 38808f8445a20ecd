package ofproto

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseFlow reads a flow in ovs-ofctl's syntax, as FlowMod.String and ovs-ofctl dump-flows write it. It may begin with
// a command (add, modify, modify_strict, delete, delete_strict), add being the default. Except in a deletion there
// must be actions, and they come last. Counters and ages in a line of dump-flows are skipped.
func ParseFlow(s string) (*FlowMod, error) {
	m := &FlowMod{Match: MatchAll, Priority: DefaultPriority, BufferID: NoBuffer, OutPort: PortNone}
	if word, rest := nextWord(s); word != "" {
		for i, name := range flowModCommands {
			if word == name {
				m.Command, s = FlowModCommand(i), rest
			}
		}
	}
	acted := false
	for s = strings.TrimLeft(s, separators); s != ""; s = strings.TrimLeft(s, separators) {
		if actions, ok := cutActions(s); ok {
			var err error
			if m.Actions, err = ParseActions(actions); err != nil {
				return nil, err
			}
			acted = true
			break
		}
		var word string
		word, s = nextWord(s)
		key, value, _ := strings.Cut(word, "=")
		if err := m.set(key, value); err != nil {
			return nil, err
		}
	}
	if !acted && !m.deletes() {
		return nil, errors.New("ofproto: flow without actions; want actions=drop to drop")
	}
	if err := m.Match.checkVLAN(); err != nil {
		return nil, err
	}
	return m, nil
}

// cutActions returns what follows "actions=", if s begins with that.
func cutActions(s string) (actions string, ok bool) {
	if actions, ok = strings.CutPrefix(s, "actions="); ok {
		return actions, true
	}
	return strings.CutPrefix(s, "action=")
}

// set reads one field other than actions.
func (m *FlowMod) set(key, value string) (err error) {
	for _, f := range flowModFlags {
		if key == f.name && value == "" {
			m.Flags |= f.flag
			return nil
		}
	}
	number := func(dst *uint16) error {
		n, err := parseNumber(key, value, math.MaxUint16, 1)
		*dst = uint16(n)
		return err
	}
	switch key {
	case "duration", "n_packets", "n_bytes", "idle_age", "hard_age", "reset_counts":
		return nil
	case "table", "table_id":
		if n, err := strconv.ParseUint(value, 0, 8); err != nil || n != 0 {
			return fmt.Errorf("ofproto: %s %q: an OpenFlow 1.0 flow cannot choose its table", key, value)
		}
		return nil
	case "cookie":
		m.Cookie, err = parseNumber(key, value, math.MaxUint64, 1)
		return err
	case "priority":
		return number(&m.Priority)
	case "idle_timeout":
		return number(&m.IdleTimeout)
	case "hard_timeout":
		return number(&m.HardTimeout)
	case "out_port":
		m.OutPort, err = ParsePort(value)
		return err
	}
	known, err := m.Match.set(key, value)
	if !known {
		return fmt.Errorf("ofproto: flow field %q is unknown", key)
	}
	return err
}

// ParseActions reads a list of actions in ovs-ofctl's syntax as FormatActions writes it: output:1 or a port alone,
// CONTROLLER:128, mod_dl_dst:, mod_nw_src:, enqueue:1:2, drop and so on, separated by commas or blanks.
func ParseActions(s string) ([]Action, error) {
	var actions []Action
	drop := false
	for word, rest := nextWord(s); word != ""; word, rest = nextWord(rest) {
		if word == "drop" {
			drop = true
			continue
		}
		a, err := parseAction(word)
		if err != nil {
			return nil, err
		}
		actions = append(actions, a)
	}
	switch {
	case drop && len(actions) > 0:
		return nil, errors.New("ofproto: action drop beside others")
	case !drop && len(actions) == 0:
		return nil, errors.New("ofproto: no actions; want drop to drop")
	}
	return actions, nil
}

// splitAction cuts key:arg, key=arg or key(arg) in two. An argument whose parenthesis does not close keeps it.
func splitAction(word string) (key, arg string) {
	i := strings.IndexAny(word, ":=(")
	if i <= 0 {
		return word, ""
	}
	key, arg = word[:i], word[i+1:]
	if word[i] == '(' {
		var closed bool
		if arg, closed = strings.CutSuffix(arg, ")"); !closed {
			arg = word[i:]
		}
	}
	return key, arg
}

func parseAction(word string) (Action, error) {
	key, arg := splitAction(word)
	number := func(limit, step uint64) (uint64, error) { return parseNumber("action "+key, arg, limit, step) }
	switch key {
	case "output":
		return parseOutput(arg)
	case "enqueue":
		return parseEnqueue(arg)
	case "mod_vlan_vid", "set_vlan_vid":
		n, err := number(0xfff, 1)
		return SetVLANVID{VID: uint16(n)}, err
	case "mod_vlan_pcp", "set_vlan_pcp":
		n, err := number(7, 1)
		return SetVLANPCP{PCP: uint8(n)}, err
	case "strip_vlan":
		return StripVLAN{}, nil
	case "mod_dl_src":
		a, err := ParseMAC(arg)
		return SetDLSrc{MAC: a}, err
	case "mod_dl_dst":
		a, err := ParseMAC(arg)
		return SetDLDst{MAC: a}, err
	case "mod_nw_src":
		a, err := ParseIPv4(arg)
		return SetNWSrc{a}, err
	case "mod_nw_dst":
		a, err := ParseIPv4(arg)
		return SetNWDst{a}, err
	case "mod_nw_tos":
		n, err := number(0xfc, 4)
		return SetNWTOS{TOS: uint8(n)}, err
	case "mod_tp_src":
		n, err := number(math.MaxUint16, 1)
		return SetTPSrc{Port: uint16(n)}, err
	case "mod_tp_dst":
		n, err := number(math.MaxUint16, 1)
		return SetTPDst{Port: uint16(n)}, err
	case "fin_timeout":
		return parseFinTimeout(arg)
	case "vendor", "action":
		return parseOpaque(key, arg)
	}
	if a, ok, err := parseNiciraAction(key, arg); ok {
		return a, err
	}
	if _, err := ParsePort(key); err == nil {
		return parseOutput(word)
	}
	return nil, fmt.Errorf("ofproto: action %q is unknown", word)
}

// parseOutput reads a port, PortController with the bytes it gets: all of them if none are given.
func parseOutput(arg string) (Action, error) {
	text, limit, limited := strings.Cut(arg, ":")
	port, err := ParsePort(text)
	if err != nil || port != PortController {
		if err == nil && limited {
			err = fmt.Errorf("ofproto: action output:%s: only the controller takes a length", arg)
		}
		return Output{Port: port}, err
	}
	if !limited {
		return Output{PortController, math.MaxUint16}, nil
	}
	n, err := parseNumber("length for the controller", limit, math.MaxUint16, 1)
	return Output{PortController, uint16(n)}, err
}

func parseEnqueue(arg string) (Action, error) {
	i := strings.IndexAny(arg, ":,")
	if i < 0 {
		return nil, fmt.Errorf("ofproto: action enqueue:%s: want a port and a queue", arg)
	}
	port, err := ParsePort(arg[:i])
	if err != nil {
		return nil, err
	}
	queue, err := parseNumber("queue", strings.TrimPrefix(arg[i+1:], "q"), math.MaxUint32, 1)
	return Enqueue{Port: port, QueueID: uint32(queue)}, err
}

// parseOpaque reads vendor(ID,hex) and action(TYPE,hex).
func parseOpaque(key, arg string) (Action, error) {
	id, text, _ := strings.Cut(arg, ",")
	var data Bytes
	if err := data.UnmarshalText([]byte(text)); err != nil {
		return nil, fmt.Errorf("ofproto: action %s(%s): %w", key, arg, err)
	}
	if key == "vendor" {
		n, err := parseNumber("vendor", id, math.MaxUint32, 1)
		if err == nil && len(data)%8 != 0 {
			err = fmt.Errorf("ofproto: action vendor(%s): %d bytes, not a multiple of 8", arg, len(data))
		}
		return vendorAction(VendorID(n), data), err
	}
	n, err := parseNumber("action type", id, math.MaxUint16, 1)
	if err == nil && (len(data)%8 != 4 || n <= uint64(ActionEnqueue) || ActionType(n) == ActionVendor) {
		err = fmt.Errorf("ofproto: action(%s): want an unknown type and 4 bytes more than a multiple of 8", arg)
	}
	return RawAction{ActionType(n), data}, err
}
