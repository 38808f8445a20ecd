package controller

import (
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
