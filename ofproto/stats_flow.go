package ofproto

import (
	"fmt"
	"slices"
)

// AllTables as a TableID asks for every table.
const AllTables uint8 = 0xff

// A FlowStatsRequest asks for flow entries one by one: struct ofp_flow_stats_request, OpenFlow 1.0.0 §5.3.5.
type FlowStatsRequest struct {
	Match   Match `json:"match"`    // entries that it covers; MatchAll for every one
	TableID uint8 `json:"table_id"` // or AllTables
	OutPort Port  `json:"out_port"` // only entries that output there; PortNone for all

	pad byte
}

// Kind returns StatsFlow.
func (FlowStatsRequest) Kind() StatsKind { return StatsFlow }

func (s FlowStatsRequest) appendTo(dst []byte) ([]byte, error) {
	dst = append(s.Match.appendTo(dst), s.TableID, s.pad)
	return be.AppendUint16(dst, uint16(s.OutPort)), nil
}

func (FlowStatsRequest) request() {}

// An AggregateStatsRequest asks for the sum over flow entries: struct ofp_aggregate_stats_request, OpenFlow 1.0.0 §5.3.5.
type AggregateStatsRequest struct {
	Match   Match `json:"match"`    // entries that it covers; MatchAll for every one
	TableID uint8 `json:"table_id"` // or AllTables
	OutPort Port  `json:"out_port"` // only entries that output there; PortNone for all

	pad byte
}

// Kind returns StatsAggregate.
func (AggregateStatsRequest) Kind() StatsKind { return StatsAggregate }

func (s AggregateStatsRequest) appendTo(dst []byte) ([]byte, error) {
	dst = append(s.Match.appendTo(dst), s.TableID, s.pad)
	return be.AppendUint16(dst, uint16(s.OutPort)), nil
}

func (AggregateStatsRequest) request() {}

// FlowStats are flow entries: the body of a reply to a FlowStatsRequest, OpenFlow 1.0.0 §5.3.5.
type FlowStats []FlowStat

// A FlowStat is one flow entry: struct ofp_flow_stats, OpenFlow 1.0.0 §5.3.5.
type FlowStat struct {
	TableID      uint8    `json:"table_id"`
	Match        Match    `json:"match"`
	DurationSec  uint32   `json:"duration_sec"` // it has lived so many seconds
	DurationNsec uint32   `json:"duration_nsec"`
	Priority     uint16   `json:"priority"`
	IdleTimeout  uint16   `json:"idle_timeout"`
	HardTimeout  uint16   `json:"hard_timeout"`
	Cookie       uint64   `json:"cookie,string"`
	PacketCount  uint64   `json:"packet_count"`
	ByteCount    uint64   `json:"byte_count"`
	Actions      []Action `json:"actions"`

	pad [7]byte // one byte behind TableID, six behind HardTimeout
}

const flowStatLen = 88

// Kind returns StatsFlow.
func (FlowStats) Kind() StatsKind { return StatsFlow }

func (FlowStats) reply() {}

func (s FlowStats) appendTo(dst []byte) ([]byte, error) {
	for i := range s {
		f := &s[i]
		start := len(dst)
		dst = append(dst, 0, 0, f.TableID, f.pad[0])
		dst = f.Match.appendTo(dst)
		dst = be.AppendUint32(dst, f.DurationSec)
		dst = be.AppendUint32(dst, f.DurationNsec)
		dst = be.AppendUint16(dst, f.Priority)
		dst = be.AppendUint16(dst, f.IdleTimeout)
		dst = be.AppendUint16(dst, f.HardTimeout)
		dst = append(dst, f.pad[1:]...)
		dst = be.AppendUint64(dst, f.Cookie)
		dst = be.AppendUint64(dst, f.PacketCount)
		dst = be.AppendUint64(dst, f.ByteCount)
		var err error
		if dst, err = appendActions(dst, f.Actions); err != nil {
			return dst, err
		}
		n := len(dst) - start
		if n > MaxLen {
			return dst, fmt.Errorf("flow entry of %d bytes: %w", n, ErrTooLong)
		}
		be.PutUint16(dst[start:], uint16(n))
	}
	return dst, nil
}

// flowStats reads flow entries. Those with the same actions share them: they are never changed, and a table of thousands of
// connections has few lists of them.
func flowStats(body []byte) (FlowStats, error) {
	lists := make(map[string][]Action)
	s := make(FlowStats, 0, flowStatsIn(body[statsHeaderLen:]))
	for at := statsHeaderLen; at < len(body); {
		left := len(body) - at
		if left < flowStatLen {
			return nil, bad(TypeStatsReply, at, ErrShort, "%d bytes left of a flow entry", left)
		}
		b := body[at:]
		n := int(be.Uint16(b))
		switch {
		case n < flowStatLen:
			return nil, bad(TypeStatsReply, at, ErrShort, "flow entry length %d", n)
		case n > left:
			return nil, bad(TypeStatsReply, at, ErrShort, "flow entry length %d in %d bytes", n, left)
		}
		actions, seen := lists[string(b[flowStatLen:n])]
		if !seen {
			var err error
			if actions, err = actionsAt(TypeStatsReply, body, at+flowStatLen, at+n); err != nil {
				return nil, err
			}
			actions = slices.Clip(actions)
			lists[string(b[flowStatLen:n])] = actions
		}
		f := FlowStat{
			TableID:      b[2],
			Match:        matchAt(b[4:]),
			DurationSec:  be.Uint32(b[44:]),
			DurationNsec: be.Uint32(b[48:]),
			Priority:     be.Uint16(b[52:]),
			IdleTimeout:  be.Uint16(b[54:]),
			HardTimeout:  be.Uint16(b[56:]),
			Cookie:       be.Uint64(b[64:]),
			PacketCount:  be.Uint64(b[72:]),
			ByteCount:    be.Uint64(b[80:]),
			Actions:      actions,
		}
		f.pad[0] = b[3]
		copy(f.pad[1:], b[58:64])
		s = append(s, f)
		at += n
	}
	return s, nil
}

// flowStatsIn counts flow entries by their lengths, as far as these can be.
func flowStatsIn(b []byte) (n int) {
	for len(b) >= flowStatLen {
		size := int(be.Uint16(b))
		if size < flowStatLen || size > len(b) {
			break
		}
		b = b[size:]
		n++
	}
	return n
}

// AggregateStats are sums over flow entries: struct ofp_aggregate_stats_reply, OpenFlow 1.0.0 §5.3.5.
type AggregateStats struct {
	PacketCount uint64 `json:"packet_count"`
	ByteCount   uint64 `json:"byte_count"`
	FlowCount   uint32 `json:"flow_count"`

	pad [4]byte
}

// Kind returns StatsAggregate.
func (AggregateStats) Kind() StatsKind { return StatsAggregate }

func (AggregateStats) reply() {}

func (s AggregateStats) appendTo(dst []byte) ([]byte, error) {
	dst = be.AppendUint64(be.AppendUint64(dst, s.PacketCount), s.ByteCount)
	return append(be.AppendUint32(dst, s.FlowCount), s.pad[:]...), nil
}

func aggregateStats(body []byte) (AggregateStats, error) {
	if err := exactly(TypeStatsReply, body, statsHeaderLen+24); err != nil {
		return AggregateStats{}, err
	}
	b := body[statsHeaderLen:]
	return AggregateStats{be.Uint64(b), be.Uint64(b[8:]), be.Uint32(b[16:]), [4]byte(b[20:])}, nil
}
