package stream

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// peerName is the name of the i-th source, the service's own node before all peers.
func peerName(i int) string {
	if i == 0 {
		return CDN
	}
	return fmt.Sprintf("p%d", i)
}

// randomNet is a connected network with n sources and one publisher on it.
func randomNet(rng *rand.Rand, n int) *net {
	net := newNet()
	switches := 1 + rng.IntN(6)
	for sw := 2; sw <= switches; sw++ {
		net.link(1+rng.IntN(sw-1), sw, time.Duration(1+rng.IntN(5))*10*time.Millisecond)
	}
	for i := range n {
		net.host(peerName(i), 1+rng.IntN(switches), time.Duration(rng.IntN(3))*time.Millisecond)
	}
	net.host("bob", 1+rng.IntN(switches), 5*time.Millisecond)
	return net
}

// TestTrees has relays ask for upstreams in any order, act on the answers whenever they like, report, drop streams, fill up and
// die. Whatever they do, no relay is ever offered what would come in a circle or from who has no room, the first offer is the
// nearest of those that are soon enough by the map, and every copy's lag is that of the one it comes from and the way between.
// Nor do the streams themselves ever come in a circle, if relays do as they say: one that takes another than the first offer says
// so at once and asks before it goes back, one that has taken the first says so before it asks again.
func TestTrees(t *testing.T) {
	moved := 0
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		const n = 7
		net := randomNet(rng, n)
		m := net.Map()
		margin := time.Duration(rng.IntN(3)) * 10 * time.Millisecond
		var d Directory
		key := ID{"live", "a"}
		home := peerName(rng.IntN(n))
		d.Publish(key, "", home, net.find("bob").IP, time.Time{})
		from, told := map[string]string{}, map[string]string{} // by relay, in truth
		report := func(relay string) {
			if from[relay] != "" {
				d.Report(relay, []Reported{{ID: key, From: from[relay]}}, time.Time{})
			}
		}
		take := func(relay, source string) {
			if from[relay] != "" && from[relay] != source {
				moved++
			}
			from[relay] = source
		}
		for step := range 100 {
			relay := peerName(1 + rng.IntN(n-1))
			switch what := rng.IntN(14); {
			case relay == home:
			case what == 0:
				d.Report(relay, nil, time.Time{})
				d.Drop(key, relay)
				delete(from, relay)
				delete(told, relay)
			case what == 1:
				net.dead[relay] = !net.dead[relay] && rng.IntN(2) == 0
			case what == 2:
				net.full[relay] = !net.full[relay]
			case what < 5:
				report(relay)
			case what < 8:
				if told[relay] != "" {
					take(relay, told[relay])
				}
			default:
				report(relay)
				before, _ := d.Load().Stream(key)
				offers := d.Choose(key, relay, m, margin, time.Time{})
				if err := wrongOffers(before, relay, offers, m, margin); err != nil {
					t.Fatalf("seed %d, step %d: %v of %s: %v", seed, step, offers, describe(before), err)
				}
				if told[relay] = offers[0].Source; what < 11 {
					break // it takes its time
				}
				took := offers[rng.IntN(len(offers))]
				take(relay, took.Source)
				delete(told, relay)
				report(relay)
				after, _ := d.Load().Stream(key)
				if lag, ok := after.Lag(relay, m); ok && lag != took.Lag {
					t.Fatalf("seed %d, step %d: %s has a lag of %v, was offered %v", seed, step, relay, lag, took)
				}
			}
			for relay := range from {
				at := relay
				for range n {
					at = from[at]
				}
				if at != "" {
					t.Fatalf("seed %d, step %d: a circle: %v; it is thought that %v", seed, step, from, slices.Collect(d.Load().All)[0].Copies)
				}
			}
		}
	}
	if moved < 1000 {
		t.Errorf("relays have changed over only %d times", moved)
	}
}

// wrongOffers compares offers with what can be found out the long way.
func wrongOffers(l *Live, relay string, offers []Offer, m Map, margin time.Duration) error {
	if own, _ := l.Copy(relay); own.Published {
		if offers != nil {
			return fmt.Errorf("it is published there")
		}
		return nil
	}
	if len(offers) == 0 {
		return fmt.Errorf("nothing is offered to %s", relay)
	}
	type way struct{ lag, links time.Duration }
	ways := map[string]way{} // from whom it could take the stream
	soonest, cdn := time.Duration(1<<62), time.Duration(1<<62)
	own, _ := l.Copy(relay)
	for i := range 20 {
		at := peerName(i)
		lag, ok := l.Lag(at, m)
		from, to := m.Host(at), m.Host(relay)
		_, there := l.Copy(at)
		if !ok || from == nil || to == nil || comesBy(l, at, relay) || at != CDN && !there || m.Full(at) && at != own.From && at != own.Next {
			continue
		}
		links, _ := m.Delay(from.At.DPID, to.At.DPID)
		w := way{lag + from.Delay + links + to.Delay, links}
		if ways[at] = w; at == CDN {
			cdn = w.lag
		} else {
			soonest = min(soonest, w.lag)
		}
	}
	first := offers[0]
	got, ok := ways[first.Source]
	switch {
	case len(ways) == 0: // the relay is dead: only the node is left to try
		if first.Source != CDN || len(offers) != 1 {
			return fmt.Errorf("nobody is reachable")
		}
	case !ok || first.Lag != got.lag:
		return fmt.Errorf("the first is none of %v", ways)
	case first.Source == CDN && cdn+margin >= soonest:
		return fmt.Errorf("the node at %v is no better than a peer at %v", cdn, soonest)
	case first.Source != CDN:
		limit := min(soonest, cdn) + margin
		if got.lag > limit {
			return fmt.Errorf("%v is later than %v", got, limit)
		}
		for at, w := range ways {
			if at != CDN && w.lag <= limit && w.links < got.links {
				return fmt.Errorf("%s is nearer: %v", at, w)
			}
		}
	}
	for i, o := range offers {
		if o.Source == relay || comesBy(l, o.Source, relay) {
			return fmt.Errorf("%v would come in a circle", o)
		}
		if slices.ContainsFunc(offers[:i], func(p Offer) bool { return p.Source == o.Source }) {
			return fmt.Errorf("%v is offered twice", o)
		}
	}
	return nil
}

// TestDirectoryAgainstModel tells a directory and two plain maps the same, and keeps old catalogs to see that they never
// change.
func TestDirectoryAgainstModel(t *testing.T) {
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, 0))
	type place struct {
		id ID
		at string
	}
	type told struct {
		place
		until time.Time
	}
	var (
		d       Directory
		now     = time.Unix(0, 0)
		said    = map[place]time.Time{}
		watches = map[Tuple]told{}
		old     []*Catalog
		spoken  []string
	)
	picture := func(c *Catalog) (s string) {
		for l := range c.All {
			s += describe(l) + "\n"
		}
		return s
	}
	for step := range 5000 {
		p := place{ID{"live", string(rune('a' + rng.IntN(4)))}, peerName(rng.IntN(4))}
		var until time.Time
		if rng.IntN(3) > 0 {
			until = now.Add(time.Duration(rng.IntN(20)) * time.Second)
		}
		tuple := Tuple{ClientPort: uint16(rng.IntN(20))}
		switch rng.IntN(9) {
		case 0:
			d.Publish(p.id, "", p.at, ofproto.IPv4{10, 0, 0, 1}, until)
			said[p] = until
		case 1, 2:
			d.Pull(p.id, p.at, peerName(rng.IntN(4)), until)
			said[p] = until
		case 3:
			d.Drop(p.id, p.at)
			delete(said, p)
		case 4, 5:
			d.Watch(tuple, p.id, "", p.at, until)
			watches[tuple] = told{p, until}
		case 6:
			d.Unwatch(tuple)
			delete(watches, tuple)
		default:
			now = now.Add(time.Second)
			d.Expire(now)
			maps.DeleteFunc(said, func(_ place, until time.Time) bool { return lapsed(until, now) })
			maps.DeleteFunc(watches, func(_ Tuple, w told) bool { return lapsed(w.until, now) })
		}
		want := map[place]int{}
		for p := range said {
			want[p] = 0
		}
		for _, w := range watches {
			want[w.place]++
		}
		got, given := map[place]int{}, map[string]int{}
		var before *Live
		for l := range d.Load().All {
			sum := 0
			for _, c := range l.Copies {
				got[place{l.ID, c.At}] = c.Viewers
				given[c.From]++
				given[c.Next]++
				sum += c.Viewers
			}
			found, _ := d.Load().Stream(l.ID)
			if sum != l.Viewers || len(l.Copies) == 0 || found != l || before != nil && l.Viewers > before.Viewers {
				t.Fatalf("seed %d, step %d: %s", seed, step, describe(l))
			}
			before = l
		}
		for i := range 4 {
			if n := d.Load().Given(peerName(i)); n != given[peerName(i)] {
				t.Fatalf("seed %d, step %d: %s gives %d copies, want %d", seed, step, peerName(i), n, given[peerName(i)])
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d, step %d: got %v, want %v", seed, step, got, want)
		}
		if step%100 == 0 {
			old = append(old, d.Load())
			spoken = append(spoken, picture(d.Load()))
		}
	}
	for i, c := range old {
		if now := picture(c); now != spoken[i] {
			t.Errorf("seed %d, catalog %d says\n%safter it said\n%s", seed, i, now, spoken[i])
		}
	}
	if len(d.streams) > 4 || len(d.watches) > 20 {
		t.Errorf("%d streams and %d watches are kept", len(d.streams), len(d.watches))
	}
}

// TestToldAgain: what is only told again makes no new catalog, so that renewals cost their readers nothing.
func TestToldAgain(t *testing.T) {
	var d Directory
	key, at := ID{"live", "a"}, time.Unix(1, 0)
	tell := func() {
		d.Publish(key, "svc", "p1", ofproto.IPv4{10, 0, 0, 1}, at)
		d.Pull(key, CDN, "p1", at)
		d.Watch(Tuple{ClientPort: 1}, key, "svc", "p1", at)
		d.Report("p2", []Reported{{ID: key, Viewers: 3}}, at)
	}
	tell()
	before := d.Load()
	at = time.Unix(2, 0)
	tell()
	d.Expire(time.Unix(1, 5e8))
	if d.Load() != before {
		t.Error("nothing is new, but the catalog is")
	}
	if l, _ := before.Stream(key); l.Service != "svc" || l.Viewers != 4 {
		t.Errorf("%+v", l)
	}
	var none *Catalog
	if _, ok := none.Stream(key); ok || len(slices.Collect(none.All))+len(slices.Collect(new(Directory).Load().All))+none.Given("p1") != 0 {
		t.Error("nothing knows something")
	}
}

// TestDirectoryAtOnce is for the race detector: everybody tells and reads at the same time.
func TestDirectoryAtOnce(t *testing.T) {
	var d Directory
	net := randomNet(rand.New(rand.NewPCG(1, 1)), 5)
	m := net.Map()
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 0))
			for i := range 500 {
				key, at := ID{"live", string(rune('a' + rng.IntN(3)))}, peerName(1+rng.IntN(4))
				until := time.Unix(int64(i), 0)
				d.Choose(key, at, m, 0, until)
				d.Watch(Tuple{ClientPort: uint16(rng.IntN(50))}, key, "", at, until)
				d.Report(at, []Reported{{ID: key, Viewers: i}}, until)
				for l := range d.Load().All {
					l.Upstreams(at, m, 0)
				}
				d.Expire(time.Unix(int64(i-10), 0))
			}
		})
	}
	all.Wait()
	d.Expire(time.Unix(1<<40, 0))
	if len(d.streams)+len(d.watches)+len(d.reports) != 0 || *d.Load() != (Catalog{}) {
		t.Errorf("left: %v, %v, %v, %+v", d.streams, d.watches, d.reports, d.Load())
	}
}

// comesBy reports whether a source has its copy by way of another, or may come to by what was told, or is that other.
func comesBy(l *Live, at, other string) bool {
	above := []string{at}
	for i := 0; i < len(above); i++ {
		if above[i] == other {
			return true
		}
		c, _ := l.Copy(above[i])
		for _, from := range []string{c.From, c.Next} {
			if from != "" && !slices.Contains(above, from) {
				above = append(above, from)
			}
		}
	}
	return false
}

// crowd is a directory of many streams and viewers.
func crowd(streams, peers, viewers int) *Directory {
	var d Directory
	for i := range streams {
		key := ID{"live", fmt.Sprint(i)}
		d.Publish(key, "", CDN, ofproto.IPv4{}, time.Time{})
		for p := range 5 {
			d.Pull(key, peerName(1+(i+p*7)%peers), CDN, time.Time{})
		}
	}
	for i := range viewers {
		d.Watch(Tuple{ClientPort: uint16(i), Client: ofproto.IPv4{10, 0, byte(i >> 16), 0}},
			ID{"live", fmt.Sprint(i % streams)}, "", peerName(1+i%peers), time.Time{})
	}
	return &d
}

// BenchmarkWatch has a viewer come and go among 10,000.
func BenchmarkWatch(b *testing.B) {
	for _, streams := range []int{1, 500, 10_000} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			d := crowd(streams, 50, 10_000)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				t := Tuple{ClientPort: 1, Client: ofproto.IPv4{11}}
				d.Watch(t, ID{"live", fmt.Sprint(i % streams)}, "", "p1", time.Time{})
				d.Unwatch(t)
			}
		})
	}
}

func BenchmarkChoose(b *testing.B) {
	d := crowd(500, 50, 0)
	net := randomNet(rand.New(rand.NewPCG(1, 1)), 51)
	m := net.Map()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		d.Choose(ID{"live", fmt.Sprint(i % 500)}, peerName(1+i%50), m, 0, time.Time{})
	}
}

// BenchmarkChooseAmong has a relay choose among 200 copies of one stream: all from the first, or each from the one before.
func BenchmarkChooseAmong(b *testing.B) {
	const copies = 200
	m := randomNet(rand.New(rand.NewPCG(1, 1)), copies+2).Map()
	for _, shape := range []struct {
		name string
		from func(i int) int
	}{{"star", func(int) int { return 1 }}, {"chain", func(i int) int { return i - 1 }}} {
		b.Run(shape.name, func(b *testing.B) {
			var d Directory
			key := ID{"live", "a"}
			d.Publish(key, "", peerName(1), ofproto.IPv4{}, time.Time{})
			for i := 2; i <= copies; i++ {
				d.Report(peerName(i), []Reported{{ID: key, From: peerName(shape.from(i))}}, time.Time{})
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				d.Choose(key, peerName(2+i%copies), m, time.Second, time.Time{})
			}
		})
	}
}
