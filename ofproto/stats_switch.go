package ofproto

// A DescStatsRequest asks for the switch's description: OFPST_DESC, OpenFlow 1.0.0 §5.3.5. It has no body.
type DescStatsRequest struct{}

// Kind returns StatsDesc.
func (DescStatsRequest) Kind() StatsKind { return StatsDesc }

func (DescStatsRequest) appendTo(dst []byte) ([]byte, error) { return dst, nil }

func (DescStatsRequest) request() {}

// DescStats describes a switch: struct ofp_desc_stats, OpenFlow 1.0.0 §5.3.5. SerialNumber has at most 32 bytes, the
// others 256.
type DescStats struct {
	Manufacturer string `json:"mfr_desc"`
	Hardware     string `json:"hw_desc"`
	Software     string `json:"sw_desc"`
	SerialNumber string `json:"serial_num"`
	Datapath     string `json:"dp_desc"` // for people; not the datapath id

	tails [5]string // behind each string's NUL
}

var descSizes = [5]int{256, 256, 256, 32, 256}

const descStatsLen = 1056

// Kind returns StatsDesc.
func (DescStats) Kind() StatsKind { return StatsDesc }

func (DescStats) reply() {}

func (s DescStats) appendTo(dst []byte) ([]byte, error) {
	for i, text := range [5]string{s.Manufacturer, s.Hardware, s.Software, s.SerialNumber, s.Datapath} {
		var err error
		if dst, err = appendString(dst, text, s.tails[i], descSizes[i]); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func descStats(body []byte) (DescStats, error) {
	if err := exactly(TypeStatsReply, body, statsHeaderLen+descStatsLen); err != nil {
		return DescStats{}, err
	}
	var s DescStats
	b := body[statsHeaderLen:]
	for i, text := range [5]*string{&s.Manufacturer, &s.Hardware, &s.Software, &s.SerialNumber, &s.Datapath} {
		*text, s.tails[i] = cutString(b[:descSizes[i]])
		b = b[descSizes[i]:]
	}
	return s, nil
}

// A TableStatsRequest asks for the flow tables: OFPST_TABLE, OpenFlow 1.0.0 §5.3.5. It has no body.
type TableStatsRequest struct{}

// Kind returns StatsTable.
func (TableStatsRequest) Kind() StatsKind { return StatsTable }

func (TableStatsRequest) appendTo(dst []byte) ([]byte, error) { return dst, nil }

func (TableStatsRequest) request() {}

// TableStats are the flow tables of a switch, OpenFlow 1.0.0 §5.3.5.
type TableStats []TableStat

// A TableStat describes a flow table: struct ofp_table_stats, OpenFlow 1.0.0 §5.3.5.
type TableStat struct {
	TableID      uint8     `json:"table_id"`
	Name         string    `json:"name"`        // at most 32 bytes
	Wildcards    Wildcards `json:"wildcards"`   // that it supports
	MaxEntries   uint32    `json:"max_entries"` // that it can hold
	ActiveCount  uint32    `json:"active_count"`
	LookupCount  uint64    `json:"lookup_count"`  // packets looked up
	MatchedCount uint64    `json:"matched_count"` // packets that hit an entry

	nameTail string
	pad      [3]byte
}

const (
	tableStatLen = 64
	tableNameLen = 32
)

// Kind returns StatsTable.
func (TableStats) Kind() StatsKind { return StatsTable }

func (TableStats) reply() {}

func (s TableStats) appendTo(dst []byte) ([]byte, error) {
	for i := range s {
		t := &s[i]
		dst = append(append(dst, t.TableID), t.pad[:]...)
		var err error
		if dst, err = appendString(dst, t.Name, t.nameTail, tableNameLen); err != nil {
			return dst, err
		}
		dst = be.AppendUint32(dst, uint32(t.Wildcards))
		dst = be.AppendUint32(dst, t.MaxEntries)
		dst = be.AppendUint32(dst, t.ActiveCount)
		dst = be.AppendUint64(dst, t.LookupCount)
		dst = be.AppendUint64(dst, t.MatchedCount)
	}
	return dst, nil
}

func tableStats(body []byte) (TableStats, error) {
	b, n, err := records(body, tableStatLen)
	if err != nil {
		return nil, err
	}
	s := make(TableStats, n)
	for i := range s {
		s[i] = TableStat{
			TableID:      b[0],
			Wildcards:    Wildcards(be.Uint32(b[36:])),
			MaxEntries:   be.Uint32(b[40:]),
			ActiveCount:  be.Uint32(b[44:]),
			LookupCount:  be.Uint64(b[48:]),
			MatchedCount: be.Uint64(b[56:]),
			pad:          [3]byte(b[1:]),
		}
		s[i].Name, s[i].nameTail = cutString(b[4:36])
		b = b[tableStatLen:]
	}
	return s, nil
}
