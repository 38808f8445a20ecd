package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// keepAway ends a switch's connection, and has it say no more than HELLO on any other until it may come back. Each lasts as long as
// a handshake may, so that there are few of them in an hour.
func keepAway(sw *oftest.Switch) (back func()) {
	sw.Intercept(func(int, uint32, ofproto.Message) oftest.Verdict { return oftest.Verdict{Do: oftest.Swallow} })
	sw.Disconnect()
	return func() {
		sw.Intercept(nil)
		sw.Disconnect()
	}
}

// replaced has the controller replaced by one that knows nothing, and something happen while none is there.
func (l *lab) replaced(meanwhile func()) {
	l.stop()
	meanwhile()
	l.after(time.Second)
	l.start()
	l.after(200 * time.Millisecond)
}

// TestPeerDiesUnseen has a peer die while no daemon is there: the next one resets its viewers, which say nothing by
// themselves, unless it is to leave them waiting.
func TestPeerDiesUnseen(t *testing.T) {
	for name, die := range map[string]func(*lab){
		"port down": func(l *lab) { l.Host("hb").Wire().SetUp(false) },
		"silent":    func(l *lab) { l.Host("hb").SetSilent(true) },
	} {
		for _, keep := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				inLab(t, func(l *lab) { line(l); l.o.KeepOrphans = keep }, func(l *lab) {
					v := l.watch("hv1")
					l.servedBy(v, "hv1", "hb")
					l.replaced(func() { die(l) })
					l.after(20 * time.Second)
					if reset := v.State() == oftest.Reset; reset == keep {
						l.t.Errorf("orphans kept: %v, the viewer is reset: %v\n%s", keep, reset, l.dump())
					}
				})
			})
		}
	}
}

// TestPeerNotSeenYet restarts the daemon while the peer's switch is not connected, and its port on the next switch looks like
// a host's: the peer is not taken for dead, and its viewer watches on.
func TestPeerNotSeenYet(t *testing.T) {
	inLab(t, line, func(l *lab) {
		v := l.watch("hv1")
		l.servedBy(v, "hv1", "hb")
		served := from(l.Host("hb"), l.Host("hv1"))[0]
		l.after(time.Second) // and not in the middle of a probe
		back := func() {}
		l.replaced(func() { back = keepAway(l.Switch("s2")) })
		for range 120 {
			served.Write([]byte("frame"))
			l.after(500 * time.Millisecond)
		}
		v.Read()
		if p := l.c.Peers()[0]; p.Why != unprobed.why {
			l.t.Errorf("the peer is taken for dead: %s", p.Why)
		}
		back()
		l.after(20 * time.Second)
		l.servedBy(v, "hv1", "hb")
	})
}

// TestAdoptedAfterDeath has a viewer's switch be away from before a restart until after the peer's death: he is reset as it
// comes back, and so are the rules of his session on the other switches.
func TestAdoptedAfterDeath(t *testing.T) {
	inLab(t, line, func(l *lab) {
		v := l.watch("hv1")
		l.servedBy(v, "hv1", "hb")
		back := func() {}
		l.replaced(func() { back = keepAway(l.Switch("s1")) })
		l.after(5 * time.Second)
		l.Host("hb").Wire().SetUp(false)
		l.after(time.Second)
		if p := l.c.Peers()[0]; p.Healthy {
			l.t.Fatal("the peer is well")
		}
		back()
		l.after(20 * time.Second)
		if v.State() != oftest.Reset {
			l.t.Errorf("the viewer is not reset: %v\n%s", v.State(), l.dump())
		}
		if n := l.sessionRules(); n != 0 {
			l.t.Errorf("%d rules are left", n)
		}
	})
}

// TestPeerDiesWhileViewersSwitchIsAway has a viewer's switch lose the daemon, the peer die, and the switch come back: the viewer
// is reset then. One whose switch never comes back is not remembered for ever.
func TestPeerDiesWhileViewersSwitchIsAway(t *testing.T) {
	inLab(t, line, func(l *lab) {
		v := l.watch("hv1")
		l.servedBy(v, "hv1", "hb")
		back := keepAway(l.Switch("s1"))
		l.after(time.Second)
		l.Host("hb").Wire().SetUp(false)
		l.after(10 * time.Minute)
		back()
		l.after(20 * time.Second)
		if v.State() != oftest.Reset {
			l.t.Errorf("the viewer is not reset: %v\n%s", v.State(), l.dump())
		}
	})
	inLab(t, line, func(l *lab) {
		l.servedBy(l.watch("hv1"), "hv1", "hb")
		keepAway(l.Switch("s1"))
		l.after(time.Second)
		l.Host("hb").Wire().SetUp(false)
		l.after(switchMemory - time.Minute)
		if n := len(l.c.Sessions()); n != 1 {
			l.t.Errorf("%d sessions before the switch is forgotten, want 1", n)
		}
		l.after(3 * time.Minute)
		if n := l.c.sessions.Len(); n != 0 {
			l.t.Errorf("%d sessions after, want none", n)
		}
	})
}

// TestAdoptedAfterReset has a session of an earlier run be reset while another switch of its way is away: what that has of it goes
// as it comes back, during the reset and after it.
func TestAdoptedAfterReset(t *testing.T) {
	for _, away := range []time.Duration{300 * time.Millisecond, 10 * time.Second} {
		inLab(t, line, func(l *lab) {
			v := l.watch("hv1")
			l.servedBy(v, "hv1", "hb")
			back := func() {}
			l.replaced(func() { back = keepAway(l.Switch("s2")) })
			l.after(2 * time.Second)
			if s := l.session(l.Host("hv1")); s.State != active.String() {
				l.t.Fatalf("the session is %s", s.State)
			}
			l.c.Migrate(func(stream.Tuple) (string, bool) { return "a test", true }, time.Millisecond, nil)
			l.after(away)
			if n := len(l.rules("s2", flow.KindSession)); n != 2 {
				l.t.Fatalf("%d rules on the switch that is away, want 2", n)
			}
			back()
			l.after(5 * time.Second)
			if n := l.sessionRules(); n != 0 {
				l.t.Errorf("after %v, %d rules are left\n%s", away, n, l.dump())
			}
		})
	}
}
