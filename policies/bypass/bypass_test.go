package bypass

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
)

const ms = time.Millisecond

// threeSwitches is s1 - 100 ms - s2 - 100 ms - s3, the node far behind s3, viewers on s1.
func threeSwitches() *place {
	p := newPlace()
	p.link(1, 2, 100*ms)
	p.link(2, 3, 100*ms)
	p.node(3, 300*ms)
	return p
}

func TestSource(t *testing.T) {
	for _, tt := range []struct {
		name     string
		strategy string
		margin   time.Duration
		set      func(*place)
		publish  bool // the client is there to publish
		want     string
	}{
		{name: "no peers", set: func(*place) {}, want: "no peer: none configured"},
		{name: "near peer", set: func(p *place) { p.peer("a", 1, 50*ms) }, want: "a: 50 ms; cdn 500 ms"},
		{name: "few milliseconds", set: func(p *place) { p.peer("a", 1, 2500*time.Microsecond) }, want: "a: 2.5 ms; cdn 500 ms"},
		{name: "nearest of three", set: func(p *place) {
			p.peer("c", 3, 10*ms)
			p.peer("a", 2, 50*ms)
			p.peer("b", 2, 40*ms)
		}, want: "b: 140 ms; cdn 500 ms"},
		{name: "node nearer", set: func(p *place) { p.peer("a", 3, 400*ms) }, want: "cdn: 500 ms; a 600 ms"},
		{name: "node nearer, within the margin", margin: 100 * ms, set: func(p *place) { p.peer("a", 3, 400*ms) }, want: "a: 600 ms; cdn 500 ms"},
		{name: "node nearer, beyond the margin", margin: 99 * ms, set: func(p *place) { p.peer("a", 3, 400*ms) }, want: "cdn: 500 ms; a 600 ms"},
		{name: "equally near", set: func(p *place) { p.peer("a", 3, 300*ms) }, want: "a: 500 ms; cdn 500 ms"},
		{name: "peer not measured", set: func(p *place) { p.peer("a", 3, 0) }, want: "a: over 200 ms; cdn 500 ms"},
		{name: "peer not measured, and too far all the same", set: func(p *place) { p.node(1, 10*ms); p.peer("a", 3, 0) }, want: "cdn: 10 ms; a over 200 ms"},
		{name: "node not measured", set: func(p *place) { p.node(1, 0); p.peer("a", 3, 5*ms) }, want: "a: 205 ms; cdn over 0.0 ms"},
		{name: "node not on the map", set: func(p *place) { p.cdn[0] = 4; p.peer("a", 3, 5*ms) }, want: "a: 205 ms; cdn unreachable"},
		{name: "nearest, even where the node is nearer", strategy: Nearest, set: func(p *place) { p.peer("a", 3, 400*ms) }, want: "a: 600 ms; cdn 500 ms"},
		{name: "least loaded, even where it is farther", strategy: LeastLoaded, set: func(p *place) {
			p.peer("a", 1, 10*ms).Viewers = 5
			p.peer("b", 3, 400*ms).Viewers = 4
		}, want: "b: 600 ms; cdn 500 ms"},
		{name: "ties by load", set: func(p *place) {
			p.peer("a", 1, 50*ms).Viewers = 2
			p.peer("b", 1, 50*ms).Viewers = 1
		}, want: "b: 50 ms; cdn 500 ms"},
		{name: "ties by load, not by viewers", set: func(p *place) {
			p.peer("a", 1, 50*ms).Viewers = 2
			b := p.peer("b", 1, 50*ms)
			b.Viewers, b.MaxViewers = 3, 30
		}, want: "b: 50 ms; cdn 500 ms"},
		{name: "ties by bandwidth", set: func(p *place) {
			a := p.peer("a", 1, 50*ms)
			a.MaxKbps, a.Kbps = 1000, 500
			p.peer("b", 1, 50*ms).Viewers = 1
		}, want: "b: 50 ms; cdn 500 ms"},
		{name: "ties by bandwidth that is promised", set: func(p *place) {
			a := p.peer("a", 1, 50*ms)
			a.MaxKbps, a.Promised = 1000, 500
			p.peer("b", 1, 50*ms).Viewers = 1
		}, want: "b: 50 ms; cdn 500 ms"},
		{name: "ties by relays", set: func(p *place) {
			p.peer("a", 1, 50*ms).Relays = 2
			p.peer("b", 1, 50*ms).Viewers = 1
		}, want: "b: 50 ms; cdn 500 ms"},
		{name: "ties by name", set: func(p *place) { p.peer("b", 1, 50*ms); p.peer("a", 1, 50*ms) }, want: "a: 50 ms; cdn 500 ms"},
		{name: "unwell", set: func(p *place) {
			a := p.peer("a", 1, 50*ms)
			a.Healthy, a.Why = false, "no answer to probes"
		}, want: "no peer: a is unwell: no answer to probes"},
		{name: "full", set: func(p *place) { p.peer("a", 1, 50*ms).Viewers = 10 }, want: "no peer: a is full (10 viewers, 0 relays, 0 kb/s)"},
		{name: "full of relays", set: func(p *place) {
			a := p.peer("a", 1, 50*ms)
			a.Viewers, a.Relays = 8, 2
		}, want: "no peer: a is full (8 viewers, 2 relays, 0 kb/s)"},
		{name: "without bandwidth", set: func(p *place) {
			a := p.peer("a", 1, 50*ms)
			a.MaxKbps, a.Kbps = 1000, 1200
		}, want: "no peer: a is full (0 viewers, 0 relays, 1200 kb/s)"},
		{name: "all bandwidth promised", set: func(p *place) {
			a := p.peer("a", 1, 50*ms)
			a.MaxKbps, a.Kbps, a.Promised = 1000, 500, 500
		}, want: "no peer: a is full (0 viewers, 0 relays, 1000 kb/s)"},
		{name: "no bandwidth for one more", set: func(p *place) {
			a := p.peer("a", 1, 50*ms)
			a.MaxKbps, a.Kbps, a.Promised, a.Expects = 1000, 500, 250, 251
		}, want: "no peer: a is full (0 viewers, 0 relays, 750 kb/s)"},
		{name: "bandwidth for one more", set: func(p *place) {
			a := p.peer("a", 1, 50*ms)
			a.MaxKbps, a.Kbps, a.Promised, a.Expects = 1000, 500, 250, 250
		}, want: "a: 50 ms; cdn 500 ms"},
		{name: "draining", set: func(p *place) { p.peer("a", 1, 50*ms).Draining = true }, want: "no peer: a is draining"},
		{name: "takes no publishers", publish: true, set: func(p *place) { p.peer("a", 1, 50*ms) }, want: "no peer: a takes no publishers"},
		{name: "takes publishers", publish: true, set: func(p *place) { p.peer("a", 1, 50*ms).Ingest = true }, want: "a: 50 ms; cdn 500 ms"},
		{name: "not on the map", set: func(p *place) { p.peer("a", 1, 50*ms).Address[0] = 99 }, want: "no peer: a is not on the map"},
		{name: "unreachable", set: func(p *place) { p.peer("a", 9, 50*ms) }, want: "no peer: a cannot be reached"},
		{name: "the next best where the best is unwell", set: func(p *place) {
			p.peer("a", 1, 50*ms).Healthy = false
			p.peer("b", 2, 50*ms)
		}, want: "b: 150 ms; cdn 500 ms"},

		// From here on something is known of streams.
		{name: "published at the near peer, the node has it from there", set: func(p *place) {
			p.peer("a", 1, 100*ms)
			p.publish("x", "a")
		}, want: "a: 100 ms (0.0 ms old there); cdn 1100 ms (600 ms old there)"},
		{name: "published at the node: a peer that pulls it is later than the node itself", set: func(p *place) {
			p.peer("a", 1, 20*ms)
			p.publish("x", stream.CDN)
		}, want: "cdn: 500 ms (0.0 ms old there); a 540 ms (520 ms old there)"},
		{name: "the same within the margin", margin: 40 * ms, set: func(p *place) {
			p.peer("a", 1, 20*ms)
			p.publish("x", stream.CDN)
		}, want: "a: 540 ms (520 ms old there); cdn 500 ms (0.0 ms old there)"},
		{name: "a farther peer that has it by a shorter way", set: func(p *place) {
			p.peer("a", 1, 20*ms)
			p.peer("b", 2, 20*ms)
			p.peer("c", 3, 20*ms)
			p.publish("x", "b")
			p.pull("x", "c", "b")
			p.pull("x", "a", "c") // 20+100+20, then 20+200+20
		}, want: "b: 120 ms (0.0 ms old there); cdn 920 ms (420 ms old there)"},
		{name: "what most watch counts most", set: func(p *place) {
			p.peer("a", 1, 100*ms)
			p.peer("b", 1, 100*ms)
			p.publish("x", "a")
			p.publish("y", "b")
			p.watch("y", "b", 2) // weights 1 and 3
		}, want: "b: 150 ms (50 ms old there); cdn 1100 ms (600 ms old there)"},
		{name: "a peer that says nothing of itself may have what a viewer watches there", set: func(p *place) {
			p.peer("a", 1, 20*ms).Reports = false
			p.watch("x", "a", 1)
		}, want: "a: 20 ms; cdn 500 ms"},
		{name: "somebody waits at a peer for what nobody publishes yet", set: func(p *place) {
			p.peer("a", 1, 20*ms)
			p.watch("x", "a", 1)
		}, want: "a: 20 ms; cdn 500 ms"},
		{name: "what a full peer has is pulled from elsewhere", set: func(p *place) {
			p.peer("a", 1, 20*ms)
			p.peer("b", 2, 20*ms).Relays = 10
			p.publish("x", "b") // from there a would have it in 140 ms, by the node it takes 420 + 520
		}, want: "cdn: 920 ms (420 ms old there); a 960 ms (940 ms old there)"},
		{name: "streams of another service do not count", set: func(p *place) {
			p.peer("a", 1, 100*ms)
			p.dir.Publish(stream.ID{App: "live", Key: "x"}, "other", "a", [4]byte{}, time.Time{})
		}, want: "a: 100 ms; cdn 500 ms"},
		{name: "a publisher has no use for streams", publish: true, set: func(p *place) {
			p.peer("a", 1, 100*ms).Ingest = true
			p.publish("x", "a")
		}, want: "a: 100 ms; cdn 500 ms"},
		{name: "what comes from a peer that is unwell will come by another way", set: func(p *place) {
			p.peer("a", 1, 20*ms)
			p.peer("b", 2, 20*ms).Healthy = false
			p.publish("x", stream.CDN)
			p.pull("x", "a", "b")
		}, want: "cdn: 500 ms (0.0 ms old there); a 540 ms (520 ms old there)"},
		{name: "a stream of which nobody can say where it comes from says nothing", set: func(p *place) {
			p.peer("a", 1, 20*ms)
			p.peer("b", 2, 20*ms).Healthy = false
			p.publish("x", "b")
			p.pull("x", stream.CDN, "b")
		}, want: "a: 20 ms; cdn 500 ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := threeSwitches()
			tt.set(p)
			policy, err := New(tt.strategy, tt.margin)
			if err != nil {
				t.Fatal(err)
			}
			r := p.request()
			r.Publishes = tt.publish
			got := policy.Source(p.view(), r)
			if got.Reason != tt.want {
				t.Errorf("%s, want %s", got.Reason, tt.want)
			}
			wantSource, _, _ := strings.Cut(tt.want, ":")
			if wantSource == "no peer" {
				wantSource = stream.CDN
			}
			if got.Source() != wantSource {
				t.Errorf("source %s, want %s", got.Source(), wantSource)
			}
		})
	}
}

func TestNew(t *testing.T) {
	for _, tt := range []struct {
		strategy string
		margin   time.Duration
		want     string
	}{
		{"", 0, ""}, {Nearest, ms, ""}, {LeastDelay, 0, ""}, {LeastLoaded, 0, ""},
		{"farthest", 0, `bypass: unknown strategy "farthest": one of least-delay, nearest, least-loaded`},
		{"", -ms, "bypass: margin -1ms: negative"},
	} {
		_, err := New(tt.strategy, tt.margin)
		if got := fmt.Sprint(err); err == nil && tt.want != "" || err != nil && got != tt.want {
			t.Errorf("%q, %v: %v, want %s", tt.strategy, tt.margin, err, tt.want)
		}
	}
}

// randomPlace is a network in one part or two, with peers in every condition.
func randomPlace(rng *rand.Rand) *place {
	p := newPlace()
	switches := 1 + rng.IntN(6)
	for sw := 2; sw <= switches; sw++ {
		if rng.IntN(8) > 0 {
			p.link(1+rng.IntN(sw-1), sw, time.Duration(rng.IntN(4))*10*ms)
		} else {
			p.port(sw)
		}
	}
	line := func() time.Duration { return time.Duration(rng.IntN(5)) * 10 * ms }
	p.port(1)
	if rng.IntN(10) > 0 {
		p.node(1+rng.IntN(switches), line())
	}
	for i := range rng.IntN(6) {
		c := p.peer(string(rune('a'+i)), 1+rng.IntN(switches), line())
		c.Viewers, c.Healthy = rng.IntN(12), rng.IntN(5) > 0
		c.Draining, c.Ingest = rng.IntN(8) == 0, rng.IntN(2) == 0
		if c.Relays = rng.IntN(3); rng.IntN(4) == 0 {
			c.MaxViewers = 0
		}
		if rng.IntN(4) == 0 {
			c.MaxKbps, c.Kbps, c.Promised, c.Expects = 1000, float64(rng.IntN(1000)), float64(rng.IntN(300)), float64(rng.IntN(200))
		}
		if rng.IntN(10) == 0 {
			c.Address[0] = 99
		}
	}
	names := []string{stream.CDN}
	for _, c := range p.peers {
		names = append(names, c.Name)
	}
	for i := range rng.IntN(4) {
		key, at := string(rune('x'+i)), names[rng.IntN(len(names))]
		if p.publish(key, at); at != stream.CDN && rng.IntN(2) == 0 {
			p.pull(key, stream.CDN, at)
		}
		for range rng.IntN(4) {
			if to := names[rng.IntN(len(names))]; to != at {
				p.pull(key, to, names[rng.IntN(len(names))])
			}
		}
		p.watch(key, at, rng.IntN(5))
	}
	return p
}

// TestProperties: whatever the network, the choice is what the policy promises, by numbers worked out the long way.
func TestProperties(t *testing.T) {
	chosen := map[string]int{}
	for seed := range uint64(4000) {
		rng := rand.New(rand.NewPCG(seed, 3))
		p := randomPlace(rng)
		policy, _ := New([]string{LeastDelay, Nearest, LeastLoaded}[rng.IntN(3)], time.Duration(rng.IntN(3))*15*ms)
		v, r := p.view(), p.request()
		r.Publishes = rng.IntN(6) == 0
		got := policy.Source(v, r)
		chosen[got.Source()]++
		fail := func(format string, args ...any) {
			t.Errorf("seed %d, %s by %v: %s: %s", seed, got.Source(), policy, got.Reason, fmt.Sprintf(format, args...))
		}
		if again := policy.Source(p.view(), r); again.Source() != got.Source() || again.Reason != got.Reason {
			fail("asked again: %s", again.Reason)
		}
		mixed := v
		mixed.Peers = slices.Clone(v.Peers)
		rng.Shuffle(len(mixed.Peers), func(i, j int) { mixed.Peers[i], mixed.Peers[j] = mixed.Peers[j], mixed.Peers[i] })
		if again := policy.Source(mixed, r); again.Source() != got.Source() {
			fail("in another order: %s", again.Reason)
		}
		totals, usable := p.totals(v, r, policy.margin)
		if len(usable) == 0 {
			if got.Peer != nil || !strings.HasPrefix(got.Reason, "no peer: ") {
				fail("nobody may serve")
			}
			continue
		}
		cdn, cdnKnown := totals[stream.CDN]
		if got.Peer == nil {
			for _, c := range usable {
				if policy.strategy != LeastDelay || !cdnKnown || cdn+policy.margin >= totals[c.Name] {
					fail("%s would do: %v, the node %v", c.Name, totals[c.Name], cdn)
				}
			}
			if !strings.HasPrefix(got.Reason, "cdn: ") {
				fail("the reason does not begin with the choice")
			}
			continue
		}
		me := got.Peer
		if !slices.ContainsFunc(usable, func(c stream.Candidate) bool { return c.Name == me.Name }) {
			fail("it may not serve: %+v", me)
		}
		if policy.strategy == LeastDelay && cdnKnown && totals[me.Name] > cdn+policy.margin {
			fail("%v is farther than the node at %v", totals[me.Name], cdn)
		}
		mine, _ := v.HostDelay(r.At.DPID, me.Host)
		for _, c := range usable {
			near, load := compare(totals[me.Name], totals[c.Name]), compare(me.Load(), c.Load())
			fuller := load > 0 || load == 0 && (me.Viewers > c.Viewers || me.Viewers == c.Viewers && (near > 0 || near == 0 && me.Name > c.Name))
			own, _ := v.HostDelay(r.At.DPID, c.Host)
			better := totals[me.Name] > totals[c.Name]+policy.margin || near >= 0 && mine >= own && fuller
			if policy.strategy == LeastLoaded {
				better = load > 0 || load == 0 && (near > 0 || near == 0 && (me.Viewers > c.Viewers || me.Viewers == c.Viewers && me.Name > c.Name))
			}
			if better {
				fail("%s is better: %v and %v, %v and %v", c.Name, totals[c.Name], totals[me.Name], c.Load(), me.Load())
			}
		}
		if !strings.HasPrefix(got.Reason, me.Name+": ") || !strings.Contains(got.Reason, "; cdn ") {
			fail("the reason does not name what was compared")
		}
	}
	if len(chosen) < 6 || chosen[stream.CDN] < 100 || chosen["a"] < 100 {
		t.Errorf("these networks prove little: %v", chosen)
	}
}

func compare[T time.Duration | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// totals is how far the viewer is from the stream at each source that may serve, and at the node where its line has been
// measured.
func (p *place) totals(v stream.View, r stream.Request, margin time.Duration) (map[string]time.Duration, []stream.Candidate) {
	totals := map[string]time.Duration{}
	var usable []stream.Candidate
	var sources []string
	for _, c := range v.Peers {
		full := c.MaxViewers > 0 && c.Viewers+c.Relays >= c.MaxViewers ||
			c.MaxKbps > 0 && (c.Kbps+c.Promised >= float64(c.MaxKbps) || c.Kbps+c.Promised+c.Expects > float64(c.MaxKbps))
		if c.Host == nil || !c.Healthy || c.Draining || full || r.Publishes && !c.Ingest {
			continue
		}
		if d, ok := v.HostDelay(r.At.DPID, c.Host); ok {
			totals[c.Name] = d
			usable = append(usable, c)
			sources = append(sources, c.Name)
		}
	}
	node, _ := v.Host(r.DialedMAC)
	if node != nil && node.Delay > 0 {
		if d, ok := v.HostDelay(r.At.DPID, node); ok {
			totals[stream.CDN] = d
		}
	}
	m := stream.Map{Snapshot: v.Snapshot, Full: func(source string) bool {
		i := slices.IndexFunc(v.Peers, func(c stream.Candidate) bool { return c.Name == source })
		return i >= 0 && (v.Peers[i].Draining || v.Peers[i].Full())
	}}
	m.Host = func(source string) *topo.Host {
		if source == stream.CDN {
			return node
		}
		for _, c := range v.Peers {
			if c.Name == source && c.Healthy {
				return c.Host
			}
		}
		return nil
	}
	weights := time.Duration(0)
	sums := map[string]time.Duration{}
	for l := range v.Streams.All {
		lags, ok := l.Expected(append(sources, stream.CDN), m, margin)
		if !ok || r.Publishes {
			continue
		}
		w := time.Duration(l.Viewers + 1)
		weights += w
		for i, s := range append(sources, stream.CDN) {
			sums[s] += w * lags[i]
		}
	}
	if weights > 0 {
		for s := range totals {
			totals[s] += sums[s] / weights
		}
	}
	return totals, usable
}

// BenchmarkSource decides among 50 peers, without knowing of streams and with 100 of them.
func BenchmarkSource(b *testing.B) {
	for _, streams := range []int{0, 1, 100} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			p := newPlace()
			for sw := 2; sw <= 60; sw++ {
				p.link(1+(sw-2)/4, sw, 5*ms)
			}
			p.node(60, 100*ms)
			for i := range 50 {
				p.peer(fmt.Sprintf("peer%d", i), 2+i, 2*ms)
			}
			for i := range streams {
				key := fmt.Sprint(i)
				p.publish(key, stream.CDN)
				for j := range 10 {
					p.pull(key, fmt.Sprintf("peer%d", (i+5*j)%50), stream.CDN)
				}
			}
			policy, _ := New("", 50*ms)
			v, r := p.view(), p.request()
			b.ReportAllocs()
			for b.Loop() {
				policy.Source(v, r)
			}
		})
	}
}

// TestAllocations: while no streams are known a choice takes no memory but for its reason.
func TestAllocations(t *testing.T) {
	p := newPlace()
	p.node(1, 100*ms)
	for i := range usual {
		p.peer(string(rune('A'+i)), 1, 2*ms)
	}
	policy, _ := New("", 50*ms)
	v, r := p.view(), p.request()
	if n := testing.AllocsPerRun(100, func() { policy.Source(v, r) }); n != 1 {
		t.Errorf("%v allocations", n)
	}
}
