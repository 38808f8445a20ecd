package topo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A world is a random network with a controller's knowledge of it, which changes. Few different delays make many ties.
type world struct {
	rng    *rand.Rand
	store  *Store
	n      int // switches, by dpid 1..n
	cables [][2]Point
	now    time.Time
}

// edgePort is the port of every switch with nobody but hosts.
const edgePort = 100

func newWorld(seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), store: NewStore(), now: time.Unix(0, 0)}
	w.n = 1 + w.rng.IntN(9)
	next := make([]ofproto.Port, w.n+1)
	for range w.rng.IntN(2*w.n + 1) {
		var c [2]Point
		for i := range c {
			d := 1 + w.rng.IntN(w.n)
			next[d]++
			c[i] = Point{ofproto.DPID(d), next[d]}
		}
		w.cables = append(w.cables, c)
	}
	for d := 1; d <= w.n; d++ {
		w.connect(d)
	}
	for range 3 * len(w.cables) {
		w.hear()
	}
	return w
}

// connect has a switch say what ports it has; some are down.
func (w *world) connect(d int) {
	ports := []Port{{No: edgePort, Up: true}, {No: edgePort + 1, Up: w.rng.IntN(4) > 0}}
	for _, c := range w.cables {
		for _, end := range c {
			if end.DPID == ofproto.DPID(d) {
				ports = append(ports, Port{No: end.Port, Up: w.rng.IntN(8) > 0})
			}
		}
	}
	w.store.SetSwitch(ofproto.DPID(d), ports)
}

func (w *world) cable() (from, to Point) {
	c := w.cables[w.rng.IntN(len(w.cables))]
	i := w.rng.IntN(2)
	return c[i], c[1-i]
}

func (w *world) hear() {
	from, to := w.cable()
	w.store.SetLink(from, to, time.Duration(w.rng.IntN(4))*10*time.Millisecond)
}

// step lets one thing happen, and says what.
func (w *world) step() string {
	w.now = w.now.Add(time.Duration(w.rng.IntN(300)) * time.Millisecond)
	d := 1 + w.rng.IntN(w.n)
	what := w.rng.IntN(10)
	if len(w.cables) == 0 && what < 7 {
		what += 7
	}
	switch what {
	case 0, 1, 2:
		w.hear()
		return "hear"
	case 3:
		from, _ := w.cable()
		w.store.CutLink(from)
		for _, l := range w.store.Load().Links() {
			if l.From == from {
				panic("a cut link is still there")
			}
		}
		return fmt.Sprintf("cut %v", from)
	case 4, 5:
		from, _ := w.cable()
		up := w.rng.IntN(2) == 0
		w.store.SetPort(from.DPID, Port{No: from.Port, Up: up})
		return fmt.Sprintf("port %v up=%v", from, up)
	case 6:
		from, _ := w.cable()
		w.store.RemovePort(from.DPID, from.Port)
		return fmt.Sprintf("unplug %v", from)
	case 7:
		w.store.RemoveSwitch(ofproto.DPID(d))
		return fmt.Sprintf("leave %d", d)
	case 8:
		w.connect(d)
		return fmt.Sprintf("connect %d", d)
	}
	if w.rng.IntN(6) == 0 {
		w.store.SetHostDelay(hostMAC(w.rng.IntN(6)), time.Duration(w.rng.IntN(9))*time.Millisecond)
		return fmt.Sprintf("measure; %d hosts forgotten", w.store.ExpireHosts(w.now.Add(-5*time.Second)))
	}
	h := w.rng.IntN(6)
	port := ofproto.Port(1 + w.rng.IntN(4))
	if w.rng.IntN(2) == 0 {
		port = edgePort
	}
	l := w.store.Learn(hostMAC(h), hostIP(w.rng.IntN(5)), Point{ofproto.DPID(d), port}, w.now)
	return "learn " + learned(l)
}

// TestProperties changes random networks at random and looks after each change whether everything that the picture says
// is true of it.
func TestProperties(t *testing.T) {
	worlds := 100
	if testing.Short() {
		worlds = 20
	}
	for seed := range uint64(worlds) {
		w := newWorld(seed)
		done := []string{"start"}
		for range 60 {
			snap := w.store.Load()
			for _, wrong := range slices.Concat(wrongPaths(snap), wrongBroadcasts(snap), wrongHosts(snap)) {
				t.Errorf("seed %d after %s: %s", seed, strings.Join(done, ", "), wrong)
			}
			if t.Failed() {
				return
			}
			done = append(done, w.step())
		}
	}
}

// wrongPaths compares all paths with Floyd's and Warshall's, and each with the links it goes over.
func wrongPaths(snap *Snapshot) (wrong []string) {
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	const far = time.Hour
	ids := snap.DPIDs()
	cost := make([][]time.Duration, len(ids))
	for i, d := range ids {
		cost[i] = make([]time.Duration, len(ids))
		for j, e := range ids {
			cost[i][j] = far
			if d == e {
				cost[i][j] = 0
			}
			for _, p := range snap.switches[i].Ports {
				if to := usable(snap, Point{d, p.No}); to.DPID == e && d != e {
					cost[i][j] = min(cost[i][j], linkDelay(p)+hopCost)
				}
			}
		}
	}
	for k := range ids {
		for i := range ids {
			for j := range ids {
				cost[i][j] = min(cost[i][j], cost[i][k]+cost[k][j])
			}
		}
	}
	for i, d := range ids {
		for j, e := range ids {
			from, to := Point{d, edgePort}, Point{e, edgePort + 1}
			hops, ok := snap.Path(from, to)
			next, nextOK := snap.NextPort(d, to)
			delay, delayOK := snap.Delay(d, e)
			if ok != (cost[i][j] < far) || nextOK != ok || delayOK != ok {
				complain("%v to %v: path %v, next port %v, delay %v, but the least cost is %v", d, e, ok, nextOK, delayOK, cost[i][j])
				continue
			}
			if !ok {
				continue
			}
			if next != hops[0].Out {
				complain("%v to %v: next port %v, path begins by %v", d, e, next, hops[0].Out)
			}
			if want := cost[i][j] - time.Duration(len(hops)-1)*hopCost; delay != want {
				complain("%v to %v: delay %v, least is %v", d, e, delay, want)
			}
			if why := broken(snap, from, to, hops); why != "" {
				complain("%v to %v: %s: %v", d, e, why, hops)
			}
			back := make([]Hop, len(hops))
			for k, h := range hops {
				back[len(hops)-1-k] = h.Reversed()
			}
			if why := broken(snap, to, from, back); why != "" {
				complain("back from %v to %v: %s: %v", e, d, why, back)
			}
			for _, h := range hops {
				if out, _ := snap.NextPort(h.DPID, to); out != h.Out {
					complain("%v to %v: %v on its own goes by %v, in the path by %v", d, e, h.DPID, out, h.Out)
				}
			}
		}
	}
	return wrong
}

// usable is the far end of a link that works, as seen by its near end; zero for none.
func usable(snap *Snapshot, at Point) Point {
	p, _ := snap.port(at)
	far, ok := snap.port(p.Peer)
	if ok && p.IsLink() && p.Up && far.Up && far.Peer == at {
		return p.Peer
	}
	return Point{}
}

// broken says what is wrong with a path.
func broken(snap *Snapshot, from, to Point, hops []Hop) string {
	seen := make(map[ofproto.DPID]bool)
	at := from
	for i, h := range hops {
		if seen[h.DPID] {
			return "goes round"
		}
		seen[h.DPID] = true
		if (Point{h.DPID, h.In}) != at {
			return fmt.Sprintf("hop %d is entered at %v:%v, comes from %v", i, h.DPID, h.In, at)
		}
		at = Point{h.DPID, h.Out}
		if i < len(hops)-1 {
			if at = usable(snap, at); at == (Point{}) {
				return fmt.Sprintf("hop %d leaves by what is no link", i)
			}
		}
	}
	if at != to {
		return fmt.Sprintf("ends at %v", at)
	}
	return ""
}

// wrongBroadcasts sends a broadcast from each switch's edge and carries it on: over links as they are on the map, also
// those heard in one direction only. Every edge port of the connected part sees it exactly once.
func wrongBroadcasts(snap *Snapshot) (wrong []string) {
	for _, d := range snap.DPIDs() {
		got := make(map[Point]int)
		from := Point{d, edgePort}
		arrivals := []Point{from}
		for rounds := 0; len(arrivals) > 0; rounds++ {
			if rounds > 1000 {
				return append(wrong, fmt.Sprintf("a broadcast from %v never ends", from))
			}
			at := arrivals[0]
			arrivals = arrivals[1:]
			out := snap.BroadcastPorts(nil, at, nil)
			if slices.Contains(out, at.Port) || !slices.IsSorted(out) {
				wrong = append(wrong, fmt.Sprintf("in by %v, out by %v", at, out))
			}
			for _, no := range out {
				p, _ := snap.port(Point{at.DPID, no})
				if p.IsLink() {
					arrivals = append(arrivals, p.Peer)
				} else {
					got[Point{at.DPID, no}]++
				}
			}
		}
		for _, e := range snap.DPIDs() {
			_, reached := snap.Delay(d, e)
			sw, _ := snap.Switch(e)
			for no, p := range sw.Ports {
				at, want := Point{e, no}, 0
				if reached && p.Up && !p.IsLink() && at != from {
					want = 1
				}
				if got[at] != want {
					wrong = append(wrong, fmt.Sprintf("a broadcast from %v comes %d times to %v, not %d", from, got[at], at, want))
				}
			}
		}
	}
	return wrong
}

// wrongHosts compares the ways to find a host with each other.
func wrongHosts(snap *Snapshot) (wrong []string) {
	complain := func(h *Host, what string) { wrong = append(wrong, fmt.Sprintf("host %+v: %s", *h, what)) }
	n, on := 0, 0
	snap.Hosts(func(h *Host) bool {
		n++
		if got, ok := snap.Host(h.MAC); !ok || got != h {
			complain(h, "not found by its MAC")
		}
		if got, ok := snap.HostByIP(h.IP); h.IP != (ofproto.IPv4{}) && (!ok || got != h) {
			complain(h, "not found by its address")
		}
		if here := snap.hosts.on(h.At.DPID); here.n == 0 {
			complain(h, "not found on its switch")
		}
		if snap.IsLink(h.At) {
			complain(h, "sits on a link")
		}
		return true
	})
	snap.hosts.bySwitch.all(func(here *trie[*Host]) bool { on += here.n; return true })
	if n != snap.NumHosts() || n != on || snap.hosts.byIP.n > n {
		wrong = append(wrong, fmt.Sprintf("%d hosts, counted %d, %d on switches, %d by address", n, snap.NumHosts(), on, snap.hosts.byIP.n))
	}
	return wrong
}

// picture is all that a snapshot answers.
func picture(snap *Snapshot) string {
	var b strings.Builder
	for _, d := range snap.DPIDs() {
		for _, e := range snap.DPIDs() {
			hops, _ := snap.Path(Point{d, edgePort}, Point{e, edgePort})
			fmt.Fprintln(&b, hops)
		}
		fmt.Fprintln(&b, snap.BroadcastPorts(nil, Point{d, edgePort}, nil))
	}
	fmt.Fprintln(&b, snap.Links(), snap.NumHosts())
	var hosts []string
	snap.Hosts(func(h *Host) bool { hosts = append(hosts, fmt.Sprint(*h)); return true })
	slices.Sort(hosts)
	return b.String() + strings.Join(hosts, "\n")
}

// TestSnapshotsNeverChange keeps pictures and looks at them again when everything has changed. Meanwhile others read
// whatever is current, so that the race detector sees every write that a reader could see.
func TestSnapshotsNeverChange(t *testing.T) {
	for seed := range uint64(8) {
		w := newWorld(seed)
		stop := make(chan struct{})
		var readers sync.WaitGroup
		for range 3 {
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						picture(w.store.Load())
					}
				}
			})
		}
		type kept struct {
			snap *Snapshot
			said string
		}
		var all []kept
		for range 200 {
			snap := w.store.Load()
			all = append(all, kept{snap, picture(snap)})
			w.step()
		}
		close(stop)
		readers.Wait()
		for i, k := range all {
			if now := picture(k.snap); now != k.said {
				t.Fatalf("seed %d: picture %d says\n%s\nafter it said\n%s", seed, i, now, k.said)
			}
		}
	}
}

// TestAllocations: what every packet asks costs nothing.
func TestAllocations(t *testing.T) {
	s := NewStore()
	growTree(s, 50, nil)
	for i := range 1000 {
		s.Learn(hostMAC(i), hostIP(i), Point{ofproto.DPID(i%50 + 1), 20}, time.Time{})
	}
	snap := s.Load()
	ports := make([]ofproto.Port, 0, 64)
	usable := func(p Port) bool { return p.No != 3 }
	for name, f := range map[string]func(){
		"Host":           func() { snap.Host(hostMAC(7)) },
		"HostByIP":       func() { h, _ := snap.HostByIP(hostIP(7)); h.Heard(5) },
		"Toward":         func() { h, _ := snap.Host(hostMAC(7)); snap.Toward(9, h) },
		"NextPort":       func() { snap.NextPort(9, Point{33, 20}) },
		"Delay":          func() { snap.Delay(9, 33) },
		"IsLink":         func() { snap.IsLink(Point{9, 1}) },
		"BroadcastPorts": func() { ports = snap.BroadcastPorts(ports[:0], Point{1, 20}, usable) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if h, ok := snap.HostByIP(hostIP(7)); !ok || h.MAC != hostMAC(7) || len(ports) == 0 {
		t.Error("nothing was measured")
	}
}
