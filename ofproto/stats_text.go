package ofproto

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

func formatStatsRequest(m *StatsRequest) (name, text string) {
	if m.Body == nil {
		return "OFPT_STATS_REQUEST", ""
	}
	text = statsFlags(m.Flags)
	switch s := m.Body.(type) {
	case FlowStatsRequest:
		text += formatFlowStatsRequest(s.TableID, s.OutPort, s.Match)
	case AggregateStatsRequest:
		text += formatFlowStatsRequest(s.TableID, s.OutPort, s.Match)
	case PortStatsRequest:
		text += fmt.Sprintf("port_no=%v", s.Port)
	case QueueStatsRequest:
		text += fmt.Sprintf("port=%v queue=%s", s.Port, queueID(s.QueueID))
	case VendorStats:
		text += fmt.Sprintf("vendor=%v data %v", s.Vendor, s.Data)
	case RawStats:
		text += formatPayload(s.Data)
	}
	return fmt.Sprintf("OFPST_%v request", m.Body.Kind()), text
}

func formatFlowStatsRequest(table uint8, out Port, match Match) string {
	var s []string
	if table != AllTables {
		s = append(s, fmt.Sprintf("table=%d", table))
	}
	if out != PortNone {
		s = append(s, fmt.Sprintf("out_port=%v", out))
	}
	if text := match.String(); text != "" {
		s = append(s, text)
	}
	return strings.Join(s, " ")
}

func queueID(id uint32) string {
	if id == AllQueues {
		return "ALL"
	}
	return strconv.FormatUint(uint64(id), 10)
}

func formatStatsReply(m *StatsReply) (name, text string) {
	if m.Body == nil {
		return "OFPT_STATS_REPLY", ""
	}
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch s := m.Body.(type) {
	case DescStats:
		add("manufacturer: %q, hardware: %q, software: %q, serial: %q, datapath: %q",
			s.Manufacturer, s.Hardware, s.Software, s.SerialNumber, s.Datapath)
	case FlowStats:
		for i := range s {
			add("%s", formatFlowStat(&s[i]))
		}
	case AggregateStats:
		add("packet_count=%s byte_count=%s flow_count=%d", count(s.PacketCount), count(s.ByteCount), s.FlowCount)
	case TableStats:
		for _, t := range s {
			add("table %d (%q): active=%d, lookup=%s, matched=%s, max_entries=%d, wildcards=0x%x",
				t.TableID, t.Name, t.ActiveCount, count(t.LookupCount), count(t.MatchedCount), t.MaxEntries, uint32(t.Wildcards))
		}
	case PortStats:
		for i := range s {
			add("%s", formatPortStat(&s[i]))
		}
	case QueueStats:
		for _, q := range s {
			add("port %v queue %s: bytes=%s, pkts=%s, errors=%s", q.Port, queueID(q.QueueID), count(q.TxBytes), count(q.TxPackets), count(q.TxErrors))
		}
	case VendorStats:
		add("vendor=%v data %v", s.Vendor, s.Data)
	case RawStats:
		add("%s", formatPayload(s.Data))
	}
	return fmt.Sprintf("OFPST_%v reply", m.Body.Kind()), statsFlags(m.Flags) + strings.Join(parts, "; ")
}

func statsFlags(f StatsFlags) string {
	switch f {
	case 0:
		return ""
	case StatsMore:
		return "flags=[more] "
	}
	return fmt.Sprintf("flags=0x%04x ", uint16(f))
}

func formatFlowStat(f *FlowStat) string {
	s := fmt.Sprintf("cookie=0x%x, duration=%s, table=%d, n_packets=%s, n_bytes=%s, ",
		f.Cookie, seconds(f.DurationSec, f.DurationNsec), f.TableID, count(f.PacketCount), count(f.ByteCount))
	if f.IdleTimeout != 0 {
		s += fmt.Sprintf("idle_timeout=%d, ", f.IdleTimeout)
	}
	if f.HardTimeout != 0 {
		s += fmt.Sprintf("hard_timeout=%d, ", f.HardTimeout)
	}
	var fields []string
	if f.Priority != DefaultPriority {
		fields = append(fields, fmt.Sprintf("priority=%d", f.Priority))
	}
	if match := f.Match.String(); match != "" {
		fields = append(fields, match)
	}
	if len(fields) > 0 {
		s += strings.Join(fields, ",") + " "
	}
	return s + "actions=" + FormatActions(f.Actions)
}

func formatPortStat(p *PortStat) string {
	return fmt.Sprintf("port %v: rx pkts=%s, bytes=%s, drop=%s, errs=%s, frame=%s, over=%s, crc=%s, tx pkts=%s, bytes=%s, drop=%s, errs=%s, coll=%s",
		p.Port, count(p.RxPackets), count(p.RxBytes), count(p.RxDropped), count(p.RxErrors), count(p.RxFrameErr),
		count(p.RxOverErr), count(p.RxCRCErr), count(p.TxPackets), count(p.TxBytes), count(p.TxDropped), count(p.TxErrors), count(p.Collisions))
}

// count writes a counter, or "?" for one that the switch does not keep.
func count(n uint64) string {
	if n == math.MaxUint64 {
		return "?"
	}
	return strconv.FormatUint(n, 10)
}
