// Package bypass serves a viewer from the peer that can show it the stream soonest, unless the CDN is nearer still.
package bypass

import (
	"cmp"
	"fmt"
	"slices"
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

// Source answers the best peer that is healthy, has room and is on the map, or the CDN where that is no worse.
func (p Policy) Source(v stream.View, r stream.Request) stream.Choice {
	peers, why := contenders(v, r)
	if len(peers) == 0 {
		return stream.Choice{Reason: "no peer: " + why}
	}
	cdn := distance(v, r.At, hostOf(v, r))
	p.addLags(v, r, peers, &cdn)
	if p.strategy == LeastDelay {
		near := slices.DeleteFunc(slices.Clone(peers), func(c contender) bool { return c.loses(cdn, p.margin) })
		if len(near) == 0 {
			best := p.best(peers)
			return stream.Choice{Reason: fmt.Sprintf("cdn: %v; %s %v", cdn, best.peer.Name, best.reach)}
		}
		peers = near
	}
	best := p.best(peers)
	return stream.Choice{Peer: best.peer, Reason: fmt.Sprintf("%s: %v; cdn %v", best.peer.Name, best.reach, cdn)}
}

// contender is a peer that may serve, and how far the viewer is from it.
type contender struct {
	peer *stream.Candidate
	reach
}

// contenders are the peers that may serve; why names the reason that ruled the last of the others out.
func contenders(v stream.View, r stream.Request) (peers []contender, why string) {
	why = "none configured"
	for i := range v.Peers {
		c := contender{peer: &v.Peers[i]}
		if not := unusable(c.peer, r); not != "" {
			why = not
			continue
		}
		if c.reach = distance(v, r.At, c.peer.Host); !c.known {
			why = c.peer.Name + " cannot be reached"
			continue
		}
		peers = append(peers, c)
	}
	return peers, why
}

// addLags adds how old the stream is expected to be at each source, where that can be told.
func (p Policy) addLags(v stream.View, r stream.Request, peers []contender, cdn *reach) {
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
// line holds for every line between a viewer and a peer. Under LeastLoaded all of them count as that.
func (p Policy) best(peers []contender) contender {
	if p.strategy != LeastLoaded {
		peers = p.least(peers, func(c contender) time.Duration { return c.delay })
		peers = p.least(peers, func(c contender) time.Duration { return c.delay - c.lag })
	}
	return slices.MinFunc(peers, func(a, b contender) int {
		viewers, delay := cmp.Compare(a.peer.Viewers, b.peer.Viewers), cmp.Compare(a.delay, b.delay)
		if p.strategy == LeastLoaded { // without the margin, the way still counts for something
			viewers, delay = delay, viewers
		}
		return cmp.Or(cmp.Compare(a.peer.Load(), b.peer.Load()), viewers, delay, cmp.Compare(a.peer.Name, b.peer.Name))
	})
}

// least keeps the peers that are within margin of the least.
func (p Policy) least(peers []contender, of func(contender) time.Duration) (near []contender) {
	limit := of(slices.MinFunc(peers, func(a, b contender) int { return cmp.Compare(of(a), of(b)) })) + p.margin
	for _, c := range peers {
		if of(c) <= limit {
			near = append(near, c)
		}
	}
	return near
}

// unusable says why a peer may not serve this viewer, "" where it may.
func unusable(c *stream.Candidate, r stream.Request) string {
	switch {
	case c.Host == nil:
		return c.Name + " is not on the map"
	case !c.Healthy:
		return c.Name + " is unwell: " + c.Why
	case r.Publishes && !c.Ingest:
		return c.Name + " takes no publishers"
	case c.Draining:
		return c.Name + " is draining"
	case c.Full():
		return fmt.Sprintf("%s is full (%d viewers, %.0f kb/s)", c.Name, c.Viewers, c.Kbps)
	}
	return ""
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

func (r reach) String() string {
	if !r.known {
		return "unreachable"
	}
	text := millis(r.delay)
	if !r.measured {
		text = "over " + text
	}
	if r.live {
		text += fmt.Sprintf(" (%s old there)", millis(r.lag))
	}
	return text
}

// millis writes whole milliseconds, and tenths of a few.
func millis(d time.Duration) string {
	if ms := d.Seconds() * 1000; ms < 9.95 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
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
