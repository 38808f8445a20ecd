package controller

import (
	"fmt"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// parkedFor is how long a silent session is remembered after its rules expired.
const parkedFor = time.Hour

// removed handles the switch's word that an entry is gone. One that expired ends its work; one that somebody else deleted
// is put back, since traffic still counts on it.
func (d *datapath) removed(m *ofproto.FlowRemoved) {
	cookie := flow.Cookie(m.Cookie)
	if cookie.Kind() == flow.KindPair {
		d.pairExpired(m)
		return
	}
	if !cookie.Ours() {
		return
	}
	if cookie.Kind() == flow.KindSession {
		d.countBytes(m)
	}
	rule, wished := d.table.expired(flow.Key{Match: m.Match.Normalized(), Priority: m.Priority})
	switch {
	case !wished:
	case m.Reason == ofproto.RemovedDelete:
		d.sparingly("rule deleted").WithField("match", m.Match).Warn("rule deleted by somebody else: put back")
		d.table.install([]flow.Rule{rule}, "", nil)
	case cookie.Kind() == flow.KindSession && rule.Fin && m.IdleTimeout == flow.FinIdle:
		d.connectionOver(rule)
	case cookie.Kind() == flow.KindSession:
		d.sessionSilent(m.Match)
	}
}

// countBytes counts what a session's rule on its client's switch has carried, for the source that served it.
func (d *datapath) countBytes(m *ofproto.FlowRemoved) {
	if source, ok := d.servedBy(m); ok {
		d.c.metrics.carried(source, m.ByteCount)
	}
}

// servedBy tells whose session a rule was of, if this is the switch of its client: the way back tells by itself, the way there
// by the session. Those of a peer that has left, and whose session is not known any more, count for nobody.
func (d *datapath) servedBy(m *ofproto.FlowRemoved) (source string, ok bool) {
	now, snap := d.c.settings(), d.c.topo.Load()
	from := endpoint{m.Match.NWSrc, m.Match.TPSrc}
	_, service := now.services[from]
	switch p := now.peers.byService[from]; {
	case p != nil:
		source = p.Name
	case service:
		source = stream.CDN
	default:
		return d.sessionOf(m)
	}
	if h, ok := snap.HostByIP(m.Match.NWDst); ok && h.At.DPID == d.dpid {
		return source, true
	}
	for e := range now.services { // of a session that is turned, the way back is to the service, and on this switch only
		if e.address == m.Match.NWDst {
			return source, true
		}
	}
	return "", false
}

// sessionOf finds the source of a session that is known, if this is its client's switch.
func (d *datapath) sessionOf(m *ofproto.FlowRemoved) (source string, ok bool) {
	t, ok := d.c.settings().tupleOf(flow.Rule{Match: m.Match, Cookie: flow.Cookie(m.Cookie)})
	if !ok {
		return "", false
	}
	s, ok := d.c.sessions.Load(t)
	if !ok {
		return "", false
	}
	return s.decided().Source.Name, s.edgeIs(d)
}

// sessionSilent parks the session whose way there on its client's switch expired.
func (d *datapath) sessionSilent(m ofproto.Match) {
	s, ok := d.c.sessions.Load(stream.Tuple{Client: m.NWSrc, ClientPort: m.TPSrc, Service: m.NWDst, ServicePort: m.TPDst})
	if ok && s.edgeIs(d) {
		s.park()
	}
}

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

// hostMemory is how long a host that says nothing stays on the map.
const hostMemory = 6 * time.Hour

// housekeep forgets what has been silent for very long.
func (c *Controller) housekeep(now time.Time) {
	var old []*session
	var mute []*session
	for _, s := range c.sessions.All {
		s.mu.Lock()
		if s.resumes && now.Sub(s.Started) > c.o.AuditInterval {
			s.resumes = false
			mute = append(mute, s)
		}
		if silent := s.since.ago(now); s.state == ended || s.state == parked && silent > parkedFor ||
			s.state == finished && silent > finishedFor || s.state == resetting && silent > switchMemory {
			old = append(old, s)
		}
		s.mu.Unlock()
		s.parkLost()
	}
	for _, s := range old {
		s.forget("silent for very long")
	}
	for _, s := range mute {
		s.endCopying()
	}
	c.forgetSwitches(now)
	c.adopted.settle(now)
	c.forgetPeers(c.settings())
	c.warnings.settle(c.log, now)
	c.diary.settle()
	if n := c.topo.ExpireHosts(now.Add(-hostMemory)); n > 0 {
		c.log.WithField("hosts", n).Info("silent hosts forgotten")
	}
}
