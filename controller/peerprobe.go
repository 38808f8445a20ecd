package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	// A peer whose answer is missing is asked again soon: after patientTrips round trips, as they were last, and no less than
	// patience. One of probeMisses that are lost, or a moment in which it does not answer, does not make it unwell.
	patientTrips = 4
	patience     = 350 * time.Millisecond

	// refusedWait is how soon a peer at whose port nobody listens is asked again, and each time twice as long until the rounds do: it
	// may be just starting, and viewers who dial meanwhile go elsewhere.
	refusedWait = 250 * time.Millisecond
)

// seqStep is between the sequence numbers of one probe and the next.
const seqStep = 0x10000

type peerProbe struct {
	seq    uint32
	sent   time.Time // by the daemon's presence
	misses int
	since  time.Time // when the first of the SYNs was sent that were last missed in a row, by the presence
	heard  time.Time // when it last answered, by the presence
	absent int       // rounds in a row in which it was searched for in vain
	open   bool
	again  bool          // the last SYN was sent once more, since what came was no answer to it
	wait   time.Duration // from its last refusal until it was to be asked again; zero: it has not refused
}

// of finds what is known of a peer. Under mu.
func (w *prober) of(e endpoint) *peerProbe {
	if w.peers == nil {
		w.peers = make(map[endpoint]*peerProbe)
	}
	p, ok := w.peers[e]
	if !ok {
		p = &peerProbe{seq: uint32(time.Now().UnixNano())}
		w.peers[e] = p
	}
	return p
}

// absent counts the rounds in a row in which a peer was missed where it should be.
func (w *prober) absent(e endpoint, missed bool) (rounds int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.of(e)
	if p.absent++; !missed {
		p.absent = 0
	}
	return p.absent
}

// next numbers a new SYN, and counts the one before it as missed where it is still open. It is not due while that may still be under
// way, as when many switches come up at once, nor while the peer's switch has not sent it out: heeded is up to when that has dealt
// with what it was told, zero where it has just come back. Of a switch that is silent itself, or says much and is behind with what it
// hears, nothing follows for its hosts. seen and heeded are of the presence.
func (w *prober) next(e endpoint, seen time.Time, underWay time.Duration, heeded time.Time) (last, seq uint32, misses int, due bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.of(e)
	switch {
	case !p.open:
	case seen.Sub(p.sent) < underWay:
		return 0, 0, 0, false
	case heeded.IsZero(): // it may be lost with the connection it was sent by
	case heeded.Before(p.sent):
		return 0, 0, 0, false
	default:
		if p.misses++; p.misses == 1 {
			p.since = p.sent
		}
	}
	p.open, p.again, p.sent = true, false, seen
	last = p.seq
	p.seq += seqStep
	return last, p.seq, p.misses, true
}

// unanswered reports whether the last SYN is still open, and its number.
func (w *prober) unanswered(e endpoint) (seq uint32, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.peers[e]
	if !ok || !p.open {
		return 0, false
	}
	return p.seq, true
}

// once is unanswered, for the first time that it is asked of that SYN.
func (w *prober) once(e endpoint) (seq uint32, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.peers[e]
	if !ok || !p.open || p.again {
		return 0, false
	}
	p.again = true
	return p.seq, true
}

// patience is how long an answer of a host is waited for before it is asked again.
func (w *prober) patience(ip ofproto.IPv4, most time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var trip time.Duration
	if h, ok := w.hosts[ip]; ok {
		trip = h.rtt.recent()
	}
	return min(max(patientTrips*trip, patience), most)
}

// probeAgain probes a peer that has not answered the last probe, which has that number: as soon as that is due.
func (c *Controller) probeAgain(p *peer, seq uint32, wait time.Duration) {
	unanswered := func() bool {
		last, open := c.probes.unanswered(p.endpoint())
		return open && last == seq
	}
	now := c.settings().peers.at[p.endpoint()]
	if now == nil || !unanswered() {
		return
	}
	c.probeAlone(now, wait)
	if unanswered() && now.health.Load().ok { // its switch is late, or away
		c.later(wait, func() { c.probeAgain(p, seq, wait) })
	}
}

// refused is how long a peer that has refused a SYN may be left until it is asked again, and whether that is sooner than in the next
// round.
func (w *prober) refused(e endpoint, interval time.Duration) (wait time.Duration, soon bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.of(e)
	if p.wait = min(2*p.wait, interval); p.wait == 0 {
		p.wait = refusedWait
	}
	return p.wait, p.wait < interval
}

// listens notes that a peer has accepted a SYN: its next refusal is news.
func (w *prober) listens(e endpoint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of(e).wait = 0
}

// refused notes that nobody listens at a peer's port, and has it asked again soon where that is news.
func (c *Controller) refused(p *peer) {
	c.peerIs(p, &health{why: "nobody listens on its port"})
	e := p.endpoint()
	wait, soon := c.probes.refused(e, c.o.ProbeInterval)
	if !soon {
		return
	}
	c.later(wait, func() {
		if set := c.settings().peers; set.probes(e) && !set.at[e].health.Load().ok {
			c.probePeer(c.topo.Load(), set.at[e], c.o.ProbeInterval/2)
		}
	})
}

// silentTogether is so many peers that fall silent at once that the fault may well be with who asks, as where the machine is starved.
const silentTogether = 4

// together reports whether a peer has fallen silent within a round with so many others, some of whom may be back, while nobody else
// has answered.
func (w *prober) together(e endpoint, round time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, silent := w.of(e), 0
	for _, q := range w.peers {
		switch {
		case q.since.Sub(p.since).Abs() < round:
			silent++
		case q.heard.After(p.since):
			return false
		}
	}
	return silent >= silentTogether
}

// heard matches an answer with a SYN that is open: the last, or where the network is slow one of those before it. seen is now, by the
// presence.
func (w *prober) heard(e endpoint, ack uint32, seen time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.peers[e]
	if !ok {
		return false
	}
	if late := p.seq - (ack - 1); late%seqStep != 0 || late/seqStep >= mostMisses {
		return false // nobody's answer, or to a probe that has been given up
	}
	p.open, p.misses, p.heard = false, 0, seen
	return true
}
