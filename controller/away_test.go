package controller

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// another is one more connection to a rig's controller, after its handshake.
func (r *rig) another(id ofproto.DPID) *rig {
	next := &rig{c: r.c}
	features := &ofproto.FeaturesReply{DatapathID: id, Ports: []ofproto.PhyPort{{No: 1}, {No: 2}, {No: 3}}}
	next.d = r.c.newDatapath(ofproto.NewConn(next, ofproto.ConnOptions{}), features, r.c.log)
	close(next.d.closed)
	return next
}

func (r *rig) up(tb testing.TB) {
	tb.Helper()
	if err := r.c.register(r.d); err != nil {
		tb.Fatal(err)
	}
}

// TestManyIDs has somebody connect and leave under ever new datapath ids. No more than so many are remembered, the last of them;
// a switch that is up is not forgotten for it.
func TestManyIDs(t *testing.T) {
	r := newRig(t)
	const more = 100
	for i := range maxAway {
		id := ofproto.DPID(2 + i)
		r.c.left[id] = away{since: time.Now()}
		r.c.tables[id] = newInstaller(id, r.c.metrics, nil)
		r.c.topo.SetSwitch(id, nil)
	}
	for i := range more {
		next := r.another(ofproto.DPID(2 + maxAway + i))
		next.up(t)
		r.c.unregister(next.d)
	}
	if left, tables, known := len(r.c.left), len(r.c.tables), len(r.c.topo.Load().DPIDs()); left != maxAway || tables != maxAway+1 || known != maxAway+1 {
		t.Errorf("%d are away, %d tables kept, %d switches on the map; want %d, and one more of each", left, tables, known, maxAway)
	}
	for id, want := range map[ofproto.DPID]bool{1: true, 2: false, 1 + more: false, 2 + more: true, 1 + maxAway + more: true} {
		if _, known := r.c.topo.Load().Switch(id); known != want {
			t.Errorf("switch %v is known: %v", id, known)
		}
	}
	r.c.table(2).remove([]flow.Key{{Priority: 1}})
	if n := len(r.c.tables); n != maxAway+1 {
		t.Errorf("%d tables after one was asked for of a switch that is forgotten", n)
	}
}

// TestManyPortsAway has somebody connect and leave under ever new datapath ids, each with as many ports as a switch can name. No more
// of them are remembered than so many, nothing goes on for those that have left, and one that comes and goes is counted once.
func TestManyPortsAway(t *testing.T) {
	r := newRig(t)
	const ids, ports = 120, 1364
	visit := func(id ofproto.DPID) {
		next := &rig{c: r.c}
		f := &ofproto.FeaturesReply{DatapathID: id}
		for p := range ports {
			f.Ports = append(f.Ports, ofproto.PhyPort{No: ofproto.Port(p + 1)})
		}
		next.d = r.c.newDatapath(ofproto.NewConn(next, ofproto.ConnOptions{FirstRead: firstRead}), f, r.c.log)
		close(next.d.closed)
		next.up(t)
		r.c.unregister(next.d)
		for _, timer := range next.d.warming {
			if timer.Stop() {
				t.Fatal("a switch that has left is still to be measured")
			}
		}
	}
	for i := range ids {
		visit(ofproto.DPID(100 + i))
	}
	for range 3 {
		visit(100 + ids - 1)
	}
	known := len(r.c.topo.Load().DPIDs()) - 1
	if most := maxAwayPorts / ports; known != most || len(r.c.left) != most || r.c.portsAway != most*ports {
		t.Errorf("%d switches on the map, %d away with %d ports; want %d with %d each", known, len(r.c.left), r.c.portsAway, most, ports)
	}
	for id, want := range map[ofproto.DPID]bool{1: true, 100: false, 100 + ids - 1: true} {
		if _, known := r.c.topo.Load().Switch(id); known != want {
			t.Errorf("switch %v is known: %v", id, known)
		}
	}
}

// TestForgottenWhileItReturns has a switch be forgotten while it is in the midst of its handshake: what it should hold is sent
// to it afterwards, and it is on the map.
func TestForgottenWhileItReturns(t *testing.T) {
	r := newRig(t)
	r.c.unregister(r.d)
	back := r.another(1)
	r.c.forgetSwitches(time.Now().Add(2 * switchMemory))
	back.up(t)
	back.settle(t)
	r.c.table(1).install([]flow.Rule{{Match: ofproto.MatchAll, Priority: 77}}, "", nil)
	if sent := back.settle(t); sent[ofproto.TypeFlowMod] != 1 {
		t.Errorf("sent %v, want the rule", sent)
	}
	if _, ok := r.c.topo.Load().Switch(1); !ok {
		t.Error("it is not on the map")
	}
}

// TestReturnDoesNotMakeRoom has a host open connections and say nothing, and its switch connect anew: the host has no more of
// them for it.
func TestReturnDoesNotMakeRoom(t *testing.T) {
	r := newRig(t)
	r.c.topo.Learn(ofproto.MAC{0, 1, 0, 0, 0, 9}, ofproto.IPv4{10, 1, 0, 9}, topo.Point{DPID: 1, Port: 3}, time.Now())
	begin := func(from int) {
		for n := from; n < from+maxUnheard; n += 64 {
			var batch [][]byte
			for i := range 64 {
				b := syn(9)
				binary.BigEndian.PutUint16(b[18+34:], uint16(n+i))
				batch = append(batch, b)
			}
			if err := r.d.handleBatch(batch); err != nil {
				t.Fatal(err)
			}
			r.settle(t)
		}
	}
	begin(10_000)
	if n := r.c.sessions.Len(); n != maxUnheard {
		t.Fatalf("%d sessions, want %d", n, maxUnheard)
	}
	r.c.unregister(r.d)
	r.d = r.another(1).d
	r.d.conn = ofproto.NewConn(r, ofproto.ConnOptions{})
	r.up(t)
	r.settle(t)
	begin(20_000)
	if n := r.c.sessions.Len(); n > maxUnheard {
		t.Errorf("%d sessions after a reconnection, want no more than %d", n, maxUnheard)
	}
}

// TestReplacedWhileBusy has a switch connect anew while the daemon is in the midst of what its last connection said. The new one
// is not up before that is over: nothing of the old one is taken for an answer on the new.
func TestReplacedWhileBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		go func() { _ = r.c.every(t.Context(), beatEvery, r.c.present.beat) }()
		old := r.another(2)
		old.d.closed = make(chan struct{})
		old.up(t)
		next := r.another(2)
		up := make(chan error, 1)
		go func() { up <- r.c.register(next.d) }()
		time.Sleep(time.Minute)
		if now, _ := r.c.datapath(2); now != old.d || len(up) > 0 {
			t.Error("another connection is up while what the last one said is still acted upon")
		}
		if err := old.d.Write(1, &ofproto.EchoRequest{}); !errors.Is(err, ofproto.ErrClosed) {
			t.Errorf("the last one is not closed: %v", err)
		}
		close(old.d.closed)
		if err := <-up; err != nil {
			t.Fatal(err)
		}
		if now, _ := r.c.datapath(2); now != next.d {
			t.Error("the new connection is not up")
		}
	})
}

// TestAdoptionEnds restarts the controller and looks what is left of what it found on the switches, when a session is over and
// when all has been there for long.
func TestAdoptionEnds(t *testing.T) {
	inLab(t, line, func(l *lab) {
		l.watch("hv1")
		l.watch("hv2")
		l.restart()
		l.settle()
		if n := len(l.c.adopted.found); n != 2 {
			l.t.Fatalf("%d sessions found, want 2", n)
		}
		s, _ := l.c.sessions.Load(l.session(l.Host("hv1")).Tuple)
		s.forget("for the test")
		l.after(l.c.o.AuditInterval)
		if n := len(l.c.adopted.found); n != 1 {
			l.t.Errorf("%d sessions kept after one is over, want 1", n)
		}
		l.after(switchMemory + l.c.o.AuditInterval)
		if n := len(l.c.adopted.found); n != 0 {
			l.t.Errorf("%d sessions kept, want none", n)
		}
	})
}

// TestLateFind has a switch come back with rules of a session whose port is in use again: what this run has decided since stays.
func TestLateFind(t *testing.T) {
	inLab(t, func(l *lab) { line(l); l.direct() }, func(l *lab) {
		c := l.watch("hv1")
		s, _ := l.c.sessions.Load(l.session(l.Host("hv1")).Tuple)
		steps := slices.Clone(s.plan.Steps)
		l.c.adopted.mu.Lock()
		l.c.adoptRules(new(foundSession), s.Tuple, 3, steps[0].Rules)
		l.c.adopted.mu.Unlock()
		if !slices.EqualFunc(s.plan.Steps, steps, func(a, b steer.Step) bool { return a.DPID == b.DPID }) {
			l.t.Errorf("the session's rules are on %d switches now, want %d", len(s.plan.Steps), len(steps))
		}
		if n := l.metric("ofctl_sessions"); n != 1 {
			l.t.Errorf("%v sessions", n)
		}
		l.servedBy(c, "hv1", "hs")
	})
}

// TestRestartWithoutPeer restarts the controller with settings that lack a peer. The rule that let the peer's own connections pass
// goes: a player on its host would never be seen.
func TestRestartWithoutPeer(t *testing.T) {
	for name, peers := range map[string][]stream.Peer{
		"as before": {{Name: "hb", Address: peerIP, Port: 1935}},
		"gone":      nil,
		"marked":    {{Name: "hb", Address: peerIP, Port: 1935, DSCP: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, line, func(l *lab) {
				l.watch("hb")
				before := len(l.rules("s2", flow.KindHandsOff))
				if before == 0 {
					l.t.Fatal("no rule to begin with")
				}
				l.o.Peers = peers
				l.restart()
				want := 0
				if name == "as before" {
					want = before
				}
				if n := len(l.rules("s2", flow.KindHandsOff)); n != want {
					l.t.Errorf("%d rules, want %d", n, want)
				}
			})
		})
	}
}

// TestForgottenNeighbour has a switch stay away until it is forgotten: its hosts are forgotten with it, and the port that led to it
// is one like any other, where hosts are learnt.
func TestForgottenNeighbour(t *testing.T) {
	inLab(t, line, func(l *lab) {
		l.Host("hv1").ARP(cdnIP)
		l.after(time.Second)
		was, _ := l.c.Topology().HostByIP(l.Host("hv1").IP)
		keepAway(l.Switch("s1"))
		learnt := func() bool {
			mac, ip := made(7)
			l.Switch("s2").Receive(11, packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: mac, SenderIP: ip, TargetIP: peerIP}))
			l.after(time.Second)
			_, ok := l.c.Topology().HostByIP(ip)
			return ok
		}
		l.after(time.Minute)
		if learnt() {
			t.Error("a host is learnt on the port that leads to a switch that is away")
		}
		if h, ok := l.c.Topology().HostByIP(l.Host("hv1").IP); !ok || h.At != was.At {
			t.Error("a host of a switch that is away is not known")
		}
		l.c.forgetSwitches(time.Now().Add(switchMemory))
		if !learnt() {
			t.Error("no host is learnt on the port that led to a switch that is forgotten")
		}
		if h, ok := l.c.Topology().HostByIP(l.Host("hv1").IP); ok && h.At == was.At {
			t.Error("a host of a switch that is forgotten is still known")
		}
	})
}

// TestRogueHosts has one connection tell of hosts at made-up ports of its own, as many as it can. Those of others stay known.
func TestRogueHosts(t *testing.T) {
	r := newRig(t)
	rogue := r.another(99)
	rogue.up(t)
	rogue.settle(t)
	for n := range 30 {
		r.c.topo.Learn(ofproto.MAC{2, 0xaa, 0, 0, 0, byte(n)}, ofproto.IPv4{10, 9, 9, byte(n + 1)}, topo.Point{DPID: 1, Port: 1}, time.Now())
	}
	honest := r.c.Topology().NumHosts()
	for n := range 2000 {
		mac, ip := made(n)
		data := packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: mac, SenderIP: ip, TargetIP: ip})
		b, err := ofproto.Append(nil, 0, &ofproto.PacketIn{BufferID: ofproto.NoBuffer, TotalLen: uint16(len(data)), InPort: ofproto.Port(100 + n), Data: data})
		if err != nil {
			t.Fatal(err)
		}
		if err := rogue.d.handleBatch([][]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.c.Topology().NumHosts(); n != honest {
		t.Errorf("%d hosts are known, want %d", n, honest)
	}
}
