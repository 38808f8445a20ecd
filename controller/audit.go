package controller

import (
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// An auditing is a comparison in progress: a switch's table, which comes in parts. Its zero value is none.
type auditing struct {
	mu    sync.Mutex
	xid   uint32
	asked time.Time
	have  []ofproto.FlowStat
}

// audit asks a switch for its table.
func (d *datapath) audit(now time.Time) {
	a := &d.auditing
	a.mu.Lock()
	defer a.mu.Unlock()
	a.xid, a.asked, a.have = d.nextXID(), now, nil
	_ = d.conn.Write(a.xid, &ofproto.StatsRequest{Body: ofproto.FlowStatsRequest{
		Match: ofproto.MatchAll, TableID: 0xff, OutPort: ofproto.PortNone,
	}})
	d.kick()
}

// audited takes one part of the answer, and repairs after the last.
func (d *datapath) audited(xid uint32, m *ofproto.StatsReply) {
	a := &d.auditing
	a.mu.Lock()
	defer a.mu.Unlock()
	part, ok := m.Body.(ofproto.FlowStats)
	if !ok || xid != a.xid {
		return
	}
	a.have = append(a.have, part...)
	if m.Flags&ofproto.StatsMore != 0 {
		return
	}
	missing, foreign := d.table.repair(a.have, a.asked)
	a.have = nil
	d.c.metrics.repaired.WithLabelValues("missing").Add(float64(missing))
	d.c.metrics.repaired.WithLabelValues("surplus").Add(float64(foreign))
	if missing+foreign > 0 {
		d.log.WithField("missing", missing).WithField("surplus", foreign).Warn("table differed from what it should be: repaired")
	}
}

// repair compares the table as it was some time after asked with the wishes that were acknowledged before: what is in
// flight is neither missing nor surplus.
func (t *installer) repair(have []ofproto.FlowStat, asked time.Time) (missing, surplus int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out == nil {
		return 0, 0
	}
	change := flow.Diff(presentRules(have), t.wishes())
	var send []*installed
	for _, r := range change.Add {
		if w := t.rules[r.Key()]; w.acked && w.ackedAt.Before(asked) {
			send = append(send, w)
		}
	}
	t.deleteRules(change.Delete)
	if len(send) > 0 {
		_ = t.send(send, "", func(error) {})
	}
	t.out.kick()
	return len(send), len(change.Delete)
}
