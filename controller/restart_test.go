package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

const (
	foreignRule = "cookie=0x77,priority=31000,udp,tp_dst=7777,actions=output:1"
	ourRule     = "cookie=0x0f1e070012345678,priority=40000,tcp,nw_src=9.9.9.9,actions=output:1" // a session's, that nobody knows
)

// cookies lists the cookies of a switch's entries.
func cookies(sw *oftest.Switch) (list []uint64) {
	for _, f := range sw.Flows() {
		list = append(list, f.Cookie)
	}
	return list
}

// TestReconnect drops the connections to all switches while viewers watch. Where nothing differs, nothing is sent.
func TestReconnect(t *testing.T) {
	inLab(t, line, func(l *lab) {
		one := l.watch("hv1")
		l.servedBy(one, "hv1", "hb")
		l.watch("hb")
		if err := l.Switch("s2").AddFlow(foreignRule); err != nil {
			l.t.Fatal(err)
		}
		mods := l.flowMods()
		for _, sw := range l.Switches() {
			sw.Disconnect()
		}
		one.Write([]byte("meanwhile "))
		l.after(time.Second)
		if n := l.logged("switch up"); n != 6 {
			l.t.Fatalf("%d times up, want 6", n)
		}
		if n := l.flowMods() - mods; n != 0 {
			l.t.Errorf("%d flow mods although nothing differs", n)
		}
		if got := string(from(l.Host("hb"), l.Host("hv1"))[0].Read()); got != "meanwhile " {
			l.t.Errorf("the peer got %q", got)
		}
		l.servedBy(one, "hv1", "hb")
	})
}

// TestReconnectDifference changes the tables while the controller is not there: what is missing comes back, what nobody
// wished for goes, and what is not ours stays.
func TestReconnectDifference(t *testing.T) {
	inLab(t, single, func(l *lab) {
		one := l.watch("hv1")
		l.servedBy(one, "hv1", "hb")
		sw := l.Switch("s1")
		l.stopped(func() {
			for _, f := range l.rules("s1", flow.KindSession)[:1] {
				mod := &ofproto.FlowMod{Match: f.Match, Priority: f.Priority, Command: ofproto.FlowDeleteStrict, OutPort: ofproto.PortNone}
				if err := sw.Apply(mod); err != nil {
					l.t.Fatal(err)
				}
			}
			for _, text := range []string{foreignRule, ourRule} {
				if err := sw.AddFlow(text); err != nil {
					l.t.Fatal(err)
				}
			}
		})
		if c := cookies(sw); !slices.Contains(c, 0x77) || slices.Contains(c, 0x0f1e070012345678) {
			l.t.Errorf("cookies %x: want the foreign one and not the one that is ours", c)
		}
		if n := len(l.rules("s1", flow.KindSession)); n != 2 {
			l.t.Errorf("%d session rules, want 2", n)
		}
		l.servedBy(one, "hv1", "hb")
	})
}

// stopped does something while no switch reaches the controller.
func (l *lab) stopped(do func()) {
	l.mu.Lock()
	at := l.listener
	l.listener = &pipes{closed: make(chan struct{})}
	_ = l.listener.Close()
	l.mu.Unlock()
	for _, sw := range l.Switches() {
		sw.Disconnect()
	}
	l.after(time.Second)
	do()
	l.mu.Lock()
	l.listener = at
	l.mu.Unlock()
	l.after(time.Second)
}

// TestSwitchRestart empties a switch's table, as a restart of it does. The stream goes on as soon as it is connected again,
// and no segment of the peer's slips through to the viewer before.
func TestSwitchRestart(t *testing.T) {
	for _, build := range []func(*lab){single, line} {
		inLab(t, build, func(l *lab) {
			one := l.watch("hv1")
			l.servedBy(one, "hv1", "hb")
			server := from(l.Host("hb"), l.Host("hv1"))[0]
			l.Host("hv1").Frames()
			var low, high time.Time // when the first rule to the controller came, and the last of the session
			l.Switch("s1").Intercept(func(_ int, _ uint32, m ofproto.Message) oftest.Verdict {
				if mod, ok := m.(*ofproto.FlowMod); ok {
					time.Sleep(10 * time.Millisecond) // slow, so that traffic comes between any two
					server.Write([]byte("x"))
					if k := flow.Cookie(mod.Cookie).Kind(); k == flow.KindMiss || k == flow.KindARP {
						low = time.Now()
					} else if k == flow.KindSession && (high.IsZero() || mod.Command == ofproto.FlowAdd) {
						high = time.Now()
					}
				}
				return oftest.Verdict{}
			})
			for _, sw := range l.Switches() {
				sw.Restart()
			}
			l.after(2 * time.Second)
			l.Switch("s1").Intercept(nil)
			if !high.Before(low) {
				l.t.Error("what is not matched came up before the sessions were back")
			}
			if n := saw(l.Host("hv1"), peerIP); n != 0 {
				l.t.Errorf("the viewer saw %d segments of the peer's address", n)
			}
			if n := l.sessionRules(); n != 2*len(l.path()) {
				l.t.Errorf("%d session rules on %d switches, want both ways on each", n, len(l.path()))
			}
			if one.State() != oftest.Established {
				l.t.Errorf("state %v", one.State())
			}
		})
	}
}

// path is the switches between the viewers and the peer.
func (l *lab) path() []*oftest.Switch {
	all := l.Switches()
	return all[:min(len(all), 2)]
}

// TestRestart replaces the controller while viewers watch: their sessions are known again, none of their rules is
// touched, and a new viewer is served within a second.
func TestRestart(t *testing.T) {
	for _, policy := range []string{"direct", "bypass"} {
		for _, build := range []func(*lab){single, line} {
			t.Run(policy, func(t *testing.T) {
				server := "hb"
				inLab(t, func(l *lab) {
					build(l)
					if policy == "direct" {
						l.direct()
						server = "hs"
					}
				}, func(l *lab) {
					one := l.watch("hv1")
					l.servedBy(one, "hv1", server)
					for _, sw := range l.Switches() {
						sw.Intercept(func(_ int, _ uint32, m ofproto.Message) oftest.Verdict {
							if mod, ok := m.(*ofproto.FlowMod); ok && flow.Cookie(mod.Cookie).Kind() == flow.KindSession {
								l.t.Errorf("a session's rule is sent again: %v", mod)
							}
							return oftest.Verdict{}
						})
					}
					count := l.sessionRules()
					l.stop()
					one.Write([]byte("meanwhile "))
					l.restart()
					l.after(time.Second)
					for _, sw := range l.Switches() {
						sw.Intercept(nil)
					}
					if n := l.sessionRules(); n != count {
						l.t.Errorf("%d session rules, want %d as before", n, count)
					}
					s := l.session(l.Host("hv1"))
					if s.State != "active" || s.Source.Address != l.Host(server).IP || s.Tuple.Service != cdnIP || s.ClientPort != one.Local() {
						l.t.Errorf("%s from %+v: %s", s.State, s.Source, s.Reason)
					}
					if got, want := l.c.Peers()[0].Viewers, map[string]int{"hb": 1}[server]; got != want {
						l.t.Errorf("%d viewers at the peer, want %d", got, want)
					}
					if got := string(from(l.Host(server), l.Host("hv1"))[0].Read()); got != "meanwhile " {
						l.t.Errorf("%s got %q", server, got)
					}
					l.servedBy(one, "hv1", server)
					l.servedBy(l.watch("hv2"), "hv2", server)
				})
			})
		}
	}
}

// TestRestartOfParked replaces the controller while a viewer pauses: it still has its peer when it wakes.
func TestRestartOfParked(t *testing.T) {
	inLab(t, line, func(l *lab) {
		one := l.watch("hv1")
		l.after(4 * time.Minute)
		l.restart()
		l.settle()
		if s := l.session(l.Host("hv1")); s.State != "parked" || s.Source.Name != "hb" {
			l.t.Errorf("%s from %+v: %s", s.State, s.Source, s.Reason)
		}
		l.servedBy(one, "hv1", "hb")
		if n := l.c.Peers()[0].Viewers; n != 1 {
			l.t.Errorf("%d viewers at the peer, want 1", n)
		}
	})
}

// TestRestartParks lets a session of an earlier run fall silent, and wake.
func TestRestartParks(t *testing.T) {
	for _, build := range []func(*lab){single, line} {
		inLab(t, build, func(l *lab) {
			one := l.watch("hv1")
			l.restart()
			l.after(4 * time.Minute)
			if s := l.session(l.Host("hv1")); s.State != "parked" {
				l.t.Errorf("%s from %+v: %s", s.State, s.Source, s.Reason)
			}
			l.servedBy(one, "hv1", "hb")
			if n := l.metric("ofctl_decisions_total"); n != 0 {
				l.t.Errorf("%v decisions by a controller that has made none", n)
			}
		})
	}
}

// TestDeletedRule has somebody else delete the rules of a running session: they are put back at once.
func TestDeletedRule(t *testing.T) {
	inLab(t, line, func(l *lab) {
		one := l.watch("hv1")
		for _, sw := range l.path() {
			for _, f := range sw.Flows() {
				if flow.Cookie(f.Cookie).Kind() == flow.KindSession {
					mod := &ofproto.FlowMod{Match: f.Match, Priority: f.Priority, Command: ofproto.FlowDeleteStrict, OutPort: ofproto.PortNone}
					if err := sw.Apply(mod); err != nil {
						l.t.Fatal(err)
					}
				}
			}
		}
		l.after(10 * time.Millisecond)
		if n := l.sessionRules(); n != 4 {
			l.t.Errorf("%d session rules, want 4", n)
		}
		l.servedBy(one, "hv1", "hb")
	})
}

// TestAudit changes tables in ways of which no switch tells. A minute later all is as it should be, and what is not ours
// is as it was.
func TestAudit(t *testing.T) {
	inLab(t, single, func(l *lab) {
		one := l.watch("hv1")
		sw := l.Switch("s1")
		base := l.rules("s1", flow.KindService)[0]
		del := &ofproto.FlowMod{Match: base.Match, Priority: base.Priority, Command: ofproto.FlowDeleteStrict, OutPort: ofproto.PortNone}
		change := &ofproto.FlowMod{
			Match: l.rules("s1", flow.KindARP)[0].Match, Priority: flow.PriorityARP, Command: ofproto.FlowModifyStrict,
			OutPort: ofproto.PortNone, BufferID: ofproto.NoBuffer, Cookie: uint64(flow.NewCookie(flow.KindARP, 0)),
		}
		for _, mod := range []*ofproto.FlowMod{del, change} {
			if err := sw.Apply(mod); err != nil {
				l.t.Fatal(err)
			}
		}
		for _, text := range []string{foreignRule, ourRule} {
			if err := sw.AddFlow(text); err != nil {
				l.t.Fatal(err)
			}
		}
		mods := l.flowMods()
		l.after(61 * time.Second)
		if n := l.flowMods() - mods; n != 3 {
			l.t.Errorf("%d flow mods, want 3", n)
		}
		if len(l.rules("s1", flow.KindService)) != 2 || len(l.rules("s1", flow.KindARP)[0].Actions) != 1 {
			l.t.Errorf("not repaired:\n%s", l.dump())
		}
		if c := cookies(sw); !slices.Contains(c, 0x77) || slices.Contains(c, 0x0f1e070012345678) {
			l.t.Errorf("cookies %x: want the foreign one and not the one that is ours", c)
		}
		mods = l.flowMods()
		l.after(3 * time.Minute)
		if n := l.flowMods() - mods; n != 0 {
			l.t.Errorf("%d flow mods by audits that have nothing to repair", n)
		}
		if l.metric("ofctl_audit_repairs_total") != 3 {
			l.t.Errorf("%v repairs counted", l.metric("ofctl_audit_repairs_total"))
		}
		one.Write([]byte("x"))
		l.servedBy(one, "hv1", "hb")
	})
}
