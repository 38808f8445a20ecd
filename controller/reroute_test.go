package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// streamingRing is a ring of three switches with the viewer at s1, the peer at s2 and the CDN, far away, at s3.
func streamingRing(wires *[3]*oftest.Wire) func(*lab) {
	return func(l *lab) {
		for i, name := range []string{"s1", "s2", "s3"} {
			l.AddSwitch(name, oftest.Options{DPID: ofproto.DPID(i + 1)})
		}
		wires[0] = l.Join("s1", 10, "s2", 11, 5*time.Millisecond)
		wires[1] = l.Join("s2", 10, "s3", 11, 5*time.Millisecond)
		wires[2] = l.Join("s3", 10, "s1", 11, 5*time.Millisecond)
		l.AddHost("hb", "10.0.0.1", "s2", 1, time.Millisecond).Listen(1935)
		l.AddHost("hs", "10.0.0.2", "s3", 1, 100*time.Millisecond).Listen(1935)
		l.AddHost("hv1", "10.0.0.3", "s1", 1, time.Millisecond)
		l.AddHost("hv2", "10.0.0.4", "s1", 2, time.Millisecond)
	}
}

// TestSessionRerouted cuts the link that a session uses: it goes the other way round, with the same peer, and leaves no
// rule behind.
func TestSessionRerouted(t *testing.T) {
	var wires [3]*oftest.Wire
	inLab(t, streamingRing(&wires), func(l *lab) {
		c := l.watch("hv1")
		l.servedBy(c, "hv1", "hb")
		wires[0].SetUp(false)
		l.after(100 * time.Millisecond)
		l.whole()
		l.servedBy(c, "hv1", "hb")
		if n := len(l.rules("s3", flow.KindSession)); n != 2 {
			l.t.Errorf("%d session rules on the way round, want 2", n)
		}
		wires[0].SetUp(true)
		l.settle()
		l.servedBy(c, "hv1", "hb")
		l.whole()
	})
}

// TestReroutedAfterRestart restarts the daemon under a viewer, of whom nothing comes up, and cuts the link that he uses: at once, so
// that he has not been asked for yet, or later. He goes the other way round.
func TestReroutedAfterRestart(t *testing.T) {
	for _, later := range []time.Duration{0, 10 * time.Second} {
		t.Run(later.String(), func(t *testing.T) {
			var wires [3]*oftest.Wire
			inLab(t, streamingRing(&wires), func(l *lab) {
				c := l.watch("hv1")
				l.servedBy(c, "hv1", "hb")
				l.restart()
				l.after(1100*time.Millisecond + later) // all links are known again
				if _, seen := l.c.topo.Load().HostByIP(l.Host("hv1").IP); seen != (later > 0) {
					l.t.Errorf("the viewer is on the map: %v", seen)
				}
				wires[0].SetUp(false)
				l.after(2 * l.c.o.ProbeInterval)                       // he is asked for in one round, and looked at in the next
				if n := l.logged("session rerouted"); n < 1 || n > 2 { // each end of the link tells, at the same moment
					l.t.Errorf("rerouted %d times", n)
				}
				l.servedBy(c, "hv1", "hb")
				l.whole()
			})
		})
	}
}

// TestSessionCutOff cuts both ways to a session's peer, and mends the one it did not use: the session goes on there.
func TestSessionCutOff(t *testing.T) {
	var wires [3]*oftest.Wire
	inLab(t, streamingRing(&wires), func(l *lab) {
		c := l.watch("hv1")
		l.servedBy(c, "hv1", "hb")
		wires[2].SetUp(false)
		l.after(100 * time.Millisecond)
		wires[0].SetUp(false)
		l.after(time.Second)
		wires[2].SetUp(true)
		l.after(time.Second)
		l.servedBy(c, "hv1", "hb")
		l.whole()
	})
}

// TestCutWhileAway cuts a link while the controller is out of reach. As soon as it is told, everything goes the other way.
func TestCutWhileAway(t *testing.T) {
	var wires [3]*oftest.Wire
	inLab(t, streamingRing(&wires), func(l *lab) {
		c := l.watch("hv1")
		l.Host("hs").Listen(80)
		other := l.Host("hv2").Dial(peerIP, 1935) // by its own address: ordinary traffic
		l.after(time.Second)
		if !other.Established() {
			l.t.Fatal("not connected")
		}
		l.stopped(func() { wires[0].SetUp(false) })
		l.after(time.Second)
		l.servedBy(c, "hv1", "hb")
		l.servedBy(other, "hv2", "hb")
		l.whole()
	})
}

// TestHostsOfSessionsMove moves the viewer, and then the peer, to another switch while a stream runs.
func TestHostsOfSessionsMove(t *testing.T) {
	for _, restarted := range []bool{false, true} { // by a controller that saw the session begin, and by one that did not
		inLab(t, streamingRing(new([3]*oftest.Wire)), func(l *lab) {
			c := l.watch("hv1")
			l.servedBy(c, "hv1", "hb")
			if restarted {
				l.restart()
				l.settle()
				l.Host("hv1").ARP(cdnIP)
				l.after(time.Second)
			}
			l.Move("hv1", "s3", 5)
			l.after(time.Second)
			l.Host("hv1").ARP(cdnIP)
			l.after(time.Second)
			l.servedBy(c, "hv1", "hb")
			l.whole()
			if restarted {
				return
			}
			for _, name := range []string{"hb"} { // its port goes down, so its viewers are reset, and it is well again elsewhere
				l.Move(name, "s1", 6)
				l.after(5 * time.Second)
				if c.State() != oftest.Reset {
					l.t.Errorf("viewer of a peer whose port went down: state %v", c.State())
				}
				l.servedBy(l.watch("hv2"), "hv2", "hb")
				l.whole()
			}
		})
	}
}

// TestMoveOfOldPairs moves a host whose pairs were placed by an earlier run, or over an earlier connection: those who talk
// to it without pause find it all the same.
func TestMoveOfOldPairs(t *testing.T) {
	for _, how := range []string{"restart", "reconnect"} {
		t.Run(how, func(t *testing.T) {
			inLab(t, ring, func(l *lab) {
				a, b := l.Host("a"), l.Host("b")
				conn := a.Dial(b.IP, 80)
				l.after(time.Second)
				back := from(b, a)[0]
				if how == "restart" {
					l.restart()
				} else {
					for _, sw := range l.Switches() {
						sw.Disconnect()
					}
				}
				l.settle()
				a.ARP(b.IP)
				l.after(time.Second)
				l.Move("a", "s3", 5)
				l.after(2 * time.Second)
				a.ARP(b.IP)
				l.after(500 * time.Millisecond)
				conn.Read()
				back.Write([]byte("there you are"))
				l.after(500 * time.Millisecond)
				if got := string(conn.Read()); got != "there you are" {
					l.t.Errorf("got %q after the move\n%s", got, l.dump())
				}
			})
		})
	}
}

// TestDeadPeer has a peer die in two ways while it serves. Its viewer is told at once, by a reset, and the next goes to the
// CDN, which sees nothing of the first.
func TestDeadPeer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		kill   func(*oftest.Host)
		within time.Duration
	}{
		{"its port goes down", func(h *oftest.Host) { h.Wire().SetUp(false) }, time.Second},
		{"it hangs", func(h *oftest.Host) { h.SetSilent(true) }, 9 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inLab(t, streamingRing(new([3]*oftest.Wire)), func(l *lab) {
				c := l.watch("hv1")
				l.servedBy(c, "hv1", "hb")
				tt.kill(l.Host("hb"))
				l.after(tt.within)
				if c.State() != oftest.Reset {
					l.t.Errorf("after %v: state %v", tt.within, c.State())
				}
				if n := saw(l.Host("hs"), l.Host("hv1").IP); n != 0 {
					l.t.Errorf("the CDN saw %d segments of a connection that it never had", n)
				}
				l.servedBy(l.watch("hv1"), "hv1", "hs")
				l.servedBy(l.watch("hv2"), "hv2", "hs")
				l.whole()
			})
		})
	}
}

// TestCutWhilePending cuts the link that a session's rules are just being installed for: its first packet goes the way round.
func TestCutWhilePending(t *testing.T) {
	var wires [3]*oftest.Wire
	inLab(t, streamingRing(&wires), func(l *lab) {
		for _, sw := range l.Switches() {
			sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
				if m.Type() == ofproto.TypeBarrierRequest {
					v.Delay = 300 * time.Millisecond
				}
				return v
			})
		}
		c := l.Host("hv1").Dial(cdnIP, 1935)
		l.after(100 * time.Millisecond)
		wires[0].SetUp(false)
		l.after(800 * time.Millisecond) // before its kernel sends the SYN again
		if !c.Established() {
			l.t.Errorf("state %v\n%s", c.State(), l.dump())
		}
		l.after(time.Second)
		l.whole()
		l.servedBy(c, "hv1", "hb")
	})
}

// TestTwoCutsAtOnce has a session moved off one link while another goroutine moves it off the next. Whoever sends last, the rules
// are those of the last plan.
func TestTwoCutsAtOnce(t *testing.T) {
	c := newRig(t).c
	ports := func(last ofproto.Port) (list []topo.Port) {
		for no := ofproto.Port(1); no <= last; no++ {
			list = append(list, topo.Port{No: no, Up: true})
		}
		return list
	}
	// The viewer's switch is 11, its source's 15, and 12, 13 and 14 lie between, in the order of their delays.
	link := func(a, b topo.Point, delay time.Duration) {
		c.topo.SetLink(a, b, delay)
		c.topo.SetLink(b, a, delay)
	}
	for id := ofproto.DPID(11); id <= 15; id++ {
		c.topo.SetSwitch(id, ports(5))
		c.tables[id] = newInstaller(id, c.metrics, c.settings().base)
	}
	for i := range 3 {
		mid, port := ofproto.DPID(12+i), ofproto.Port(2+i)
		link(topo.Point{DPID: 11, Port: port}, topo.Point{DPID: mid, Port: 1}, time.Duration(i+1)*time.Millisecond)
		link(topo.Point{DPID: mid, Port: 2}, topo.Point{DPID: 15, Port: port}, time.Millisecond)
	}
	s := &session{c: c, state: active, told: true}
	s.Tuple = stream.Tuple{Client: ofproto.IPv4{10, 1, 0, 1}, ClientPort: 40000, Service: benchCDN.IP, ServicePort: 1935}
	s.ClientMAC, s.Source.MAC, s.Source.Address, s.Source.Port = ofproto.MAC{2, 1}, ofproto.MAC{2, 2}, s.Tuple.Service, 1935
	c.topo.Learn(s.ClientMAC, s.Client, topo.Point{DPID: 11, Port: 1}, time.Now())
	c.topo.Learn(s.Source.MAC, ofproto.IPv4{}, topo.Point{DPID: 15, Port: 1}, time.Now())
	plan, err := steer.Session(&s.Session, c.topo.Load(), 180)
	if err != nil {
		t.Fatal(err)
	}
	s.plan = plan
	s.send(plan, nil, nil)

	holds := func(id ofproto.DPID, port ofproto.Port) bool { // a rule that receives by a port
		t := c.table(id)
		t.mu.Lock()
		defer t.mu.Unlock()
		for r := range t.rules.all {
			if r.rule.Cookie.Kind() == flow.KindSession && r.rule.Match.InPort == port {
				return true
			}
		}
		return false
	}
	until := func(id ofproto.DPID, port ofproto.Port) {
		t.Helper()
		for begin := time.Now(); !holds(id, port); time.Sleep(time.Millisecond) {
			if time.Since(begin) > 10*time.Second {
				t.Fatalf("no rule on %v by port %v", id, port)
			}
		}
	}
	done := make(chan struct{})
	move := func(cut ofproto.Port) {
		c.topo.CutLink(topo.Point{DPID: 11, Port: cut})
		go func() { s.replan(); done <- struct{}{} }()
	}
	between := c.table(13)
	between.mu.Lock() // as a switch that is slow to take what it is sent
	move(2)
	until(15, 3)
	move(3)
	until(11, 4) // the second plan is sent, and the first is not yet
	between.mu.Unlock()
	<-done
	<-done
	for _, step := range s.plan.Steps {
		have := c.table(step.DPID)
		for _, r := range step.Rules {
			if w := have.rules.get(r.Key()); w == nil || !w.rule.Same(r) {
				t.Errorf("on %v the last plan's rule is %v, want %v", step.DPID, w, r)
			}
		}
		if n := have.rules.n - len(c.settings().base); n != 2 {
			t.Errorf("%d rules of the session on %v, want 2", n, step.DPID)
		}
	}
	for _, left := range []ofproto.DPID{12, 13} {
		if n := c.table(left).rules.n - len(c.settings().base); n != 0 {
			t.Errorf("%d rules are left on %v", n, left)
		}
	}
}
