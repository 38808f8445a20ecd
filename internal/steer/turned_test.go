package steer

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// through sends a segment in by a port of s1 and returns the one frame that leaves, and where.
func (l *lab) through(in ofproto.Port, s packet.TCP) (ofproto.Port, packet.Peeked) {
	l.t.Helper()
	out := l.net.Switch("s1").Receive(in, packet.AppendTCP(nil, s))
	if len(out) != 1 {
		l.t.Fatalf("%d frames leave for one\n%s", len(out), l.net.Switch("s1").DumpFlows())
	}
	var p packet.Peeked
	if err := packet.Peek(out[0].Frame, &p); err != nil {
		l.t.Fatal(err)
	}
	if err := packet.Verify(out[0].Frame); err != nil {
		l.t.Error(err)
	}
	return out[0].Port, p
}

// ends is the addresses of a frame.
type ends struct {
	srcMAC, dstMAC   ofproto.MAC
	src, dst         ofproto.IPv4
	srcPort, dstPort uint16
}

func endsOf(p packet.Peeked) ends {
	return ends{p.Src, p.Dst, p.SrcIP, p.DstIP, p.SrcPort, p.DstPort}
}

// TestTurned: the source is on the port that the client is on, so that neither may learn from a packet that the other is
// its neighbour: it would be answered directly.
func TestTurned(t *testing.T) {
	client, clientMAC := ofproto.IPv4{10, 0, 0, 3}, ofproto.MAC{2, 0, 0, 0, 0, 3}
	peer, peerMAC := ofproto.IPv4{10, 0, 0, 1}, ofproto.MAC{2, 0, 0, 0, 0, 1}
	node, nodeMAC := ofproto.IPv4{10, 0, 0, 2}, ofproto.MAC{2, 0, 0, 0, 0, 2}
	for _, tt := range []struct {
		name   string
		source stream.Source
	}{
		{"a neighbour behind the same port", stream.Source{Name: "peer", MAC: peerMAC, Address: peer, Port: 1935}},
		{"its other port", stream.Source{Name: "peer", MAC: peerMAC, Address: peer, Port: 1936}},
		{"the client's own relay", stream.Source{Name: "own", MAC: clientMAC, Address: client, Port: 1935}},
		{"which a session rebuilt from a table knows less of", stream.Source{Name: "own", Address: client, Port: 1935}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t, 1)
			shared, uplink := l.port(1), l.port(1)
			l.net.AddHost("node", "10.0.0.2", "s1", uplink.Port, 0)
			l.net.AddHost("client", "10.0.0.3", "s1", shared.Port, 0)
			l.store.Learn(clientMAC, client, shared, time.Time{})
			l.store.Learn(peerMAC, peer, shared, time.Time{})
			l.store.Learn(nodeMAC, node, uplink, time.Time{})
			s := &stream.Session{
				Tuple:  stream.Tuple{Client: client, ClientPort: 50000, Service: node, ServicePort: 1935},
				Source: tt.source, DialedMAC: nodeMAC, ClientMAC: clientMAC,
			}
			if tt.source.MAC == (ofproto.MAC{}) {
				s.ClientMAC, tt.source.MAC = ofproto.MAC{}, clientMAC
			}
			plan, err := Session(s, l.store.Load(), idle)
			if err != nil {
				t.Fatal(err)
			}
			l.install(1, plan.Steps[0].Rules...)

			port, p := l.through(shared.Port, packet.TCP{
				SrcMAC: clientMAC, DstMAC: nodeMAC, SrcIP: client, DstIP: node, SrcPort: 50000, DstPort: 1935, Flags: packet.SYN,
			})
			if want := (ends{nodeMAC, tt.source.MAC, node, tt.source.Address, 50000, tt.source.Port}); port != shared.Port || endsOf(p) != want {
				t.Errorf("there: port %v, %+v, want %+v", port, endsOf(p), want)
			}
			// The source answers whom it believes to speak to.
			port, p = l.through(shared.Port, packet.TCP{
				SrcMAC: tt.source.MAC, DstMAC: nodeMAC, SrcIP: tt.source.Address, DstIP: node, SrcPort: tt.source.Port, DstPort: 50000,
				Flags: packet.SYN | packet.ACK,
			})
			if want := (ends{nodeMAC, clientMAC, node, client, 1935, 50000}); port != shared.Port || endsOf(p) != want {
				t.Errorf("back: port %v, %+v, want %+v", port, endsOf(p), want)
			}
			for _, v := range l.net.Switch("s1").Violations() {
				t.Error(v)
			}
		})
	}
}

// TestOverheard: what is copied to the controller bears the addresses the client dialled, and what goes on its way is as
// without a copy.
func TestOverheard(t *testing.T) {
	for _, where := range []string{"peer", "other port", "own", "node"} {
		t.Run(where, func(t *testing.T) {
			l := newLab(t, 1)
			viewer, peer, node := l.host("viewer", "10.0.0.3", 1), l.host("peer", "10.0.0.1", 1), l.host("node", "10.0.0.2", 1)
			s := session(viewer, node, peer, 1935)
			switch where {
			case "other port":
				s = session(viewer, node, peer, 1936)
			case "own":
				s = session(viewer, node, viewer, 1936)
			case "node":
				s = session(viewer, node, node, 1935)
			}
			plan, err := Session(s, l.store.Load(), idle)
			if err != nil {
				t.Fatal(err)
			}
			sw := l.net.Switch("s1")
			ask := packet.TCP{SrcMAC: viewer.MAC, DstMAC: node.MAC, SrcIP: viewer.IP, DstIP: node.IP, SrcPort: 50000, DstPort: 1935}
			l.install(1, plan.Steps[0].Rules...)
			port, plain := l.through(1, ask)
			if sw.LostPacketIns() != 0 {
				t.Error("a copy before anybody asked for one")
			}
			loud := plan.Overheard(s)
			l.install(1, loud.Steps[0].Rules...)
			again, copied := l.through(1, ask)
			if again != port || endsOf(copied) != endsOf(plain) || sw.LostPacketIns() != 1 {
				t.Errorf("overheard: %v %+v, else %v %+v; %d copies", again, endsOf(copied), port, endsOf(plain), sw.LostPacketIns())
			}
			// What the controller is sent is what a rule that sends there instead of onward makes of the packet.
			last := &loud.Steps[0].Rules[1]
			var actions []ofproto.Action
			for _, a := range last.Actions {
				if out, ok := a.(ofproto.Output); !ok {
					actions = append(actions, a)
				} else if out.Port == ofproto.PortController {
					actions = append(actions, ofproto.Output{Port: 3})
				}
			}
			last.Actions = actions
			l.install(1, *last)
			_, p := l.through(1, ask)
			got := endsOf(p)
			if want := (ends{got.srcMAC, CopyMAC, viewer.IP, node.IP, 50000, 1935}); got != want {
				t.Errorf("the copy is %+v", got)
			}
			// The plain plan over it ends the copies.
			l.install(1, plan.Steps[0].Rules...)
			lost := sw.LostPacketIns()
			if l.through(1, ask); sw.LostPacketIns() != lost {
				t.Error("copies go on")
			}
		})
	}
}

// TestPriorities sends packets through a switch that has a rule of every kind and looks which one each meets.
func TestPriorities(t *testing.T) {
	l := newLab(t, 1)
	sw := l.net.Switch("s1")
	viewer, peer, node := l.host("viewer", "10.0.0.3", 1), l.host("peer", "10.0.0.1", 1), l.host("node", "10.0.0.2", 1)
	svc := stream.Service{Name: "live", Address: node.IP, Port: 1935}
	l.install(1, Base([]stream.Service{svc, {Name: "other", Address: node.IP, Port: 8080}})...)
	plan, err := Session(session(viewer, node, peer, 1935), l.store.Load(), idle)
	if err != nil {
		t.Fatal(err)
	}
	l.install(1, plan.Steps[0].Rules...)
	own := stream.Tuple{Client: peer.IP, Service: node.IP, ServicePort: 1935}
	hop := topo.Hop{DPID: 1, In: 2, Out: 3}
	l.install(1, HandsOff(peer.IP, 0, own, hop, idle))
	marked := HandsOff(viewer.IP, 46, stream.Tuple{Client: viewer.IP, Service: node.IP, ServicePort: 1935}, topo.Hop{DPID: 1, In: 1, Out: 3}, idle)
	l.install(1, marked, Probe(stream.Peer{Name: "peer", Address: peer.IP, Port: 1935}, svc, 61535))
	for _, h := range []*oftest.Host{viewer, peer, node} {
		for i, to := range []*oftest.Host{viewer, peer, node} {
			l.install(1, flow.Rule{
				Match: Pair(h.MAC, to.MAC), Priority: flow.PriorityPair, Cookie: flow.NewCookie(flow.KindPair, 0),
				Actions: []ofproto.Action{ofproto.Output{Port: ofproto.Port(i + 1)}},
			})
		}
	}
	ask := packet.TCP{SrcMAC: viewer.MAC, DstMAC: node.MAC, SrcIP: viewer.IP, DstIP: node.IP, SrcPort: 50000, DstPort: 1935}
	with := func(f func(*packet.TCP)) []byte {
		s := ask
		f(&s)
		return packet.AppendTCP(nil, s)
	}
	fromPeer := func(s *packet.TCP) { s.SrcMAC, s.SrcIP = peer.MAC, peer.IP }
	for _, tt := range []struct {
		name  string
		in    ofproto.Port
		frame []byte
		want  flow.Kind
	}{
		{"the session", 1, with(func(*packet.TCP) {}), flow.KindSession},
		{"the same from another port of the switch", 3, with(func(*packet.TCP) {}), flow.KindService},
		{"another connection", 1, with(func(s *packet.TCP) { s.SrcPort++ }), flow.KindService},
		{"another service", 1, with(func(s *packet.TCP) { s.DstPort = 8080 }), flow.KindService},
		{"no service", 1, with(func(s *packet.TCP) { s.DstPort = 80 }), flow.KindPair},
		{"the session, marked as a relay's", 1, with(func(s *packet.TCP) { s.TOS = 46 << 2 }), flow.KindHandsOff},
		{"marked otherwise", 1, with(func(s *packet.TCP) { s.TOS = 10 << 2 }), flow.KindSession},
		{"a relay's own pull", 2, with(fromPeer), flow.KindHandsOff},
		{"a relay's answer", 2, with(func(s *packet.TCP) {
			fromPeer(s)
			s.SrcPort, s.DstMAC, s.DstIP, s.DstPort = 1935, viewer.MAC, viewer.IP, 50000
		}), flow.KindSession},
		{"a relay's answer to nobody known", 2, with(func(s *packet.TCP) {
			fromPeer(s)
			s.SrcPort, s.DstMAC, s.DstIP, s.DstPort = 1935, viewer.MAC, viewer.IP, 50001
		}), flow.KindPair},
		{"its answer to a probe", 2, with(func(s *packet.TCP) { fromPeer(s); s.SrcPort, s.DstPort = 1935, 61535 }), flow.KindProbe},
		{"a stranger", 1, with(func(s *packet.TCP) { s.SrcMAC[5]++; s.DstPort = 80 }), flow.KindMiss},
		{"ARP", 1, packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: viewer.MAC, SenderIP: viewer.IP, TargetIP: node.IP}), flow.KindARP},
		{"LLDP", 1, packet.AppendLLDP(nil, packet.LLDP{DPID: 1, Port: 1}, []byte("key")), flow.KindLLDP},
	} {
		before := sw.Flows()
		sw.Receive(tt.in, tt.frame)
		for i, f := range sw.Flows() {
			if hit := f.Packets > before[i].Packets; hit && flow.Cookie(f.Cookie).Kind() != tt.want {
				t.Errorf("%s meets %v", tt.name, f)
			} else if hit {
				before = nil
				break
			}
		}
		if before != nil {
			t.Errorf("%s meets no rule of kind %v", tt.name, tt.want)
		}
	}
	if v := sw.Violations(); len(v) != 0 {
		t.Error(v)
	}
}
