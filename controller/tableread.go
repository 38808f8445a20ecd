package controller

import (
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A tableRead asks a switch for entries of its table, one question at a time; the answer may come in many parts. Its zero
// value has asked nothing.
type tableRead struct {
	mu    sync.Mutex
	xid   uint32 // of the open question; 0 for none
	asked time.Time
	have  []ofproto.FlowStat
}

// ask asks for the entries that match covers. A question that was still open is given up.
func (r *tableRead) ask(d *datapath, match ofproto.Match, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.xid, r.asked, r.have = d.nextXID(), now, nil
	_ = d.conn.Write(r.xid, &ofproto.StatsRequest{Body: ofproto.FlowStatsRequest{
		Match: match, TableID: 0xff, OutPort: ofproto.PortNone,
	}})
	d.kick()
}

// part takes one part of an answer. After the last it returns all of them and when they were asked for.
func (r *tableRead) part(xid uint32, m *ofproto.StatsReply) (have []ofproto.FlowStat, asked time.Time, complete bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries, ok := m.Body.(ofproto.FlowStats)
	if !ok || xid != r.xid {
		return nil, time.Time{}, false
	}
	r.have = append(r.have, entries...)
	if len(r.have) > maxTable { // this answer has no end
		r.have, r.xid = nil, 0
		return nil, time.Time{}, false
	}
	if m.Flags&ofproto.StatsMore != 0 {
		return nil, time.Time{}, false
	}
	have, r.have, r.xid = r.have, nil, 0
	return have, r.asked, true
}

// statistics handles an answer, or a part of one, to what a running switch is asked.
func (d *datapath) statistics(xid uint32, m *ofproto.StatsReply) {
	if counts, ok := m.Body.(ofproto.PortStats); ok {
		d.uplinksCounted(counts)
		return
	}
	if have, asked, complete := d.auditing.part(xid, m); complete {
		d.audited(have, asked)
	}
	if have, asked, complete := d.metering.part(xid, m); complete {
		d.metered(have, asked)
	}
}
