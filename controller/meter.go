package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	meterInterval = 5 * time.Second
	// quietAfter is how long a connection that carries nothing still counts as one that plays or publishes. Its rules and its
	// source stay. Its place at a peer it has until then only where its client's switch shows no FIN, so that a viewer that left
	// looks like one that waits or pauses.
	quietAfter = 15 * time.Second
	// mediaKbps is what a connection carries at least while a stream passes, in kbit/s: less than sound alone takes, and more than
	// handshake and commands come to within an interval.
	mediaKbps = 24
)

// A meter is what is known of a session's traffic, from its client's switch. Its zero value has measured nothing.
type meter struct {
	bytes uint64 // both ways
	at    moment
	moved moment  // when bytes last grew
	kbps  float32 // over the last interval
	prior float32 // over the one before
}

// media is what the connection takes while a stream passes, in kbit/s; ok is false where it has not for two intervals, of which
// the stream may have begun or ended within one.
func (m *meter) media() (kbps float64, ok bool) {
	return float64(max(m.kbps, m.prior)), min(m.kbps, m.prior) >= mediaKbps
}

// measured takes a new count. A count below the last is that of rules that were installed anew.
func (m *meter) measured(bytes uint64, now time.Time) {
	if bytes < m.bytes {
		m.bytes = 0
	}
	if d := m.at.ago(now); m.at != 0 && d > 0 {
		m.prior, m.kbps = m.kbps, float32(float64(bytes-m.bytes)*8/1000/d.Seconds())
	}
	if bytes > m.bytes || m.moved == 0 {
		m.moved = momentOf(now)
	}
	m.bytes, m.at = bytes, momentOf(now)
}

// meterSwitches asks the switches whose turn it is for their sessions' counters, and for those of their peers' ports.
func (c *Controller) meterSwitches(now time.Time, due func(*datapath) bool) {
	m := ofproto.MatchAll
	m.Wildcards &^= ofproto.WildDLType | ofproto.WildNWProto
	m.DLType, m.NWProto = 0x0800, 6
	for _, d := range c.up() {
		if due(d) {
			d.metering.ask(d, m, meterInterval, now)
		}
	}
	c.meterUplinks(due)
}

// counters are what the rules of sessions have carried by a switch's answer, as far as that has come.
type counters map[*session]counter

type counter struct {
	bytes uint64 // both ways
	there bool   // the rule of the way there is still in place
}

// meterPart takes one part of the counters. Both directions of a session are counted on its client's switch, where both have their
// one rewriting rule; they may come in different parts.
func (d *datapath) meterPart(some ofproto.FlowStats, p part) {
	if p.first {
		d.carried = make(counters)
	}
	settings := d.c.settings()
	for i := range some {
		if s, there := d.c.carries(settings, &some[i]); s != nil {
			n := d.carried[s]
			d.carried[s] = counter{n.bytes + some[i].ByteCount, n.there || there}
		}
	}
	if !p.last {
		return
	}
	now, showsFIN := time.Now(), d.table.showsFIN()
	for s, n := range d.carried {
		if n.there {
			s.metered(d, n.bytes, showsFIN, now)
		}
	}
	d.carried = nil
}

// carries finds the session that an entry carries, nil where there is none, and whether it is of the way there as the client dialled.
func (c *Controller) carries(now *settings, e *ofproto.FlowStat) (s *session, there bool) {
	cookie := flow.Cookie(e.Cookie)
	if cookie.Kind() != flow.KindSession {
		return nil, false
	}
	t := stream.Tuple{Client: e.Match.NWSrc, ClientPort: e.Match.TPSrc, Service: e.Match.NWDst, ServicePort: e.Match.TPDst}
	if there = t.Hash() == cookie.Owner(); !there {
		var ok bool
		if t, ok = now.tupleOf(flow.Rule{Match: e.Match, Cookie: cookie, Actions: e.Actions}); !ok {
			return nil, false
		}
	}
	s, _ = c.sessions.Load(t)
	return s, there
}

// metered takes a session's count, and gives up or takes back its place at its peer. Where the switch shows a FIN, who is silent
// is there still, and waits for a publisher: it keeps its place.
func (s *session) metered(d *datapath, bytes uint64, showsFIN bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.findEdge(d.c.topo.Load())
	if s.state != active || len(s.plan.Steps) == 0 || s.plan.Edge() != d.dpid {
		return
	}
	s.meter.measured(bytes, now)
	if s.meter.moved.ago(now) > quietAfter {
		if !showsFIN {
			s.unseat()
		}
		s.retract()
	} else {
		s.seat()
		s.announce()
	}
}

// seat takes the session's place at its peer: it is never refused, for it had it before. Under mu.
func (s *session) seat() {
	if s.peer != nil && !s.seated {
		s.seated = true
		s.peer.viewers.Add(1)
	}
}

// unseat gives the place up. Under mu.
func (s *session) unseat() {
	if s.peer != nil && s.seated {
		s.seated = false
		s.peer.viewers.Add(-1)
		s.redeem()
	}
}

// sumLoads sums what each peer's sessions carried over the last interval. Its own line tells of more, where it has one. What was
// promised to those of whom a stream is measured counts until then.
func (c *Controller) sumLoads(now time.Time) {
	own := c.ownPorts()
	c.ports.Store(&own)
	sum, viewers := make(map[*standing]float64), make(map[string]mean)
	var measured []*session
	for _, s := range c.sessions.All {
		s.mu.Lock()
		if s.seated {
			sum[s.peer.standing] += float64(s.meter.kbps)
			if kbps, ok := s.meter.media(); ok {
				if s.promised > 0 {
					measured = append(measured, s)
				}
				if s.intent == nil || !s.intent.Publish {
					viewers[s.Service] = viewers[s.Service].add(kbps, 1)
				}
			}
		}
		s.mu.Unlock()
	}
	for _, p := range c.settings().peers.at { // those who have left among them
		p.kbps.Store(int64(max(sum[p.standing], p.uplink.kbps(now))))
		p.pledges.lapse(&p.promised, now)
	}
	for _, s := range measured {
		s.mu.Lock()
		s.redeem()
		s.mu.Unlock()
	}
	c.learnRates(viewers)
}
