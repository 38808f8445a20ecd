package ofproto

import (
	"fmt"
	"strings"
)

// Format writes a message on one line in the manner of ovs-ofctl: "OFPT_FLOW_MOD (xid=0x1): ADD tcp,tp_dst=1935
// actions=output:2".
func Format(xid uint32, m Message) string {
	name, text := "OFPT_"+m.Type().String(), ""
	switch m := m.(type) {
	case *Hello:
		text = formatHello(m)
	case *Error:
		text = fmt.Sprintf("%s, data %v", m.Reason(), m.Data)
	case *EchoRequest:
		text = formatPayload(m.Data)
	case *EchoReply:
		text = formatPayload(m.Data)
	case *FeaturesReply:
		text = formatFeatures(m)
	case *GetConfigReply:
		text = fmt.Sprintf("frags=%v miss_send_len=%d", m.Flags, m.MissSendLen)
	case *SetConfig:
		text = fmt.Sprintf("frags=%v miss_send_len=%d", m.Flags, m.MissSendLen)
	case *PacketIn:
		text = fmt.Sprintf("total_len=%d in_port=%v (via %v)%s", m.TotalLen, m.InPort, m.Reason, formatPacket(m.BufferID, m.Data))
	case *FlowRemoved:
		text = formatFlowRemoved(m)
	case *PortStatus:
		text = fmt.Sprintf("%v: %s", m.Reason, formatPort(&m.Port))
	case *PacketOut:
		text = fmt.Sprintf("in_port=%v actions=%s%s", m.InPort, FormatActions(m.Actions), formatPacket(m.BufferID, m.Data))
	case *FlowMod:
		text = formatFlowMod(m)
	case *PortMod:
		text = fmt.Sprintf("port: %v: addr:%v config: %v mask: %v advertise: %v", m.Port, m.HWAddr, m.Config, m.Mask, m.Advertise)
	case *StatsRequest:
		name, text = formatStatsRequest(m)
	case *StatsReply:
		name, text = formatStatsReply(m)
	case *QueueGetConfigRequest:
		text = fmt.Sprintf("port=%v", m.Port)
	case *QueueGetConfigReply:
		text = formatQueues(m)
	case *Raw:
		text = formatPayload(m.Body)
	default:
		if m.Type() == TypeVendor {
			name, text = formatVendor(m)
		}
	}
	if text == "" {
		return fmt.Sprintf("%s (xid=0x%x):", name, xid)
	}
	return fmt.Sprintf("%s (xid=0x%x): %s", name, xid, text)
}

func formatHello(m *Hello) string {
	s := fmt.Sprintf("version 0x%02x", max(m.Version, Version))
	if len(m.Body) > 0 {
		s += fmt.Sprintf(", data %v", m.Body)
	}
	return s
}

func formatPayload(b Bytes) string {
	if len(b) == 0 {
		return "0 bytes of payload"
	}
	return fmt.Sprintf("%d bytes of payload %v", len(b), b)
}

// formatPacket describes a packet by its buffer, its length and its Ethernet header.
func formatPacket(buffer uint32, data Bytes) string {
	s := fmt.Sprintf(" data_len=%d", len(data))
	if buffer == NoBuffer {
		s += " (unbuffered)"
	} else {
		s += fmt.Sprintf(" buffer=0x%08x", buffer)
	}
	if len(data) >= 14 {
		s += fmt.Sprintf(" dl_src=%v,dl_dst=%v,dl_type=0x%04x", MAC(data[6:12]), MAC(data[:6]), be.Uint16(data[12:]))
	}
	return s
}

func formatFlowMod(m *FlowMod) string {
	var s strings.Builder
	s.WriteString(strings.ToUpper(m.Command.String()))
	s.WriteByte(' ')
	if m.BufferID != NoBuffer {
		fmt.Fprintf(&s, "buffer=0x%08x ", m.BufferID)
	}
	m.writeFlow(&s)
	return strings.TrimSuffix(s.String(), " ")
}

func formatFlowRemoved(m *FlowRemoved) string {
	s := fmt.Sprintf("priority=%d", m.Priority)
	if match := m.Match.String(); match != "" {
		s += "," + match
	}
	s += fmt.Sprintf(" reason=%v", m.Reason)
	if m.Cookie != 0 {
		s += fmt.Sprintf(" cookie:0x%x", m.Cookie)
	}
	return s + fmt.Sprintf(" duration%s idle%d pkts%d bytes%d", seconds(m.DurationSec, m.DurationNsec), m.IdleTimeout, m.PacketCount, m.ByteCount)
}

// seconds writes a duration as ovs-ofctl does, to the millisecond: "4.2s".
func seconds(sec, nsec uint32) string {
	s := fmt.Sprintf("%d.%03d", sec, nsec/1e6)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "s"
}

func formatFeatures(m *FeaturesReply) string {
	var s strings.Builder
	fmt.Fprintf(&s, "dpid:%v n_tables:%d n_buffers:%d capabilities: %v actions: %s",
		m.DatapathID, m.NTables, m.NBuffers, m.Capabilities, bitNames(m.Actions, actionNames))
	for i := range m.Ports {
		s.WriteString("; ")
		s.WriteString(formatPort(&m.Ports[i]))
	}
	return s.String()
}

func formatPort(p *PhyPort) string {
	s := fmt.Sprintf("%v(%s): addr:%v config: %v state: %v", p.No, printable(p.Name), p.HWAddr, p.Config, p.State)
	for _, f := range []struct {
		name string
		bits PortFeatures
	}{{"current", p.Curr}, {"advertised", p.Advertised}, {"supported", p.Supported}, {"peer", p.Peer}} {
		if f.bits != 0 {
			s += fmt.Sprintf(" %s: %v", f.name, f.bits)
		}
	}
	return s
}

// printable returns text that came from outside, escaped so that it stays on its line.
func printable(s string) string {
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}

func formatQueues(m *QueueGetConfigReply) string {
	var s strings.Builder
	fmt.Fprintf(&s, "port=%v", m.Port)
	for _, q := range m.Queues {
		fmt.Fprintf(&s, "; queue %d:", q.ID)
		for _, p := range q.Properties {
			switch {
			case p.Type == QueueNone:
			case p.Type != QueueMinRate:
				fmt.Fprintf(&s, " %v:%v", p.Type, p.Data)
			case p.Rate > 1000:
				s.WriteString(" min_rate:disabled")
			default:
				fmt.Fprintf(&s, " min_rate:%d.%d%%", p.Rate/10, p.Rate%10)
			}
		}
	}
	return s.String()
}

func formatVendor(m Message) (name, text string) {
	switch m := m.(type) {
	case *RoleRequest:
		return "NXT_ROLE_REQUEST", fmt.Sprintf("role=%v", m.Role)
	case *RoleReply:
		return "NXT_ROLE_REPLY", fmt.Sprintf("role=%v", m.Role)
	case *SetFlowFormat:
		return "NXT_SET_FLOW_FORMAT", fmt.Sprintf("format=%s", nameOf([]string{"openflow10", "1", "nxm"}, int(m.Format)))
	case *FlowModTableID:
		return "NXT_FLOW_MOD_TABLE_ID", map[bool]string{true: "enable", false: "disable"}[m.Set != 0]
	case *SetPacketInFormat:
		return "NXT_SET_PACKET_IN_FORMAT", fmt.Sprintf("format=%s", nameOf([]string{"standard", "nxt_packet_in", "nxt_packet_in2"}, int(m.Format)))
	case *SetAsyncConfig:
		return "NXT_SET_ASYNC_CONFIG", fmt.Sprintf("primary: PACKET_IN=0x%x PORT_STATUS=0x%x FLOW_REMOVED=0x%x; secondary: PACKET_IN=0x%x PORT_STATUS=0x%x FLOW_REMOVED=0x%x",
			m.PacketIn[0], m.PortStatus[0], m.FlowRemoved[0], m.PacketIn[1], m.PortStatus[1], m.FlowRemoved[1])
	case *SetControllerID:
		return "NXT_SET_CONTROLLER_ID", fmt.Sprintf("id=%d", m.ID)
	case *Vendor:
		return "OFPT_VENDOR", fmt.Sprintf("vendor=%v data %v", m.Vendor, m.Data)
	}
	return "OFPT_VENDOR", ""
}
