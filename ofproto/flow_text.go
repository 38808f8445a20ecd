package ofproto

import (
	"fmt"
	"strings"
)

var flowModCommands = [...]string{"add", "modify", "modify_strict", "delete", "delete_strict"}

// String returns the name that ovs-ofctl gives the command, "delete_strict", or its number.
func (c FlowModCommand) String() string { return nameOf(flowModCommands[:], int(c)) }

// MarshalText is String.
func (c FlowModCommand) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String writes the flow in ovs-ofctl's syntax: "cookie=0x1,idle_timeout=180,priority=100,tcp,tp_dst=1935
// actions=output:2". Any command but FlowAdd comes first, as in ovs-ofctl's flow files. Left out are the buffer and
// unknown flags, which the syntax has no words for, and OutPort where it has no effect.
func (m *FlowMod) String() string {
	var s strings.Builder
	if m.Command != FlowAdd {
		s.WriteString(m.Command.String())
		s.WriteByte(' ')
	}
	m.writeFlow(&s)
	return s.String()
}

func (m *FlowMod) deletes() bool { return m.Command == FlowDelete || m.Command == FlowDeleteStrict }

// writeFlow writes all but the command.
func (m *FlowMod) writeFlow(s *strings.Builder) {
	var fields []string
	add := func(format string, args ...any) { fields = append(fields, fmt.Sprintf(format, args...)) }
	if m.Cookie != 0 {
		add("cookie=0x%x", m.Cookie)
	}
	if m.IdleTimeout != 0 {
		add("idle_timeout=%d", m.IdleTimeout)
	}
	if m.HardTimeout != 0 {
		add("hard_timeout=%d", m.HardTimeout)
	}
	for _, f := range flowModFlags {
		if m.Flags&f.flag != 0 {
			add("%s", f.name)
		}
	}
	if m.Priority != DefaultPriority {
		add("priority=%d", m.Priority)
	}
	if match := m.Match.String(); match != "" {
		add("%s", match)
	}
	if m.deletes() && m.OutPort != PortNone {
		add("out_port=%v", m.OutPort)
	}
	if !m.deletes() || len(m.Actions) > 0 {
		s.WriteString(strings.Join(fields, ","))
		if len(fields) > 0 {
			s.WriteByte(' ')
		}
		s.WriteString("actions=")
		s.WriteString(FormatActions(m.Actions))
		return
	}
	s.WriteString(strings.Join(fields, ","))
}

var flowModFlags = []struct {
	flag FlowModFlags
	name string
}{
	{SendFlowRem, "send_flow_rem"}, {CheckOverlap, "check_overlap"}, {Emergency, "emergency"},
}

// nameOf returns names[i], or the number where there is no such name.
func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprint(i)
}
