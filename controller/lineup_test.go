package controller

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/policies/bypass"
)

// A scene is what decisions depend on, changed at random.
type scene struct {
	rng   *rand.Rand
	now   time.Time
	store *topo.Store
	dir   stream.Directory
	set   *peerSet
}

const (
	sceneSwitches = 6
	sceneHosts    = 8
	scenePorts    = 12 // of a switch: as many for links as there are switches, others for hosts
)

func newScene(seed uint64) *scene {
	s := &scene{rng: rand.New(rand.NewPCG(seed, 5)), now: time.Unix(1e9, 0), store: topo.NewStore()}
	s.peers()
	for range 40 {
		s.change()
	}
	return s
}

func (s *scene) dpid() ofproto.DPID     { return ofproto.DPID(1 + s.rng.IntN(sceneSwitches)) }
func (s *scene) delay() time.Duration   { return time.Duration(s.rng.IntN(5)) * 10 * time.Millisecond }
func (*scene) ip(host int) ofproto.IPv4 { return ofproto.IPv4{10, 0, 0, byte(1 + host)} }
func (s *scene) mac() ofproto.MAC {
	return ofproto.MAC{2, 0, 0, 0, 0, byte(1 + s.rng.IntN(sceneHosts))}
}
func (s *scene) name() string { return string(rune('a' + s.rng.IntN(6))) }

// peers makes another set of peers, which know how they stood.
func (s *scene) peers() {
	var list []stream.Peer
	draining := make(map[string]bool)
	for i := range 6 {
		if p := (stream.Peer{Name: string(rune('a' + i)), Address: s.ip(i), Port: 1935}); s.rng.IntN(4) > 0 {
			p.MaxViewers, p.MaxKbps, p.Ingest = s.rng.IntN(3)*10, s.rng.IntN(2)*10_000, s.rng.IntN(2) == 0
			draining[p.Name] = s.rng.IntN(6) == 0
			list = append(list, p)
		}
	}
	s.set = newPeerSet(list, draining, s.set)
}

// change changes one thing.
func (s *scene) change() {
	s.now = s.now.Add(time.Minute)
	switch s.rng.IntN(9) {
	case 0:
		d := s.dpid()
		if s.rng.IntN(4) == 0 {
			s.store.RemoveSwitch(d)
			return
		}
		var ports []topo.Port
		for no := range ofproto.Port(scenePorts) {
			ports = append(ports, topo.Port{No: 1 + no, Up: true})
		}
		s.store.SetSwitch(d, ports)
	case 1, 2:
		a, b := s.dpid(), s.dpid()
		from, to := topo.Point{DPID: a, Port: ofproto.Port(b)}, topo.Point{DPID: b, Port: ofproto.Port(a)}
		if s.rng.IntN(5) == 0 {
			s.store.CutLink(from)
		} else if a != b {
			s.store.SetLink(from, to, s.delay())
			s.store.SetLink(to, from, s.delay())
		}
	case 3, 4:
		mac := s.mac()
		s.store.Learn(mac, s.ip(int(mac[5])-1), topo.Point{DPID: s.dpid(), Port: ofproto.Port(sceneSwitches + 1 + s.rng.IntN(3))}, s.now)
	case 5:
		s.store.SetHostDelay(s.mac(), s.delay())
	case 6:
		if s.rng.IntN(3) == 0 {
			s.peers()
		}
		for _, p := range s.set.order {
			p.health.Store(&health{ok: s.rng.IntN(5) > 0, why: "by chance"})
			p.viewers.Store(s.rng.Int64N(14))
			p.kbps.Store(s.rng.Int64N(9000))
			p.promised.Store(s.rng.Int64N(3) * 1000)
			p.reports.Store(s.rng.IntN(3) > 0)
		}
	case 7:
		s.dir.Publish(stream.ID{App: "live", Key: s.name()}, "live", s.name(), s.ip(s.rng.IntN(sceneHosts)), s.now)
	case 8:
		s.dir.Pull(stream.ID{App: "live", Key: s.name()}, s.name(), s.name(), s.now)
	}
}

func (s *scene) request() stream.Request {
	return stream.Request{
		Service: stream.Service{Name: "live"}, At: topo.Point{DPID: s.dpid(), Port: 1}, DialedMAC: s.mac(), Publishes: s.rng.IntN(6) == 0,
	}
}

// view is what a policy sees, looked up anew.
func (s *scene) view(r stream.Request, kbps float64) stream.View {
	snap, live := s.store.Load(), s.dir.Load()
	place := func(h *topo.Host, known bool) (p stream.Place) {
		if known {
			p.Host = h
			p.Delay, p.Reached = snap.HostDelay(r.At.DPID, h)
			p.Measured = p.Reached && h.Delay > 0
		}
		return p
	}
	v := stream.View{Snapshot: snap, Node: place(snap.Host(r.DialedMAC)), Peers: []stream.Candidate{}, Streams: live}
	for _, p := range s.set.order {
		state := p.health.Load()
		c := stream.Candidate{
			Peer: p.Peer, Place: place(snap.HostByIP(p.Address)), Healthy: state.ok, Why: state.why, Draining: p.draining,
			Viewers: int(p.viewers.Load()), Relays: live.Given(p.Name), Kbps: float64(p.kbps.Load()), Promised: float64(p.promised.Load()),
			Reports: p.registered || p.reports.Load(),
		}
		c.Expects = kbps
		if kbps == 0 && c.Promised > 0 {
			c.Expects = assumedKbps
		}
		v.Peers = append(v.Peers, c)
	}
	return v
}

// TestLineup: whatever changes from one decision to the next, what a policy sees is what it would see if all were looked up
// anew, and its choice is the same.
func TestLineup(t *testing.T) {
	var policies []bypass.Policy
	for _, strategy := range []string{bypass.LeastDelay, bypass.Nearest, bypass.LeastLoaded} {
		p, err := bypass.New(strategy, 15*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		policies = append(policies, p)
	}
	chosen, kept := make(map[string]int), 0
	for seed := range uint64(300) {
		s := newScene(seed)
		var l lineup
		r, kbps := s.request(), 0.0
		for step := range 60 {
			for range s.rng.IntN(3) {
				s.change()
			}
			switch s.rng.IntN(4) { // most requests come in at the same switch, and most there are for the same address
			case 0:
				r = s.request()
			case 1:
				r.DialedMAC = s.mac()
			case 2:
				kbps = float64(s.rng.IntN(3)) * 800
			}
			if l.set == s.set && l.from == r.At.DPID && l.view.Snapshot != s.store.Load() && l.view.Graph == s.store.Load().Graph {
				kept++
			}
			got, want := l.now(s.set, s.store.Load(), s.dir.Load(), &r, kbps), s.view(r, kbps)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, step %d: %+v\nnot %+v", seed, step, got, want)
			}
			for _, p := range policies {
				a, b := p.Source(got, r), p.Source(want, r)
				if chosen[a.Source()]++; a.Source() != b.Source() || a.Reason != b.Reason {
					t.Fatalf("seed %d, step %d: %s, not %s", seed, step, a.Reason, b.Reason)
				}
				for i := range got.Peers { // as decide does where a port is taken
					got.Peers[i].Healthy = got.Peers[i].Healthy && s.rng.IntN(4) > 0
				}
				want.Peers = append([]stream.Candidate(nil), got.Peers...)
			}
		}
	}
	if len(chosen) < 7 || chosen[stream.CDN] < 1000 || chosen["a"] < 1000 || kept < 1000 {
		t.Errorf("these scenes prove little: %v, %d times only the hosts were others", chosen, kept)
	}
}
