package controller

import (
	"fmt"
	"slices"
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

// add takes one part of a switch's answer, whose message need not outlive it.
func (e *entries) add(part ofproto.FlowStats) error {
	for i := range part {
		switch {
		case !flow.Cookie(part[i].Cookie).Ours():
			e.foreign++
		case len(e.ours) == maxTable:
			return fmt.Errorf("flow table: more than %d entries", maxTable)
		default:
			part[i].Actions = ownActions(part[i].Actions)
			e.ours = append(e.ours, part[i])
		}
	}
	return nil
}

// ownActions are actions that alias nothing of the message they came in, as those do that have no type here.
func ownActions(all []ofproto.Action) []ofproto.Action {
	own := all
	for i, a := range all {
		switch old := a.(type) {
		case ofproto.VendorAction:
			old.Data = slices.Clone(old.Data)
			a = old
		case ofproto.RawAction:
			old.Data = slices.Clone(old.Data)
			a = old
		default:
			continue
		}
		if &own[0] == &all[0] {
			own = slices.Clone(all) // other entries may share them
		}
		own[i] = a
	}
	return own
}

// A tableRead asks a switch for entries of its table, one question at a time; the answer may come in many parts. Its zero
// value has asked nothing.
type tableRead struct {
	mu    sync.Mutex
	xid   uint32 // of the open question; 0 for none
	asked time.Time
	begun bool // a part of the answer has come
}

// A part is the place of a message in an answer of several.
type part struct {
	asked       time.Time // when the question was
	first, last bool
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
	r.xid, r.asked, r.begun = d.nextXID(), now, false
	_ = d.conn.Write(r.xid, &ofproto.StatsRequest{Body: ofproto.FlowStatsRequest{
		Match: match, TableID: 0xff, OutPort: ofproto.PortNone,
	}})
	d.kick()
}

// heard tells which part of the answer to the open question a reply is; ok is false where it is none.
func (r *tableRead) heard(xid uint32, flags ofproto.StatsFlags) (p part, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.xid == 0 || xid != r.xid {
		return part{}, false
	}
	p = part{asked: r.asked, first: !r.begun, last: flags&ofproto.StatsMore == 0}
	r.begun = true
	if p.last {
		r.xid = 0
	}
	return p, true
}

// openSince is when the open question was asked; ok is false where none is.
func (r *tableRead) openSince() (asked time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked, r.xid != 0
}

// giveUp expects no answer to a question any more, if it is open: the next is asked when its turn comes.
func (r *tableRead) giveUp(xid uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if xid == r.xid {
		r.xid = 0
	}
}

// statistics handles an answer, or a part of one, to what a running switch is asked.
func (d *datapath) statistics(xid uint32, m *ofproto.StatsReply) {
	switch body := m.Body.(type) {
	case ofproto.PortStats:
		d.uplinksCounted(body)
	case ofproto.FlowStats:
		if p, ok := d.auditing.heard(xid, m.Flags); ok {
			d.auditPart(xid, body, p)
		} else if p, ok := d.metering.heard(xid, m.Flags); ok {
			d.meterPart(body, p)
		}
	}
}
