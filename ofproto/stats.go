package ofproto

import "fmt"

// A StatsKind says what statistics are about: enum ofp_stats_types, OpenFlow 1.0.0 §5.3.5.
type StatsKind uint16

// The kinds of statistics (OFPST_*).
const (
	StatsDesc StatsKind = iota
	StatsFlow
	StatsAggregate
	StatsTable
	StatsPort
	StatsQueue
	StatsVendor StatsKind = 0xffff
)

// StatsFlags are the flags of statistics messages: enum ofp_stats_reply_flags, OpenFlow 1.0.0 §5.3.5. Requests have none.
type StatsFlags uint16

// StatsMore says that more replies to the same request follow (OFPSF_REPLY_MORE).
const StatsMore StatsFlags = 1

// A StatsRequestBody says which statistics are wanted: one of DescStatsRequest, FlowStatsRequest, AggregateStatsRequest,
// TableStatsRequest, PortStatsRequest, QueueStatsRequest, VendorStats, RawStats.
type StatsRequestBody interface {
	Kind() StatsKind
	appendTo(dst []byte) ([]byte, error)
	request()
}

// A StatsReplyBody holds statistics: one of DescStats, FlowStats, AggregateStats, TableStats, PortStats, QueueStats,
// VendorStats, RawStats.
type StatsReplyBody interface {
	Kind() StatsKind
	appendTo(dst []byte) ([]byte, error)
	reply()
}

// A StatsRequest asks for statistics: struct ofp_stats_request, OpenFlow 1.0.0 §5.3.5.
type StatsRequest struct {
	Flags StatsFlags       `json:"flags"`
	Body  StatsRequestBody `json:"body"`
}

// A StatsReply carries statistics: struct ofp_stats_reply, OpenFlow 1.0.0 §5.3.5. One request may be answered by several
// replies, all but the last with StatsMore.
type StatsReply struct {
	Flags StatsFlags     `json:"flags"`
	Body  StatsReplyBody `json:"body"`
}

const statsHeaderLen = 4

// Type returns TypeStatsRequest.
func (*StatsRequest) Type() Type { return TypeStatsRequest }

// AppendBody implements Message.
func (m *StatsRequest) AppendBody(dst []byte) ([]byte, error) {
	if m.Body == nil {
		return dst, fmt.Errorf("ofproto: encode STATS_REQUEST: %w", ErrNoBody)
	}
	out := be.AppendUint16(be.AppendUint16(dst, uint16(m.Body.Kind())), uint16(m.Flags))
	out, err := m.Body.appendTo(out)
	if err != nil {
		return dst, fmt.Errorf("ofproto: encode STATS_REQUEST: %w", err)
	}
	return out, nil
}

// DecodeBody implements Message.
func (m *StatsRequest) DecodeBody(body []byte) error {
	if err := atLeast(TypeStatsRequest, body, statsHeaderLen); err != nil {
		return err
	}
	req, err := statsRequestBody(StatsKind(be.Uint16(body)), body)
	if err != nil {
		return err
	}
	*m = StatsRequest{StatsFlags(be.Uint16(body[2:])), req}
	return nil
}

// statsRequestLens are the sizes of the requests of fixed size, without the header that all share.
var statsRequestLens = map[StatsKind]int{
	StatsDesc: 0, StatsFlow: matchLen + 4, StatsAggregate: matchLen + 4, StatsTable: 0, StatsPort: 8, StatsQueue: 8,
}

func statsRequestBody(kind StatsKind, body []byte) (StatsRequestBody, error) {
	if size, fixed := statsRequestLens[kind]; fixed {
		if err := exactly(TypeStatsRequest, body, statsHeaderLen+size); err != nil {
			return nil, err
		}
	}
	b := body[statsHeaderLen:]
	switch kind {
	case StatsDesc:
		return DescStatsRequest{}, nil
	case StatsFlow:
		return FlowStatsRequest{matchAt(b), b[40], Port(be.Uint16(b[42:])), b[41]}, nil
	case StatsAggregate:
		return AggregateStatsRequest{matchAt(b), b[40], Port(be.Uint16(b[42:])), b[41]}, nil
	case StatsTable:
		return TableStatsRequest{}, nil
	case StatsPort:
		return PortStatsRequest{Port(be.Uint16(b)), [6]byte(b[2:])}, nil
	case StatsQueue:
		return QueueStatsRequest{Port(be.Uint16(b)), be.Uint32(b[4:]), [2]byte(b[2:])}, nil
	case StatsVendor:
		return vendorStats(TypeStatsRequest, body)
	}
	return RawStats{kind, b}, nil
}

// Type returns TypeStatsReply.
func (*StatsReply) Type() Type { return TypeStatsReply }

// AppendBody implements Message.
func (m *StatsReply) AppendBody(dst []byte) ([]byte, error) {
	if m.Body == nil {
		return dst, fmt.Errorf("ofproto: encode STATS_REPLY: %w", ErrNoBody)
	}
	out := be.AppendUint16(be.AppendUint16(dst, uint16(m.Body.Kind())), uint16(m.Flags))
	out, err := m.Body.appendTo(out)
	if err != nil {
		return dst, fmt.Errorf("ofproto: encode STATS_REPLY: %w", err)
	}
	return out, nil
}

// DecodeBody implements Message.
func (m *StatsReply) DecodeBody(body []byte) error {
	if err := atLeast(TypeStatsReply, body, statsHeaderLen); err != nil {
		return err
	}
	var rep StatsReplyBody
	var err error
	switch kind := StatsKind(be.Uint16(body)); kind {
	case StatsDesc:
		rep, err = descStats(body)
	case StatsFlow:
		rep, err = flowStats(body)
	case StatsAggregate:
		rep, err = aggregateStats(body)
	case StatsTable:
		rep, err = tableStats(body)
	case StatsPort:
		rep, err = portStats(body)
	case StatsQueue:
		rep, err = queueStats(body)
	case StatsVendor:
		rep, err = vendorStats(TypeStatsReply, body)
	default:
		rep = RawStats{kind, body[statsHeaderLen:]}
	}
	if err != nil {
		return err
	}
	*m = StatsReply{StatsFlags(be.Uint16(body[2:])), rep}
	return nil
}

// records checks that a reply's body is an array of structs of the given size and returns its bytes and their number.
func records(body []byte, size int) ([]byte, int, error) {
	b := body[statsHeaderLen:]
	if rest := len(b) % size; rest != 0 {
		return nil, 0, bad(TypeStatsReply, len(body)-rest, ErrLength, "%d bytes of entries of %d bytes each", len(b), size)
	}
	return b, len(b) / size, nil
}

// VendorStats is an extension's request or reply: OFPST_VENDOR, OpenFlow 1.0.0 §5.3.5.
type VendorStats struct {
	Vendor VendorID `json:"vendor"`
	Data   Bytes    `json:"data"`
}

// Kind returns StatsVendor.
func (VendorStats) Kind() StatsKind { return StatsVendor }

func (s VendorStats) appendTo(dst []byte) ([]byte, error) {
	return append(be.AppendUint32(dst, uint32(s.Vendor)), s.Data...), nil
}

func (VendorStats) request() {}
func (VendorStats) reply()   {}

func vendorStats(t Type, body []byte) (VendorStats, error) {
	if err := atLeast(t, body, statsHeaderLen+4); err != nil {
		return VendorStats{}, err
	}
	v := VendorID(be.Uint32(body[statsHeaderLen:]))
	if v == VendorNicira {
		if err := checkNiciraStats(t, body); err != nil {
			return VendorStats{}, err
		}
	}
	return VendorStats{v, body[statsHeaderLen+4:]}, nil
}

// RawStats is a request or reply of a kind that OpenFlow 1.0 does not define.
type RawStats struct {
	StatsKind StatsKind `json:"kind"`
	Data      Bytes     `json:"data"`
}

// Kind returns StatsKind.
func (s RawStats) Kind() StatsKind { return s.StatsKind }

func (s RawStats) appendTo(dst []byte) ([]byte, error) { return append(dst, s.Data...), nil }

func (RawStats) request() {}
func (RawStats) reply()   {}
