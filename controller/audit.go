package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// audit asks the switches whose turn it is for their whole tables.
func (c *Controller) audit(now time.Time, due func(*datapath) bool) {
	for _, d := range c.up() {
		if due(d) {
			d.auditing.ask(d, ofproto.MatchAll, now)
		}
	}
}

// audited compares a switch's whole table with what it should be, and repairs.
func (d *datapath) audited(have []ofproto.FlowStat, asked time.Time) {
	missing, surplus := d.table.repair(have, asked)
	d.c.metrics.repaired.WithLabelValues("missing").Add(float64(missing))
	d.c.metrics.repaired.WithLabelValues("surplus").Add(float64(surplus))
	if missing+surplus > 0 {
		d.sparingly("table differed").WithField("missing", missing).WithField("surplus", surplus).Warn("table differed from what it should be: repaired")
	}
	foreign := 0
	for _, s := range have {
		if !flow.Cookie(s.Cookie).Ours() {
			foreign++
		}
	}
	wished := d.table.wished()
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	if d.c.switches[d.dpid] != d {
		return // its series went with it, and are not to come back
	}
	d.metrics.rules("desired", wished)
	d.metrics.rules("present", len(have)-foreign)
	d.metrics.rules("missing", missing)
	d.metrics.rules("foreign", foreign)
}

// repair compares the table as it was some time after asked with the wishes that were acknowledged before: what is in
// flight is neither missing nor surplus.
func (t *installer) repair(have []ofproto.FlowStat, asked time.Time) (missing, surplus int) {
	t.mu.Lock()
	out := t.out
	if out == nil {
		t.mu.Unlock()
		return 0, 0
	}
	differ, gone := t.compare(have)
	var send []*installed
	for _, w := range differ {
		if w.acked && w.ackedAt.Before(asked) || !w.sent {
			w.sent, w.acked = false, false
			send = append(send, w)
		}
	}
	t.mu.Unlock()
	t.bring(out, gone, send)
	return len(send), len(gone)
}

// wished counts the rules that should be there.
func (t *installer) wished() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rules.n
}
