// Package bypass serves a viewer from the peer that can show it the stream soonest, unless the CDN is nearer still.
package bypass

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
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
	peers, last := contenders(v.Peers, r.Publishes, room[:0])
	if len(peers) == 0 {
		return stream.Choice{Reason: "no peer: " + unusable(last, r.Publishes)}
	}
	cdn := reachOf(&v.Node)
	if !v.Streams.Empty() {
		p.addLags(v, r, peers, &cdn)
	}
	if p.strategy == LeastDelay {
		near := within(peers, &cdn, p.margin)
		if len(near) == 0 {
			best := p.best(peers)
			return stream.Choice{Reason: told(stream.CDN, &cdn, best.peer.Name, &best.reach)}
		}
		peers = near
	}
	best := p.best(peers)
	return stream.Choice{Peer: best.peer, Reason: told(best.peer.Name, &best.reach, stream.CDN, &cdn)}
}

// contender is a peer that may serve, and how far the viewer is from it.
type contender struct {
	peer *stream.Candidate
	reach
}

// contenders adds to list those that may serve; last is the last of the others, nil where there is none.
func contenders(peers []stream.Candidate, publishes bool, list []contender) (_ []contender, last *stream.Candidate) {
	for i := range peers {
		if c := &peers[i]; c.Reached && usable(c, publishes) {
			list = append(list, contender{c, reachOf(&c.Place)})
		} else {
			last = c
		}
	}
	return list, last
}

// addLags adds how old the stream is expected to be at each of the peers and at the CDN, where that can be told.
func (p Policy) addLags(v stream.View, r stream.Request, peers []contender, cdn *reach) {
	lags := lags(v, r, peers, p.margin)
	for i, lag := range lags {
		to := cdn
		if i < len(peers) {
			to = &peers[i].reach
		}
		to.lag, to.live = lag, true
		to.delay += lag
	}
}

// within keeps the peers that are no farther than the CDN and margin, in place; where there are none, peers stays as it is. A peer
// whose own line has not been measured is believed to be as near as the rest of the way allows; a CDN whose line has not been is not
// believed to be near at all, for the peer was configured to stand in for it, and a measurement takes a second.
func within(peers []contender, cdn *reach, margin time.Duration) []contender {
	if !cdn.measured {
		return peers
	}
	return upTo(peers, cdn.delay+margin, false)
}

// best is the emptiest of the peers that count as equally soon, and of those as equally near: what margin says of the CDN's
// line holds for every line between a viewer and a peer. Under LeastLoaded all of them count as that. What peers holds is
// changed.
func (p Policy) best(peers []contender) *contender {
	if p.strategy != LeastLoaded && len(peers) > 1 {
		peers = p.least(peers, false)
		peers = p.least(peers, true)
	}
	best := &peers[0]
	for i := range peers[1:] {
		if c := &peers[1+i]; p.compare(c, best) < 0 {
			best = c
		}
	}
	return best
}

// compare is by what the peers have left to give, the better first.
func (p Policy) compare(a, b *contender) int {
	viewers, delay := cmp.Compare(a.peer.Viewers, b.peer.Viewers), cmp.Compare(a.delay, b.delay)
	if p.strategy == LeastLoaded { // without the margin, the way still counts for something
		viewers, delay = delay, viewers
	}
	return cmp.Or(cmp.Compare(a.peer.Load(), b.peer.Load()), viewers, delay, cmp.Compare(a.peer.Name, b.peer.Name))
}

// least keeps the peers that are within margin of the least, in place; way: by the way alone, without lag.
func (p Policy) least(peers []contender, way bool) []contender {
	limit := peers[0].far(way)
	for i := range peers {
		limit = min(limit, peers[i].far(way))
	}
	return upTo(peers, limit+p.margin, way)
}

// upTo keeps the peers that are no farther than a limit, in place; nothing is changed where there are none.
func upTo(peers []contender, limit time.Duration, way bool) []contender {
	near := peers[:0]
	for i := range peers {
		if peers[i].far(way) <= limit {
			near = append(near, peers[i])
		}
	}
	return near
}

// usable reports whether a peer may serve this viewer, if it can be reached.
func usable(c *stream.Candidate, publishes bool) bool {
	return c.Healthy && (c.Ingest || !publishes) && !c.Draining && !c.Full()
}

// unusable says why a peer may not serve this viewer, or cannot.
func unusable(c *stream.Candidate, publishes bool) string {
	switch {
	case c == nil:
		return "none configured"
	case c.Host == nil:
		return c.Name + " is not on the map"
	case !c.Healthy:
		return c.Name + " is unwell: " + c.Why
	case publishes && !c.Ingest:
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

// far is the delay, or that of the way alone.
func (r *reach) far(way bool) time.Duration {
	if way {
		return r.delay - r.lag
	}
	return r.delay
}

// told is two sources and their reach in one line.
func told(a string, reachA *reach, b string, reachB *reach) string {
	var room [160]byte
	text := append(append(room[:0], a...), ": "...)
	text = append(append(append(reachA.append(text), "; "...), b...), ' ')
	return string(reachB.append(text))
}

func (r *reach) append(text []byte) []byte {
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
	if d >= 9950*time.Microsecond {
		return append(strconv.AppendInt(text, int64(d.Round(time.Millisecond)/time.Millisecond), 10), " ms"...)
	}
	tenths := int64(d.Round(100*time.Microsecond) / (100 * time.Microsecond))
	return append(strconv.AppendInt(text, tenths/10, 10), '.', byte('0'+tenths%10), ' ', 'm', 's')
}

func reachOf(p *stream.Place) reach {
	return reach{delay: p.Delay, known: p.Reached, measured: p.Measured}
}
