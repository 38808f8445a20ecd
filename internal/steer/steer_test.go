package steer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

const idle = 180

// A lab is a row of simulated switches s1 - s2 - ..., hosts on them, and what topo knows of it.
type lab struct {
	t     *testing.T
	net   *oftest.Network
	store *topo.Store
	ports []ofproto.Port // the next free one of each switch
}

func newLab(t *testing.T, switches int) *lab {
	l := &lab{t: t, net: oftest.NewNetwork(), store: topo.NewStore(), ports: make([]ofproto.Port, switches+1)}
	for d := 1; d <= switches; d++ {
		sw := l.net.AddSwitch(name(d), oftest.Options{DPID: ofproto.DPID(d)})
		if err := sw.AddFlow("priority=20000,arp,actions=FLOOD"); err != nil {
			t.Fatal(err)
		}
		l.store.SetSwitch(ofproto.DPID(d), nil)
		if d > 1 {
			from, to := l.port(d-1), l.port(d)
			l.net.Join(name(d-1), from.Port, name(d), to.Port, 0)
			l.store.SetLink(from, to, time.Millisecond)
			l.store.SetLink(to, from, time.Millisecond)
		}
	}
	return l
}

func name(d int) string { return fmt.Sprintf("s%d", d) }

func (l *lab) port(d int) topo.Point {
	l.ports[d]++
	at := topo.Point{DPID: ofproto.DPID(d), Port: l.ports[d]}
	l.store.SetPort(at.DPID, topo.Port{No: at.Port, Up: true})
	return at
}

func (l *lab) host(host, ip string, d int) *oftest.Host {
	at := l.port(d)
	h := l.net.AddHost(host, ip, name(d), at.Port, 0)
	l.store.Learn(h.MAC, h.IP, at, time.Time{})
	h.Listen(1935)
	return h
}

// session is that of a viewer who dials the node and is served by a source.
func session(viewer, node, source *oftest.Host, port uint16) *stream.Session {
	s := &stream.Session{
		Tuple:     stream.Tuple{Client: viewer.IP, ClientPort: 50000, Service: node.IP, ServicePort: 1935},
		ClientMAC: viewer.MAC, DialedMAC: node.MAC,
		Source: stream.Source{Name: source.Name, MAC: source.MAC, Address: source.IP, Port: port},
	}
	if source == node {
		s.Source.Name = stream.CDN
	}
	return s
}

// install puts rules on a switch, and looks at what no rule may be.
func (l *lab) install(d ofproto.DPID, rules ...flow.Rule) {
	l.t.Helper()
	for _, r := range rules {
		if r.Match.Wildcards&ofproto.WildAll == 0 {
			l.t.Errorf("rule without a wildcard, above all priorities: %v", r.Match)
		}
		if !r.Cookie.Ours() {
			l.t.Errorf("rule of nobody's: %v", r.Match)
		}
		var m ofproto.FlowMod
		r.Add(&m)
		if err := l.net.Switch(name(int(d))).Apply(&m); err != nil {
			l.t.Errorf("refused: %v: %v", &m, err)
		}
	}
}

// TestSession has a viewer dial the node and talk, over one to three switches, with the source at each place, and on
// another port than was dialled. Both ends must see what they expect and nothing else. Before the very last rule is there,
// no packet of the viewer's gets anywhere: no half-path.
func TestSession(t *testing.T) {
	for switches := 1; switches <= 3; switches++ {
		for at := 1; at <= switches; at++ {
			for _, port := range []uint16{1935, 1936} {
				for _, direct := range []bool{false, true} {
					if direct && port != 1935 {
						continue
					}
					t.Run(fmt.Sprintf("%d switches, source at s%d, port %d, direct %v", switches, at, port, direct), func(t *testing.T) {
						l := newLab(t, switches)
						viewer := l.host("viewer", "10.0.0.3", 1)
						peer := l.host("peer", "10.0.0.1", at)
						node := l.host("node", "10.0.0.2", at)
						peer.Listen(1936)
						viewer.ARP(node.IP)
						source, other := peer, node
						if direct {
							source, other = node, peer
						}
						plan, err := Session(session(viewer, node, source, port), l.store.Load(), idle)
						if err != nil {
							t.Fatal(err)
						}
						l.talk(viewer, node, source, other, port, plan)
					})
				}
			}
		}
	}
}

// talk installs a plan rule by rule and has the connection live its life over it.
func (l *lab) talk(viewer, node, source, other *oftest.Host, port uint16, plan Plan) {
	l.t.Helper()
	if plan.Edge() != 1 {
		l.t.Errorf("the client's switch is %v", plan.Edge())
	}
	for i, step := range plan.Steps {
		for j, r := range step.Rules {
			if viewer.DialFrom(50000, node.IP, 1935); len(source.Frames())+len(other.Frames()) != 0 {
				l.t.Fatalf("before rule %d of switch %d of %d the SYN gets through", j, i, len(plan.Steps))
			}
			l.install(step.DPID, r)
		}
	}
	c := viewer.DialFrom(50000, node.IP, 1935)
	accepted := source.Accepted()
	if !c.Established() || len(accepted) != 1 {
		l.t.Fatalf("state %v, %d accepted\n%s", c.State(), len(accepted), l.net.Switch("s1").DumpFlows())
	}
	server := accepted[0]
	if server.Local() != port {
		l.t.Errorf("the source was dialled at port %d, not %d", server.Local(), port)
	}
	c.Write([]byte("play"))
	server.Write([]byte("chunk"))
	if a, b := string(server.Read()), string(c.Read()); a != "play" || b != "chunk" {
		l.t.Errorf("the source got %q, the viewer %q", a, b)
	}
	server.CloseWrite()
	if c.State() != oftest.Closed {
		l.t.Errorf("after FIN: %v", c.State())
	}
	if frames := other.Frames(); len(frames) != 0 {
		l.t.Errorf("%d frames came to %s", len(frames), other.Name)
	}
	if mac, _ := viewer.Knows(node.IP); mac != node.MAC {
		l.t.Errorf("the viewer takes %v for the node", mac)
	}
	l.net.Check(l.t)
}

// TestRebuilt plans a session of which only what a switch's table tells is known: addresses, not who has them.
func TestRebuilt(t *testing.T) {
	l := newLab(t, 2)
	viewer, peer, node := l.host("viewer", "10.0.0.3", 1), l.host("peer", "10.0.0.1", 2), l.host("node", "10.0.0.2", 2)
	viewer.ARP(node.IP)
	s := session(viewer, node, peer, 1935)
	s.ClientMAC, s.Source.MAC = ofproto.MAC{}, ofproto.MAC{}
	plan, err := Session(s, l.store.Load(), idle)
	if err != nil {
		t.Fatal(err)
	}
	if s.ClientMAC != (ofproto.MAC{}) {
		t.Error("the session was changed")
	}
	l.talk(viewer, node, peer, node, 1935, plan)
}

func TestNoPlan(t *testing.T) {
	l := newLab(t, 2)
	viewer, peer, node := l.host("viewer", "10.0.0.3", 1), l.host("peer", "10.0.0.1", 2), l.host("node", "10.0.0.2", 2)
	for _, tt := range []struct {
		name string
		set  func()
		want string
	}{
		{"no link", func() { l.store.CutLink(topo.Point{DPID: 1, Port: 1}) }, "no path from 0000000000000001:2 to source peer at 0000000000000002:2"},
		{"no source", func() { l.store.RemovePort(2, 2) }, "source peer (02:00:0a:00:00:01): place unknown"},
		{"no client", func() { l.store.RemovePort(1, 2) }, "client 02:00:0a:00:00:03: place unknown"},
	} {
		tt.set()
		_, err := Session(session(viewer, node, peer, 1935), l.store.Load(), idle)
		if err == nil || err.Error() != "steer 10.0.0.3:50000->10.0.0.2:1935: "+tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestShape is what an installer relies on: far switches first, the way back before the way there, one cookie, timeouts.
func TestShape(t *testing.T) {
	l := newLab(t, 3)
	viewer, peer, node := l.host("viewer", "10.0.0.3", 1), l.host("peer", "10.0.0.1", 3), l.host("node", "10.0.0.2", 3)
	for _, source := range []*oftest.Host{peer, node} {
		s := session(viewer, node, source, 1935)
		plan, err := Session(s, l.store.Load(), idle)
		if err != nil || len(plan.Steps) != 3 {
			t.Fatal(plan, err)
		}
		for i, step := range plan.Steps {
			if step.DPID != ofproto.DPID(3-i) || len(step.Rules) != 2 {
				t.Errorf("step %d is %+v", i, step)
			}
			back, there := step.Rules[0], step.Rules[1]
			if back.Match.NWSrc != source.IP || there.Match.NWSrc != viewer.IP {
				t.Errorf("step %d: first %v, then %v", i, back.Match, there.Match)
			}
			for j, r := range step.Rules {
				wantIdle := uint16(idle)
				if i == 2 && j == 0 && source == peer {
					wantIdle = WayBackIdle
				}
				if r.Priority != flow.PrioritySession || r.Cookie != flow.NewCookie(flow.KindSession, s.Hash()) || !r.Notify || r.Idle != wantIdle {
					t.Errorf("step %d, rule %d: %+v", i, j, r)
				}
			}
		}
		if got := plan.Release(); len(got) != len(plan.Steps[2].Rules[1].Actions) {
			t.Errorf("the first packet is let go by %v", got)
		}
	}
	plan, _ := Session(session(viewer, node, peer, 1935), l.store.Load(), 7200)
	if back := plan.Steps[2].Rules[0]; back.Idle != 7200 {
		t.Errorf("the way back idles out after %d s, the way there after 7200", back.Idle)
	}
	for _, source := range []*oftest.Host{peer, node} {
		p, _ := Session(session(viewer, node, source, 1935), l.store.Load(), idle)
		rewritten := strings.Contains(ofproto.FormatActions(p.Release()), "mod_")
		if rewritten != (source == peer) {
			t.Errorf("served by %s: %v", source.Name, p.Release())
		}
	}
}

func BenchmarkSession(b *testing.B) {
	store := topo.NewStore()
	for d := ofproto.DPID(1); d <= 3; d++ {
		store.SetSwitch(d, []topo.Port{{No: 1, Up: true}, {No: 2, Up: true}, {No: 3, Up: true}})
	}
	for d := ofproto.DPID(1); d < 3; d++ {
		store.SetLink(topo.Point{DPID: d, Port: 2}, topo.Point{DPID: d + 1, Port: 1}, 0)
		store.SetLink(topo.Point{DPID: d + 1, Port: 1}, topo.Point{DPID: d, Port: 2}, 0)
	}
	store.Learn(ofproto.MAC{2, 1}, ofproto.IPv4{10, 0, 0, 1}, topo.Point{DPID: 1, Port: 3}, time.Time{})
	store.Learn(ofproto.MAC{2, 2}, ofproto.IPv4{10, 0, 0, 2}, topo.Point{DPID: 3, Port: 3}, time.Time{})
	s := &stream.Session{
		Tuple:     stream.Tuple{Client: ofproto.IPv4{10, 0, 0, 1}, ClientPort: 50000, Service: ofproto.IPv4{10, 0, 0, 9}, ServicePort: 1935},
		ClientMAC: ofproto.MAC{2, 1}, DialedMAC: ofproto.MAC{2, 9},
		Source: stream.Source{Name: "p", MAC: ofproto.MAC{2, 2}, Address: ofproto.IPv4{10, 0, 0, 2}, Port: 1935},
	}
	snap := store.Load()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Session(s, snap, idle); err != nil {
			b.Fatal(err)
		}
	}
}
