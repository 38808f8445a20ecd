package controller

import (
	"fmt"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// maxTable is how many entries of ours a switch may say it has. Whoever says more of them is not a switch.
const maxTable = 1 << 20

// entries are those of a switch's table: ours one by one, others', of which there may be any number, only counted.
type entries struct {
	ours    []ofproto.FlowStat // Invariant: no more than maxTable
	foreign int
}

// add takes one part of a switch's answer.
func (e *entries) add(part ofproto.FlowStats) error {
	for i := range part {
		switch {
		case !flow.Cookie(part[i].Cookie).Ours():
			e.foreign++
		case len(e.ours) == maxTable:
			return fmt.Errorf("flow table: more than %d entries", maxTable)
		default:
			e.ours = append(e.ours, part[i])
		}
	}
	return nil
}

// A tableRead asks a switch for entries of its table, one question at a time; the answer may come in many parts. Its zero
// value has asked nothing.
type tableRead struct {
	mu    sync.Mutex
	xid   uint32 // of the open question; 0 for none
	asked time.Time
	have  entries
}

// openFor is how many intervals a switch may take to answer about its table before it is asked again.
const openFor = 10

// ask asks for the entries that match covers, as it does every interval. While a question is open none is asked, or the answers of
// a slow switch would all be too late; one that has been open for too long is given up.
func (r *tableRead) ask(d *datapath, match ofproto.Match, interval time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.xid != 0 && now.Sub(r.asked) < openFor*interval {
		return
	}
	r.xid, r.asked, r.have = d.nextXID(), now, entries{}
	_ = d.conn.Write(r.xid, &ofproto.StatsRequest{Body: ofproto.FlowStatsRequest{
		Match: match, TableID: 0xff, OutPort: ofproto.PortNone,
	}})
	d.kick()
}

// part takes one part of an answer. After the last it returns all of them and when they were asked for.
func (r *tableRead) part(xid uint32, m *ofproto.StatsReply) (have entries, asked time.Time, complete bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	part, ok := m.Body.(ofproto.FlowStats)
	if !ok || xid != r.xid {
		return entries{}, time.Time{}, false
	}
	if r.have.add(part) != nil { // this answer has no end
		r.have, r.xid = entries{}, 0
		return entries{}, time.Time{}, false
	}
	if m.Flags&ofproto.StatsMore != 0 {
		return entries{}, time.Time{}, false
	}
	have, r.have, r.xid = r.have, entries{}, 0
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
		d.metered(have.ours, asked)
	}
}
