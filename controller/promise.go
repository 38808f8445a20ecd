package controller

import (
	"cmp"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
)

// What a viewer takes of a peer's bandwidth is measured some seconds after he has been let in, or once the stream begins that he
// waits for. Until then it is promised to him: a thousand who come within a second would otherwise all find the peer's line as
// empty as the first did.

// assumedKbps is promised to a viewer while nothing is known of what others take, in kbit/s: a stream of 720 lines as
// broadcasters send it.
const assumedKbps = 2500

// rates is what a viewer of each service takes, in kbit/s, as far as that is known. It never changes.
type rates map[string]float64

// rated is what one more viewer of a service will take, 0 while nobody knows. Of a stream that is only reported nobody says of which
// service it is: it may be of the one whose viewers take most.
func (c *Controller) rated(service string) (kbps float64) {
	known := c.rates.Load()
	if known == nil {
		return 0
	}
	if service != "" {
		return (*known)[service]
	}
	for _, r := range *known {
		kbps = max(kbps, r)
	}
	return kbps
}

// expected is what one more viewer of a peer is expected to take. What is not known is what is assumed of all, but for the first:
// nobody would ever be measured at a peer that has less than that.
func expected(kbps, promised float64) float64 {
	if kbps == 0 && promised > 0 {
		return assumedKbps
	}
	return kbps
}

// orAssumed is what a viewer is promised: what is known, in whole kbit/s and within reason, or what is assumed.
func orAssumed(kbps float64) int32 { return cmp.Or(int32(min(kbps, math.MaxInt32)), assumedKbps) }

// promise promises a viewer so much of the peer's bandwidth, 0 for what is not known, and returns how much it is; ok is false
// where there is not so much left.
func (p *peer) promise(kbps float64) (promised int32, ok bool) {
	promised = orAssumed(kbps)
	for {
		before := p.promised.Load()
		c := stream.Candidate{Peer: p.Peer, Kbps: float64(p.kbps.Load()), Promised: float64(before), Expects: expected(kbps, float64(before))}
		if c.Crowded() {
			return 0, false
		}
		if p.promised.CompareAndSwap(before, before+int64(promised)) {
			return promised, true
		}
	}
}

// vow promises a session that its peer serves already what it is expected to take, until that is measured. Under mu.
func (s *session) vow() {
	if s.peer != nil && s.Redirected() {
		s.promised = orAssumed(s.c.rated(s.Service))
		s.peer.promised.Add(int64(s.promised))
	}
}

// redeem takes back what was promised, as it is measured now or not taken any more. Under mu.
func (s *session) redeem() {
	if s.promised > 0 {
		s.peer.promised.Add(-int64(s.promised))
		s.promised = 0
	}
}

// takes is what the session takes of its source's bandwidth, in kbit/s, or what it was promised. Under mu.
func (s *session) takes() float64 {
	switch {
	case s.promised > 0:
		return float64(s.promised)
	case s.state == active:
		return float64(s.meter.kbps)
	}
	return 0
}

// pledgeMemory is how long a relay has a promise: by then what the peer's line sends has been measured over a whole interval since,
// and tells of the copy as well.
const pledgeMemory = 2 * meterInterval

// pledges is what a peer has promised to relays that were told to take streams from it, of which no switch counts one by one: each
// holds for pledgeMemory. The zero value is empty and ready.
type pledges struct {
	mu sync.Mutex
	m  map[pull]pledge
}

// A pull is a relay's of a stream.
type pull struct {
	relay string
	stream.ID
}

type pledge struct {
	kbps int32
	at   moment
}

// add promises so much to a relay, on account of all that the peer has promised. Told once more, it is the same promise.
func (p *pledges) add(to pull, kbps int32, promised *atomic.Int64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = make(map[pull]pledge)
	}
	promised.Add(int64(kbps) - int64(p.m[to].kbps))
	p.m[to] = pledge{kbps, momentOf(now)}
}

// lapse takes back what has been promised for long enough.
func (p *pledges) lapse(promised *atomic.Int64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for to, made := range p.m {
		if made.at.ago(now) >= pledgeMemory {
			promised.Add(-int64(made.kbps))
			delete(p.m, to)
		}
	}
}

// A mean is the mean of some rates.
type mean struct{ sum, n float64 }

func (m mean) add(sum, n float64) mean { return mean{m.sum + sum, m.n + n} }

// learnRates notes what viewers take: those of whom a stream is measured, or else those of whom relays report.
func (c *Controller) learnRates(measured map[string]mean) {
	reported := make(map[string]mean)
	for l := range c.streams.Load().All {
		for _, at := range l.Copies {
			if at.Kbps > 0 && at.Viewers > 0 {
				reported[l.Service] = reported[l.Service].add(float64(at.Kbps), float64(at.Viewers))
			}
		}
	}
	now := make(rates)
	for _, from := range []map[string]mean{reported, measured} {
		for service, m := range from {
			now[service] = m.sum / m.n
		}
	}
	c.rates.Store(&now)
}
