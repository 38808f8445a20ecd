package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// audit asks the switches whose turn it is for their whole tables.
func (c *Controller) audit(now time.Time, due func(*datapath) bool) {
	for _, d := range c.up() {
		if due(d) {
			d.auditing.ask(d, ofproto.MatchAll, c.o.AuditInterval, now)
		}
	}
}

// auditPart takes one part of a switch's whole table, and all of it together once the last has come.
func (d *datapath) auditPart(xid uint32, some ofproto.FlowStats, p part) {
	if p.first {
		d.audited = entries{}
	}
	if d.audited.add(some) != nil { // this answer has no end
		d.auditing.giveUp(xid)
		d.audited = entries{}
		return
	}
	if p.last {
		have := d.audited
		d.audited = entries{}
		d.repair(have, p.asked)
	}
}

// A tally is a switch's table and the wishes at one moment. What was on its way then is left out, as are the rules that come and
// go by themselves. Invariant: desired = present + missing.
type tally struct {
	desired, present, missing int
	surplus                   int // ours that nobody wishes for
	foreign                   int // others'
}

// repair compares a switch's whole table with what it should be, and has it put right.
func (d *datapath) repair(have entries, asked time.Time) {
	d.pairsCounted(have.ours, asked)
	var n tally
	d.bring(func() int {
		n = d.table.repair(have, asked)
		return n.missing + n.surplus
	})
	d.c.metrics.repaired.WithLabelValues("missing").Add(float64(n.missing))
	d.c.metrics.repaired.WithLabelValues("surplus").Add(float64(n.surplus))
	if n.missing+n.surplus > 0 {
		d.sparingly("table differed").WithField("missing", n.missing).WithField("surplus", n.surplus).Warn("table differed from what it should be: repaired")
	}
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	if d.c.switches[d.dpid] != d {
		return // its series went with it, and are not to come back
	}
	d.metrics.rules("desired", n.desired)
	d.metrics.rules("present", n.present)
	d.metrics.rules("missing", n.missing)
	d.metrics.rules("foreign", n.foreign)
}

// repair compares the table as it was some time after asked with the wishes that were acknowledged before: what is in
// flight is neither missing nor surplus.
func (t *installer) repair(have entries, asked time.Time) tally {
	t.mu.Lock()
	out := t.out
	if out == nil {
		t.mu.Unlock()
		return tally{}
	}
	differ, gone := t.compare(have.ours)
	present := t.rules.n - len(differ)
	var send []*installed
	for _, w := range differ {
		if w.acked && w.ackedAt.before(asked) || !w.sent {
			w.sent, w.acked = false, false
			send = append(send, w)
		}
	}
	t.mu.Unlock()
	t.bring(out, gone, send)
	return tally{desired: present + len(send), present: present, missing: len(send), surplus: len(gone), foreign: have.foreign}
}
