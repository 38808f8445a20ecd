package controller

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// loseNext loses the connection at the nth message from now on, and tells by hit whether it came to that.
func loseNext(n int, outcome oftest.Outcome, hit *bool) oftest.Interceptor {
	return func(int, uint32, ofproto.Message) (v oftest.Verdict) {
		if n--; n == 0 {
			v.Do, *hit = outcome, true
		}
		return v
	}
}

// whole fails the test where a session has some of its rules and not all, or rules without a session, or a place taken at
// the peer by nobody.
func (l *lab) whole() {
	l.t.Helper()
	want, atPeer := 0, 0
	for _, s := range l.c.sessions.All {
		s.mu.Lock()
		if s.state == active {
			for _, step := range s.plan.Steps {
				want += len(step.Rules)
			}
		}
		if s.seated {
			atPeer++
		}
		if s.state == pending {
			l.t.Errorf("%v is still pending", s.Tuple)
		}
		s.mu.Unlock()
	}
	if got := l.sessionRules(); got != want {
		l.t.Errorf("%d session rules, want %d\n%s", got, want, l.dump())
	}
	if got := l.c.Peers()[0].Viewers; got != atPeer {
		l.t.Errorf("%d viewers counted at the peer, want %d", got, atPeer)
	}
}

// TestLostWhileInstalling loses the connection to each switch at every message of a session's installation. What is left is
// no half path; and the viewer, whose kernel sends its SYN again, is served.
func TestLostWhileInstalling(t *testing.T) {
	for _, name := range []string{"s1", "s2"} {
		for _, outcome := range []oftest.Outcome{oftest.CloseBefore, oftest.CloseAfter} {
			steps := 0
			for hit := true; hit; steps++ {
				hit = false
				inLab(t, line, func(l *lab) {
					v := l.Host("hv1")
					l.Switch(name).Intercept(loseNext(steps+1, outcome, &hit))
					c := v.DialFrom(41000, cdnIP, 1935)
					l.after(50 * time.Millisecond)
					l.Switch(name).Intercept(nil)
					l.after(3 * time.Second)
					l.whole()
					if !c.Established() {
						c = v.DialFrom(41000, cdnIP, 1935)
						l.after(2 * time.Second)
					}
					if !c.Established() {
						l.t.Fatalf("message %d: not connected\n%s", steps+1, l.dump())
					}
					server := "hb"
					if len(from(l.Host("hs"), v)) > 0 {
						server = "hs"
					}
					l.servedBy(c, "hv1", server)
					l.whole()
				})
			}
			if steps < 4 {
				t.Errorf("%s: lost at %d messages only", name, steps)
			}
		}
	}
}

// TestLostWhileReconnecting loses the connection at every message by which a switch that lost its table gets it back.
func TestLostWhileReconnecting(t *testing.T) {
	for _, outcome := range []oftest.Outcome{oftest.CloseBefore, oftest.CloseAfter} {
		steps := 0
		for hit := true; hit; steps++ {
			hit = false
			inLab(t, single, func(l *lab) {
				c := l.watch("hv1")
				l.Switch("s1").Intercept(loseNext(steps+1, outcome, &hit))
				l.Switch("s1").Restart()
				l.after(time.Second)
				l.Switch("s1").Intercept(nil)
				l.after(time.Second)
				l.whole()
				l.servedBy(c, "hv1", "hb")
				l.servedBy(l.watch("hv2"), "hv2", "hb")
			})
		}
		if steps < 12 {
			t.Errorf("lost at %d messages only", steps)
		}
	}
}

// TestRefusedRule has a switch refuse rules of a session before it begins: it falls back to the CDN, and says so. Where not
// even the plain path is taken, the packets go by the controller.
func TestRefusedRule(t *testing.T) {
	rewrites := func(m *ofproto.FlowMod) bool {
		return flow.Cookie(m.Cookie).Kind() == flow.KindSession && m.Command == ofproto.FlowAdd && len(m.Actions) > 1 &&
			strings.Contains(m.String(), "mod_nw_src")
	}
	sessions := func(m *ofproto.FlowMod) bool {
		return flow.Cookie(m.Cookie).Kind() == flow.KindSession && m.Command == ofproto.FlowAdd
	}
	for _, tt := range []struct {
		name  string
		which func(*ofproto.FlowMod) bool
		rules int
	}{{"those that rewrite", rewrites, 2}, {"all", sessions, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			inLab(t, single, func(l *lab) {
				l.Switch("s1").Intercept(oftest.RefuseFlowMods(oftest.BadActionType, tt.which))
				c := l.watch("hv1")
				l.servedBy(c, "hv1", "hs")
				for _, c := range from(l.Host("hb"), l.Host("hv1")) { // the SYN went behind the rules, before they were refused
					if c.Established() || len(c.Read()) > 0 {
						l.t.Error("the peer has the connection")
					}
				}
				if n := l.sessionRules(); n != tt.rules {
					l.t.Errorf("%d session rules, want %d", n, tt.rules)
				}
				if n := l.c.Peers()[0].Viewers; n != 0 {
					l.t.Errorf("%d viewers counted at the peer", n)
				}
				if l.metric("ofctl_flow_errors_total") == 0 || l.logged("rule refused") == 0 {
					l.t.Error("nobody is told")
				}
				l.servedBy(l.watch("hv2"), "hv2", "hs")
				if n := len(from(l.Host("hb"), l.Host("hv2"))); n != 0 {
					l.t.Errorf("the peer saw the next connection %d times: a switch that refused rules is waited for", n)
				}
				l.Switch("s1").Intercept(nil)
				l.servedBy(l.watch("hv2"), "hv2", "hb")
			})
		})
	}
}

// TestReleasedBehind withholds the barriers of the only switch: it executes in order, so the SYN that follows the barrier is not
// kept back until the barrier's reply is there, and the session is active no sooner than that.
func TestReleasedBehind(t *testing.T) {
	inLab(t, single, func(l *lab) {
		sw := l.Switch("s1")
		sw.Intercept(oftest.HoldBarriers)
		c := l.watch("hv1")
		l.servedBy(c, "hv1", "hb")
		if s := l.c.Sessions(); len(s) != 1 || s[0].State != "pending" {
			l.t.Errorf("%+v, want one that is pending", s)
		}
		if got := l.metric("ofctl_decisions_total"); got != 0 {
			l.t.Errorf("%v decisions counted, want 0 before the reply", got)
		}
		sw.Intercept(nil)
		sw.Release(rand.New(rand.NewPCG(1, 2)).Perm)
		l.after(time.Second)
		l.whole()
		if n := len(from(l.Host("hb"), l.Host("hv1"))); n != 1 {
			l.t.Errorf("%d connections at the peer, want 1", n)
		}
	})
}

// TestOneRuleFits has room for one of a session's two rules, and says so late: the peer has answered the SYN by then, and must
// not have reached the viewer in the CDN's name, for the viewer is to be served by the CDN after all.
func TestOneRuleFits(t *testing.T) {
	inLab(t, single, func(l *lab) {
		taken := 0
		refuse := oftest.RefuseFlowMods(oftest.TableFull, func(m *ofproto.FlowMod) bool {
			if flow.Cookie(m.Cookie).Kind() != flow.KindSession || m.Command != ofproto.FlowAdd {
				return false
			}
			taken++
			return taken == 2
		})
		l.Switch("s1").Intercept(func(n int, xid uint32, m ofproto.Message) oftest.Verdict {
			if m.Type() == ofproto.TypeBarrierRequest {
				return oftest.Verdict{Delay: 500 * time.Millisecond}
			}
			return refuse(n, xid, m)
		})
		c := l.watch("hv1")
		l.servedBy(c, "hv1", "hs")
		l.after(time.Second)
		l.whole()
	})
}

// TestBarriers withholds the barriers of two connections and lets them go last first: a SYN leaves only after the last of its own.
func TestBarriers(t *testing.T) {
	inLab(t, line, func(l *lab) {
		for _, sw := range l.path() {
			sw.Intercept(oftest.HoldBarriers)
		}
		viewers := []string{"hv1", "hv2"}
		var conns []*oftest.Conn
		for _, v := range viewers {
			conns = append(conns, l.Host(v).Dial(cdnIP, 1935))
			l.after(50 * time.Millisecond) // one read would have one barrier
		}
		backwards := func(n int) (order []int) {
			for i := range n {
				order = append(order, n-1-i)
			}
			return order
		}
		for _, sw := range []*oftest.Switch{l.Switch("s1"), l.Switch("s2")} { // the viewers' own first: in the wrong order
			l.after(500 * time.Millisecond)
			for _, v := range viewers {
				if n := saw(l.Host("hb"), l.Host(v).IP) + saw(l.Host("hs"), l.Host(v).IP); n != 0 {
					l.t.Fatalf("%d segments of %s left before all barriers", n, v)
				}
			}
			if n := sw.Held(); n < len(viewers) {
				l.t.Errorf("%d barriers held back on %v, want one a connection at least", n, sw.DPID())
			}
			sw.Intercept(nil)
			sw.Release(backwards)
		}
		l.after(time.Second)
		for i, c := range conns {
			if !c.Established() {
				l.t.Fatalf("%s is not connected\n%s", viewers[i], l.dump())
			}
			l.servedBy(c, viewers[i], "hb")
		}
		l.whole()
	})
}

// TestSlowBarriers has every barrier take a second and more, each another time.
func TestSlowBarriers(t *testing.T) {
	inLab(t, line, func(l *lab) {
		for i, sw := range l.Switches() {
			rng := rand.New(rand.NewPCG(3, uint64(i)))
			sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
				if m.Type() == ofproto.TypeBarrierRequest {
					v.Delay = time.Duration(500+rng.IntN(1000)) * time.Millisecond
				}
				return v
			})
		}
		l.servedBy(l.watch("hv1"), "hv1", "hb")
		l.servedBy(l.watch("hv2"), "hv2", "hb")
		l.after(2 * time.Second)
		l.whole()
	})
}

// TestNoBarrier has a switch that never answers barriers, and everything else. It is not waited for for ever: its
// connection is closed, and the next one is a new chance.
func TestNoBarrier(t *testing.T) {
	inLab(t, single, func(l *lab) {
		v := l.Host("hv1")
		l.Switch("s1").Intercept(oftest.HoldBarriers)
		c := v.DialFrom(41000, cdnIP, 1935)
		l.after(30 * time.Second)
		if l.logged("switch down") == 0 {
			l.t.Error("the connection is kept")
		}
		l.Switch("s1").Intercept(nil)
		l.after(15 * time.Second)
		l.whole()
		l.servedBy(c, "hv1", "hb") // which began before the switch was given up
		if got := l.metric("ofctl_decisions_total"); got != 1 {
			l.t.Errorf("%v decisions counted, want 1", got)
		}
		l.servedBy(l.watch("hv2"), "hv2", "hb")
	})
}

// TestAnyOrder has switches execute messages in any order where no barrier forbids it, as OpenFlow 1.0.0 §5.3.7 lets them.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(10) {
		shuffled := func(l *lab) {
			for i, name := range []string{"s1", "s2"} {
				rng := rand.New(rand.NewPCG(seed, uint64(i)))
				l.AddSwitch(name, oftest.Options{DPID: ofproto.DPID(i + 1), Shuffle: rng.Perm})
			}
			l.Join("s1", 10, "s2", 10, time.Millisecond)
			l.AddHost("hb", "10.0.0.1", "s2", 1, time.Millisecond).Listen(1935)
			l.AddHost("hs", "10.0.0.2", "s2", 2, 100*time.Millisecond).Listen(1935)
			l.AddHost("hv1", "10.0.0.3", "s1", 1, time.Millisecond)
			l.AddHost("hv2", "10.0.0.4", "s1", 2, time.Millisecond)
		}
		inLab(t, shuffled, func(l *lab) {
			v := l.Host("hv1")
			l.servedBy(l.watch("hv1"), "hv1", "hb")
			l.servedBy(l.watch("hv2"), "hv2", "hb")
			for i := range uint32(5) { // a SYN of another number from the same port, while the rules of the last are on their way
				v.SendTCP(packet.TCP{DstIP: cdnIP, SrcPort: 42000, DstPort: 1935, Seq: 1000 * i, Flags: packet.SYN, Window: 1000})
			}
			l.after(time.Second)
			l.whole()
			for _, sw := range l.Switches() {
				sw.Restart()
			}
			l.after(time.Second)
			l.whole()
			l.servedBy(l.watch("hv2"), "hv2", "hb")
		})
	}
}

// TestTableFull fills a switch with the rules of pairs of hosts: the oldest of them go, and the viewer is served.
func TestTableFull(t *testing.T) {
	inLab(t, func(l *lab) {
		l.AddSwitch("s1", oftest.Options{DPID: 1, TableSize: 12})
		l.AddHost("hb", "10.0.0.1", "s1", 1, 10*time.Millisecond).Listen(1935)
		l.AddHost("hs", "10.0.0.2", "s1", 2, 100*time.Millisecond).Listen(1935)
		l.AddHost("hv1", "10.0.0.3", "s1", 3, 5*time.Millisecond)
		l.AddHost("hv2", "10.0.0.4", "s1", 4, 5*time.Millisecond)
		for i := range 6 {
			l.AddHost(fmt.Sprint("h", i), fmt.Sprint("10.0.1.", i+1), "s1", ofproto.Port(10+i), time.Millisecond).Listen(80)
		}
	}, func(l *lab) {
		for i := range 6 {
			l.Host(fmt.Sprint("h", i)).Dial(l.Host(fmt.Sprint("h", (i+1)%6)).IP, 80)
			l.after(2 * time.Second)
		}
		if n := len(l.Switch("s1").Flows()); n != 12 {
			l.t.Fatalf("%d rules, want the table full", n)
		}
		l.servedBy(l.watch("hv1"), "hv1", "hs") // what was refused was the peer's; by then there is room for the plain path
		l.servedBy(l.watch("hv2"), "hv2", "hb")
		l.whole()
	})
}

// TestTableFullStops has a switch be full of what never goes. A viewer is served by the node that he dialled, packet by
// packet, and the switch is not asked again for each of them.
func TestTableFullStops(t *testing.T) {
	inLab(t, func(l *lab) {
		l.AddSwitch("s1", oftest.Options{DPID: 1, TableSize: 12})
		l.AddHost("hb", "10.0.0.1", "s1", 1, 10*time.Millisecond).Listen(1935)
		l.AddHost("hs", "10.0.0.2", "s1", 2, 10*time.Millisecond).Listen(1935)
		l.AddHost("hv1", "10.0.0.3", "s1", 3, 5*time.Millisecond)
	}, func(l *lab) {
		for i := 0; l.Switch("s1").AddFlow(fmt.Sprintf("priority=65000,udp,tp_dst=%d,actions=output:9", i+1)) == nil; i++ {
		}
		one := l.watch("hv1")
		mods := l.flowMods()
		for range 400 {
			one.Write([]byte("x"))
			l.after(10 * time.Millisecond)
		}
		l.after(100 * time.Millisecond)
		if got := string(from(l.Host("hs"), l.Host("hv1"))[0].Read()); len(got) != 400 {
			l.t.Errorf("%d bytes came to the CDN, want 400", len(got))
		}
		if n := l.flowMods() - mods; n > 40 {
			l.t.Errorf("%d flow mods in four seconds to a switch that is full", n)
		}
		if l.metric("ofctl_flow_errors_total") == 0 {
			l.t.Error("nobody is told")
		}
	})
}

// TestTableFullOfOthers connects a switch that is full of somebody else's rules, which never go. When there is room again
// it gets its own.
func TestTableFullOfOthers(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		l.AddSwitch("full", oftest.Options{DPID: 7, TableSize: 10})
		l.AddHost("hv9", "10.0.0.9", "full", 9, time.Millisecond)
		l.Join("s1", 20, "full", 20, time.Millisecond)
		for i := range 10 {
			if err := l.Switch("full").AddFlow(fmt.Sprintf("priority=65000,udp,tp_dst=%d,actions=output:9", i+1)); err != nil {
				l.t.Fatal(err)
			}
		}
	}, func(l *lab) {
		del := &ofproto.FlowMod{Match: ofproto.MatchAll, Command: ofproto.FlowDelete, OutPort: 9}
		if err := l.Switch("full").Apply(del); err != nil {
			l.t.Fatal(err)
		}
		l.after(62 * time.Second)
		for _, k := range []flow.Kind{flow.KindLLDP, flow.KindARP, flow.KindService, flow.KindMiss} {
			if len(l.rules("full", k)) == 0 {
				l.t.Errorf("no %v rule on the switch that was full", k)
			}
		}
		l.after(5 * time.Second)
		l.servedBy(l.watch("hv9"), "hv9", "hb")
	})
}
