package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// refuseSessions has a switch say that it has no room for rules of sessions.
func refuseSessions(sw *oftest.Switch) {
	sw.Intercept(oftest.RefuseFlowMods(oftest.TableFull, func(m *ofproto.FlowMod) bool {
		return flow.Cookie(m.Cookie).Kind() == flow.KindSession && m.Command == ofproto.FlowAdd
	}))
}

// nobodyWatches fails the test unless nothing is counted of any session.
func (l *lab) nobodyWatches() {
	l.t.Helper()
	p := l.c.settings().peers.order[0]
	if v, k, pr, n := l.c.Peers()[0].Viewers, p.kbps.Load(), p.promised.Load(), l.metric("ofctl_sessions"); v != 0 || k != 0 || pr != 0 || n != 0 {
		l.t.Errorf("%d viewers, %d kbit/s and %d more promised at the peer, %v sessions with rules: want none", v, k, pr, n)
	}
}

// goesAfterAnHour fails the test unless nothing is counted of any session now, and none is known an hour later.
func (l *lab) goesAfterAnHour() {
	l.t.Helper()
	l.nobodyWatches()
	l.after(time.Hour)
	if n := len(l.c.Sessions()); n != 0 {
		l.t.Errorf("%d sessions an hour later", n)
	}
}

// TestClientsSwitchForgotten has a viewer's switch leave for good. He is not counted for ever, and forgotten in the end.
func TestClientsSwitchForgotten(t *testing.T) {
	inLab(t, line, func(l *lab) {
		l.watch("hv1")
		srv := from(l.Host("hb"), l.Host("hv1"))[0]
		for range 300 {
			srv.Write(make([]byte, 1000))
			l.after(100 * time.Millisecond)
		}
		keepAway(l.Switch("s1"))
		l.Host("hv1").Wire().SetLossy(true)
		l.after(70 * time.Minute)
		if s := l.session(l.Host("hv1")); s.State != "parked" {
			l.t.Errorf("%s ten minutes after its switch was forgotten", s.State)
		}
		l.goesAfterAnHour()
	})
}

// TestForgottenSwitchReturns has a viewer's switch be back after it was forgotten, with the stream still running: it is counted
// again, and goes on.
func TestForgottenSwitchReturns(t *testing.T) {
	inLab(t, line, func(l *lab) {
		c := l.watch("hv1")
		srv := from(l.Host("hb"), l.Host("hv1"))[0]
		play := func(n int, every time.Duration) {
			for range n {
				srv.Write([]byte("chunk"))
				l.after(every)
			}
		}
		back := keepAway(l.Switch("s1"))
		play(75, time.Minute)
		l.nobodyWatches()
		back()
		play(60, time.Second)
		if s := l.session(l.Host("hv1")); s.State != "active" || s.Source.Name != "hb" || l.c.Peers()[0].Viewers != 1 {
			l.t.Errorf("%s from %s, %d viewers at the peer", s.State, s.Source.Name, l.c.Peers()[0].Viewers)
		}
		play(75, time.Minute)
		l.whole()
		l.servedBy(c, "hv1", "hb")
	})
}

// TestRefusedWhenSentAgain has a switch come back empty and refuse the rules of a viewer who has gone meanwhile.
func TestRefusedWhenSentAgain(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.watch("hv1")
		refuseSessions(l.Switch("s1"))
		l.Host("hv1").Wire().SetLossy(true)
		l.Switch("s1").Restart()
		l.after(10 * time.Second)
		l.Switch("s1").Intercept(nil)
		l.after(5 * time.Minute)
		l.goesAfterAnHour()
	})
}

// TestRefusedWhilePlaying has a switch come back empty and refuse the rules of a viewer whose stream goes on: it passes packet by
// packet, and the switch is not asked again for each of them. Once there is room it has its rules.
func TestRefusedWhilePlaying(t *testing.T) {
	inLab(t, single, func(l *lab) {
		c := l.watch("hv1")
		l.servedBy(c, "hv1", "hb")
		srv := from(l.Host("hb"), l.Host("hv1"))[0]
		l.after(10 * time.Second)
		refuseSessions(l.Switch("s1"))
		l.Switch("s1").Restart()
		l.after(5 * time.Second)
		mods := l.flowMods()
		for range 100 {
			srv.Write([]byte("0123456789"))
			l.after(100 * time.Millisecond)
		}
		if n := len(c.Read()); n != 1000 {
			l.t.Errorf("the viewer got %d bytes, want 1000", n)
		}
		if n := l.flowMods() - mods; n > 50 {
			l.t.Errorf("%d flow mods in ten seconds to a switch that is full", n)
		}
		l.Switch("s1").Intercept(nil)
		l.servedBy(c, "hv1", "hb")
		if n := l.sessionRules(); n != 2 {
			l.t.Errorf("%d session rules once there is room", n)
		}
	})
}

// TestLateAdoption replaces the controller, moves a viewer, and has a switch of his old way come only then: its rules of the
// session go, and the session keeps its new way.
func TestLateAdoption(t *testing.T) {
	inLab(t, func(l *lab) { line(l); l.direct() }, func(l *lab) {
		c := l.watch("hv1")
		l.servedBy(c, "hv1", "hs")
		l.after(10 * time.Second)
		back := keepAway(l.Switch("s2"))
		l.restart()
		l.after(10 * time.Second)
		l.Host("hv1").ARP(cdnIP)
		l.after(2 * time.Second)
		l.Move("hv1", "s3", 5)
		l.after(time.Second)
		l.Host("hv1").ARP(cdnIP)
		l.after(2 * time.Second)
		if n := l.logged("session rerouted"); n != 1 {
			l.t.Fatalf("rerouted %d times", n)
		}
		back()
		l.after(10 * time.Second)
		for sw, want := range map[string]int{"s1": 0, "s2": 0, "s3": 2} {
			if n := len(l.rules(sw, flow.KindSession)); n != want {
				l.t.Errorf("%d rules on %s, want %d", n, sw, want)
			}
		}
		l.servedBy(c, "hv1", "hs")
		c.CloseWrite()
		l.after(100 * time.Millisecond)
		from(l.Host("hs"), l.Host("hv1"))[0].CloseWrite()
		l.after(10 * time.Minute)
		if n := len(l.c.Sessions()); n != 0 {
			l.t.Errorf("%d sessions after it was closed", n)
		}
	})
}
