package controller

import (
	"fmt"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// refused handles an error message: where it answers a flow mod, the rule is given up and whoever waits for it is told; where it
// answers a question about the table, that is asked again.
func (d *datapath) refused(xid uint32, m *ofproto.Error) {
	why, now := fmt.Errorf("switch says %s", m.Reason()), time.Now()
	full := m.ErrType == ofproto.FlowModFailed && m.Code == ofproto.FlowModAllTablesFull
	if m.ErrType == ofproto.BadAction && m.Code <= ofproto.ActionBadVendorType && d.table.doWithout(xid) {
		d.sparingly("fin_timeout refused").WithError(why).Info("fin_timeout refused: sessions that end are noticed by their silence")
		return
	}
	if rule, ok := d.table.rejected(xid, why); ok {
		d.c.metrics.flowErrors.WithLabelValues(rule.Cookie.Kind().String()).Inc()
		d.sparingly("rule refused").WithField("rule", rule.Match).WithField("cookie", rule.Cookie).WithError(why).Warn("rule refused")
		if full {
			d.makeRoom(now)
		}
		return
	}
	// A pair's flow mod is not kept track of by its xid; the message at fault says which it was.
	if k, ok := refusedPair(m.Data); ok {
		d.c.metrics.flowErrors.WithLabelValues(flow.KindPair.String()).Inc()
		if full {
			d.pairMu.Lock()
			d.noPairs = now.Add(fullFor)
			delete(d.pairs, k)
			d.pairMu.Unlock()
		}
		return
	}
	d.auditing.giveUp(xid)
	d.metering.giveUp(xid)
	d.sparingly("switch reports an error").WithError(why).Warn("switch reports an error")
}

// fullFor is how long a switch that said it is full is not asked again for what it had no room for.
const fullFor = time.Second

// noRoom reports whether the switch has said that it is full of what does not make room.
func (d *datapath) noRoom() bool { return d.now.Before(d.noSessions) }

// makeRoom has pairs make room for sessions. Of the rules that were sent before the switch told of one it tells one by one: for those
// there is room already.
func (d *datapath) makeRoom(now time.Time) {
	d.pairMu.Lock()
	enough := d.roomMade > 0 && now.Before(d.noPairs)
	d.noPairs = now.Add(fullFor) // or they would have it back at once
	if enough {
		d.roomMade--
	}
	d.pairMu.Unlock()
	if enough {
		return
	}
	made := d.evictPairs(evicted)
	if made == 0 {
		d.noSessions = now.Add(fullFor)
	}
	d.pairMu.Lock()
	d.roomMade = max(0, made-1)
	d.pairMu.Unlock()
}

// refusedPair reads the pair from the beginning of a refused flow mod, of which a switch returns 64 bytes: up to the cookie.
func refusedPair(data []byte) (pair, bool) {
	const whole = 72
	h, err := ofproto.ParseHeader(data)
	if err != nil || h.Type != ofproto.TypeFlowMod || len(data) < 56 {
		return pair{}, false
	}
	body := make([]byte, whole-ofproto.HeaderLen)
	copy(body, data[ofproto.HeaderLen:])
	var m ofproto.FlowMod
	if m.DecodeBody(body) != nil || flow.Cookie(m.Cookie).Kind() != flow.KindPair {
		return pair{}, false
	}
	return pair{m.Match.DLSrc, m.Match.DLDst}, true
}
