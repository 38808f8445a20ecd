// Package bypass serves a viewer from the peer that can show it the stream soonest, unless the CDN is nearer still.
package bypass

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
)

// Name is the policy's name in configuration, logs and metrics.
const Name = "bypass"

// Strategies of choosing among the peers that may serve at all.
const (
	LeastDelay  = "least-delay"  // the least delay to the viewer, ties by load: the default
	Nearest     = "nearest"      // the same, but a peer is taken even where the CDN is nearer
	LeastLoaded = "least-loaded" // the emptiest peer, ties by delay; taken even where the CDN is nearer
)

// Policy is the bypass policy. Make one with New.
type Policy struct {
	strategy string
	margin   time.Duration
}

// New makes the policy; strategy "" is LeastDelay. A peer may be
// farther than the CDN by at most margin: what a viewer gives up at most so that the CDN link carries a stream once.
func New(strategy string, margin time.Duration) (Policy, error) {
	switch strategy {
	case "":
		strategy = LeastDelay
	case LeastDelay, Nearest, LeastLoaded:
	default:
		return Policy{}, fmt.Errorf("bypass: unknown strategy %q: one of %s, %s, %s", strategy, LeastDelay, Nearest, LeastLoaded)
	}
	if margin < 0 {
		return Policy{}, fmt.Errorf("bypass: margin %v: negative", margin)
	}
	return Policy{strategy, margin}, nil
}

// Name returns Name.
func (Policy) Name() string { return Name }

// usual is how many peers cost a decision no allocation.
const usual = 32

// Source answers the best peer that is healthy, has room and is on the map, or the CDN where that is no worse.
func (p Policy) Source(v stream.View, r stream.Request) stream.Choice {
	var room [usual]contender
	peers, last := contenders(v, r, room[:0])
	if len(peers) == 0 {
		return stream.Choice{Reason: "no peer: " + unusable(last, r)}
	}
	cdn := distance(v, r.At, hostOf(v, r))
	p.addLags(v, r, peers, &cdn)
	if p.strategy == LeastDelay {
		lost := func(c contender) bool { return c.loses(cdn, p.margin) }
		if !slices.ContainsFunc(peers, func(c contender) bool { return !lost(c) }) {
			best := p.best(peers)
			return stream.Choice{Reason: told("cdn: ", cdn, "; "+best.peer.Name+" ", best.reach)}
		}
		peers = slices.DeleteFunc(peers, lost)
	}
	best := p.best(peers)
	return stream.Choice{Peer: best.peer, Reason: told(best.peer.Name+": ", best.reach, "; cdn ", cdn)}
}

// contender is a peer that may serve, and how far the viewer is from it.
type contender struct {
	peer *stream.Candidate
	reach
}

// contenders adds to peers those that may serve; last is the last of the others, nil where there is none.
func contenders(v stream.View, r stream.Request, peers []contender) (_ []contender, last *stream.Candidate) {
	for i := range v.Peers {
		c := contender{peer: &v.Peers[i]}
		if usable(c.peer, r) {
			c.reach = distance(v, r.At, c.peer.Host)
		}
		if c.known {
			peers = append(peers, c)
		} else {
			last = c.peer
		}
	}
	return peers, last
}

// addLags adds how old the stream is expected to be at each source, where that can be told.
func (p Policy) addLags(v stream.View, r stream.Request, peers []contender, cdn *reach) {
	if v.Streams.Empty() {
		return
	}
	sources := make([]string, len(peers), len(peers)+1)
	for i, c := range peers {
		sources[i] = c.peer.Name
	}
	lags := lags(v, r, append(sources, stream.CDN), p.margin)
	for i, lag := range lags {
		to := cdn
		if i < len(peers) {
			to = &peers[i].reach
		}
		to.lag, to.live = lag, true
		to.delay += lag
	}
}

// best is the emptiest of the peers that count as equally soon, and of those as equally near: what margin says of the CDN's
// line holds for every line between a viewer and a peer. Under LeastLoaded all of them count as that. What peers holds is
// changed.
func (p Policy) best(peers []contender) contender {
	if p.strategy != LeastLoaded {
		peers = p.least(peers, func(c contender) time.Duration { return c.delay })
		peers = p.least(peers, func(c contender) time.Duration { return c.delay - c.lag })
	}
	best := &peers[0]
	for i := range peers[1:] {
		if c := &peers[1+i]; p.compare(c, best) < 0 {
			best = c
		}
	}
	return *best
}

// compare is by what the peers have left to give, the better first.
func (p Policy) compare(a, b *contender) int {
	viewers, delay := cmp.Compare(a.peer.Viewers, b.peer.Viewers), cmp.Compare(a.delay, b.delay)
	if p.strategy == LeastLoaded { // without the margin, the way still counts for something
		viewers, delay = delay, viewers
	}
	return cmp.Or(cmp.Compare(a.peer.Load(), b.peer.Load()), viewers, delay, cmp.Compare(a.peer.Name, b.peer.Name))
}

// least keeps the peers that are within margin of the least, in place.
func (p Policy) least(peers []contender, of func(contender) time.Duration) []contender {
	limit := of(peers[0])
	for i := range peers {
		limit = min(limit, of(peers[i]))
	}
	limit += p.margin
	near := peers[:0]
	for i := range peers {
		if of(peers[i]) <= limit {
			near = append(near, peers[i])
		}
	}
	return near
}

// usable reports whether a peer may serve this viewer, if it can be reached.
func usable(c *stream.Candidate, r stream.Request) bool {
	return c.Host != nil && c.Healthy && (c.Ingest || !r.Publishes) && !c.Draining && !c.Full()
}

// unusable says why a peer may not serve this viewer, or cannot.
func unusable(c *stream.Candidate, r stream.Request) string {
	switch {
	case c == nil:
		return "none configured"
	case c.Host == nil:
		return c.Name + " is not on the map"
	case !c.Healthy:
		return c.Name + " is unwell: " + c.Why
	case r.Publishes && !c.Ingest:
		return c.Name + " takes no publishers"
	case c.Draining:
		return c.Name + " is draining"
	case c.Full():
		return fmt.Sprintf("%s is full (%d viewers, %d relays, %.0f kb/s)", c.Name, c.Viewers, c.Relays, c.Kbps+c.Promised)
	}
	return c.Name + " cannot be reached"
}

// reach is how far the viewer's switch is from the stream at a source. The viewer's own line is left out: all sources
// share it.
type reach struct {
	delay    time.Duration // one way, lag included
	lag      time.Duration // of the stream at the source
	live     bool          // lag is known
	known    bool          // there is a path
	measured bool          // the source's own line has been measured
}

// told is two sources and their reach, each behind its name, in one line.
func told(name string, a reach, other string, b reach) string {
	var room [160]byte
	text := a.append(append(room[:0], name...))
	return string(b.append(append(text, other...)))
}

func (r reach) append(text []byte) []byte {
	if !r.known {
		return append(text, "unreachable"...)
	}
	if !r.measured {
		text = append(text, "over "...)
	}
	text = appendMillis(text, r.delay)
	if r.live {
		text = append(appendMillis(append(text, " ("...), r.lag), " old there)"...)
	}
	return text
}

// appendMillis writes whole milliseconds, and tenths of a few.
func appendMillis(text []byte, d time.Duration) []byte {
	ms, digits := d.Seconds()*1000, 0
	if ms < 9.95 {
		digits = 1
	}
	return append(strconv.AppendFloat(text, ms, 'f', digits, 64), " ms"...)
}

func distance(v stream.View, at topo.Point, h *topo.Host) reach {
	if h == nil {
		return reach{}
	}
	d, ok := v.HostDelay(at.DPID, h)
	return reach{delay: d, known: ok, measured: ok && h.Delay > 0}
}

// hostOf is where the address that was dialled is attached: the CDN itself, or the gateway to it.
func hostOf(v stream.View, r stream.Request) *topo.Host {
	h, _ := v.Host(r.DialedMAC)
	return h
}

// loses reports whether the CDN is nearer than a peer by more than margin. A peer whose own line has not been measured is
// believed to be as near as the rest of the way allows; a CDN whose line has not been is not believed to be near at all,
// for the peer was configured to stand in for it, and a measurement takes a second.
func (c contender) loses(cdn reach, margin time.Duration) bool {
	return cdn.measured && cdn.delay+margin < c.delay
}
