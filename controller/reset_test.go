package controller

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
	"github.com/ofctl-live/ofctl-live/policies/direct"
)

// TestLateSegment has a segment of a connection that was reset come up after the RST went out: it is the end of that
// connection, not one that nobody saw begin.
func TestLateSegment(t *testing.T) {
	inLab(t, single, func(l *lab) {
		c := l.watch("hv1")
		l.servedBy(c, "hv1", "hb")
		l.c.Migrate(func(stream.Tuple) (string, bool) { return "a test", true }, time.Millisecond, nil)
		l.after(500 * time.Millisecond)
		if c.Established() {
			l.t.Fatal("the client was not reset")
		}
		hv1, hs := l.Host("hv1"), l.Host("hs")
		hv1.SendTCP(packet.TCP{
			SrcMAC: hv1.MAC, DstMAC: hs.MAC, SrcIP: hv1.IP, DstIP: hs.IP, SrcPort: c.Local(), DstPort: 1935, Flags: packet.ACK, Seq: 7, Ack: 8,
		})
		l.after(3 * time.Second)
		if list := l.c.Sessions(); len(list) != 0 {
			l.t.Errorf("sessions %v, want none", list)
		}
		if n := saw(hs, hv1.IP); n != 0 {
			l.t.Errorf("the CDN saw %d segments", n)
		}
		l.servedBy(l.watch("hv1"), "hv1", "hb")
	})
}

// TestResetAfterItsRules has a peer die. Its viewer is asked for the number once the switch has had the time to be rid of all that it
// made of the session's rules: Linux answers once in half a second, and the first answer must not follow them.
func TestResetAfterItsRules(t *testing.T) {
	inLab(t, single, func(l *lab) {
		c := l.watch("hv1")
		var gone, asked time.Time
		l.Switch("s1").Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
			var p packet.Peeked
			switch m := m.(type) {
			case *ofproto.FlowMod:
				if m.Command == ofproto.FlowDeleteStrict && m.Priority == flow.PrioritySession {
					gone = time.Now()
				}
			case *ofproto.PacketOut:
				if packet.Peek(m.Data, &p) == nil && p.DstIP == l.Host("hv1").IP && p.TCPFlags == packet.SYN && asked.IsZero() {
					asked = time.Now()
				}
			}
			return v
		})
		l.Host("hb").Wire().SetUp(false)
		l.after(500 * time.Millisecond)
		if after := asked.Sub(gone); gone.IsZero() || after < 50*time.Millisecond || after > 200*time.Millisecond {
			l.t.Errorf("asked %v after the rules were deleted", after)
		}
		if c.Established() {
			l.t.Error("the client was not reset")
		}
	})
}

// TestResetWhileItBegins has a session's source die between the decision and the rules: none are sent any more, and the
// client is made to give up.
func TestResetWhileItBegins(t *testing.T) {
	inLab(t, single, func(l *lab) {
		c := l.watch("hv1")
		l.servedBy(c, "hv1", "hb")
		for _, s := range l.c.sessions.All {
			plan := s.plan
			s.reset("a test")
			s.install(plan, nil)
		}
		l.after(50 * time.Millisecond)
		if n := l.sessionRules(); n != 0 {
			l.t.Errorf("%d rules of a session that is being reset", n)
		}
		l.after(3 * time.Second)
		if c.Established() {
			l.t.Error("the client was not reset")
		}
	})
}

// TestChangesFitTheRoom asks what would move to a peer with room for fewer than those who watch, and away from it: no more
// are named than it can take, and a place that is left is another's.
func TestChangesFitTheRoom(t *testing.T) {
	var bypass Policy
	inLab(t, func(l *lab) { single(l); bypass = l.o.Policy; l.direct(); l.o.Peers[0].MaxViewers = 3 }, func(l *lab) {
		for range 4 {
			l.watch("hv1")
			l.watch("hv2")
		}
		bypassing := l.c.Settings()
		bypassing.Policy = bypass
		list := l.c.Changes(bypassing)
		if len(list) != 3 || slices.ContainsFunc(list, func(c Change) bool { return c.From != stream.CDN || c.To != "hb" }) {
			l.t.Errorf("%v, want three to hb", list)
		}
		l.c.Set(bypassing)
		for range 5 {
			l.watch("hv1")
		}
		if n := l.c.Peers()[0].Viewers; n != 3 {
			l.t.Fatalf("%d viewers at the peer", n)
		}
		if list := l.c.Changes(bypassing); len(list) != 0 {
			l.t.Errorf("%v of a full peer, want nobody to move", list)
		}
		less := bypassing
		less.Peers = slices.Clone(less.Peers)
		less.Peers[0].MaxViewers = 1
		if list := l.c.Changes(less); len(list) != 2 {
			l.t.Errorf("%v, want two to leave a peer of one place", list)
		}
	})
}

// TestChangesAfterRestart asks what would move once the daemon was restarted under a viewer, who plays on and of whom nothing comes up:
// to the CDN he does, and by the policy that he was decided by he does not.
func TestChangesAfterRestart(t *testing.T) {
	for _, nearest := range []string{"hb", "hs"} {
		t.Run(nearest, func(t *testing.T) {
			inLab(t, func(l *lab) {
				delay := map[string]time.Duration{"hb": 50 * time.Millisecond, "hs": 50 * time.Millisecond}
				delay[nearest] = 5 * time.Millisecond
				l.AddSwitch("s1", oftest.Options{DPID: 1})
				l.AddHost("hb", "10.0.0.1", "s1", 1, delay["hb"]).Listen(1935)
				l.AddHost("hs", "10.0.0.2", "s1", 2, delay["hs"]).Listen(1935)
				l.AddHost("hv1", "10.0.0.3", "s1", 3, 5*time.Millisecond)
			}, func(l *lab) {
				v := l.watch("hv1")
				l.servedBy(v, "hv1", nearest)
				l.restart()
				l.settle()
				l.servedBy(v, "hv1", nearest)
				s := l.c.Settings()
				if list := l.c.Changes(s); len(list) != 0 {
					l.t.Errorf("by the same policy would move %+v", list)
				}
				s.Policy = direct.Policy{}
				want := 0
				if nearest == "hb" {
					want = 1
				}
				if list := l.c.Changes(s); len(list) != want {
					l.t.Errorf("to the CDN would move %+v, want %d", list, want)
				}
			})
		})
	}
}

// TestPublisherStays has a client publish to the CDN: it is not named as one that would move to a peer that takes no
// publishers, also where the publisher is remembered by its address alone, and a viewer is.
func TestPublisherStays(t *testing.T) {
	var bypass Policy
	inLab(t, func(l *lab) { single(l); bypass = l.o.Policy; l.direct() }, func(l *lab) {
		l.watch("hv1").Write(publishing(l.t))
		l.watch("hv2")
		l.after(time.Second)
		if s := l.session(l.Host("hv1")); s.Intent == nil || !s.Intent.Publish {
			l.t.Fatalf("hv1 wants %v", s.Intent)
		}
		l.watch("hv1")
		next := l.c.Settings()
		next.Policy = bypass
		if list := l.c.Changes(next); len(list) != 1 || list[0].Client != l.Host("hv2").IP {
			l.t.Errorf("%v, want hv2 alone", list)
		}
		next.Peers = slices.Clone(next.Peers)
		next.Peers[0].Ingest = true
		if list := l.c.Changes(next); len(list) != 3 {
			l.t.Errorf("%v, want all three where the peer takes publishers", list)
		}
	})
}

// TestMigrationIsGivenUp has the settings replaced while sessions are being reset for those before: the rest stay as they
// are. A peer that registers meanwhile is no reason.
func TestMigrationIsGivenUp(t *testing.T) {
	inLab(t, single, func(l *lab) {
		var viewers []*oftest.Conn
		for range 5 {
			viewers = append(viewers, l.watch("hv1"))
		}
		standing := func() (n int) {
			for _, v := range viewers {
				if v.Established() {
					n++
				}
			}
			return n
		}
		replaced := l.c.Set(l.c.Settings())
		done := make(chan struct{})
		go func() {
			l.c.Migrate(func(stream.Tuple) (string, bool) { return "a test", true }, 10*time.Second, replaced)
			close(done)
		}()
		l.after(5 * time.Second)
		l.c.refresh()
		l.after(10 * time.Second)
		if n := standing(); n != 3 {
			l.t.Fatalf("%d connections stand after 15 s, want two of five reset", n)
		}
		l.c.Set(l.c.Settings())
		l.after(time.Millisecond)
		select {
		case <-done:
		default:
			l.t.Error("the migration goes on")
		}
		l.after(time.Minute)
		if n := standing(); n != 3 {
			l.t.Errorf("%d connections stand, want the three that did", n)
		}
	})
}

// TestResetOfFormerPeer ends the session of a paused viewer who dialled a peer that has left, and of which nothing is kept any
// more: the series that counts it is not kept for ever either.
func TestResetOfFormerPeer(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.Host("hv1").Dial(peerIP, 1935)
		l.after(time.Second)
		s := l.c.Settings()
		s.Peers = nil
		l.c.Set(s)
		l.after(4 * time.Minute)
		series := func() int { return testutil.CollectAndCount(l.c.metrics.resets) }
		if n := series(); n != 0 || l.session(l.Host("hv1")).State != "parked" {
			l.t.Fatalf("%d series before", n)
		}
		l.c.Migrate(func(stream.Tuple) (string, bool) { return "it moves", true }, time.Millisecond, nil)
		if n := series(); n != 1 {
			l.t.Errorf("%d series as it is reset, want 1", n)
		}
		l.after(2 * l.c.o.AuditInterval)
		if n := series(); n != 0 {
			l.t.Errorf("%d series long after", n)
		}
	})
}

// TestHalfClosedAtPeersDeath has one end close, and the peer die while the other may wait for more: the viewer is reset, and
// nothing leads to the dead peer. That is counted as one end, as it is for a connection that both have closed.
func TestHalfClosedAtPeersDeath(t *testing.T) {
	for name, who := range map[string]struct{ viewer, peer bool }{"viewer": {viewer: true}, "peer": {peer: true}, "both": {true, true}} {
		t.Run(name, func(t *testing.T) {
			inLab(t, single, func(l *lab) {
				v := l.watch("hv1")
				l.servedBy(v, "hv1", "hb")
				if who.viewer {
					v.CloseWrite()
				}
				if who.peer {
					l.atPeer("hv1").CloseWrite()
				}
				l.after(8 * time.Second)
				if n := l.series("ofctl_session_ends_total", map[string]string{"reason": "finished"}); n != 1 {
					l.t.Fatalf("%v sessions are finished, want 1", n)
				}
				l.Host("hb").Wire().SetUp(false)
				l.after(3 * time.Second)
				if v.State() != oftest.Reset {
					l.t.Errorf("the viewer is not reset: %v", v.State())
				}
				if n := l.sessionRules(); n != 0 {
					l.t.Errorf("%d rules lead to the dead peer", n)
				}
				if n := l.metric("ofctl_session_resets_total"); n != 0 || l.logged("session reset") != 0 {
					l.t.Errorf("%v resets are counted", n)
				}
				for _, s := range l.c.sessions.All {
					l.t.Errorf("a session is remembered: %v", s.state)
				}
			})
		})
	}
}

// TestClosedWhileAway has connections be closed, their client's switch go away and their peer die: none is shown as one that is being
// reset for as long as the switch is away, and the end of each is told once.
func TestClosedWhileAway(t *testing.T) {
	inLab(t, line, func(l *lab) {
		for range 5 {
			v := l.watch("hv1")
			v.CloseWrite()
			l.atPeer("hv1").CloseWrite()
		}
		l.after(10 * time.Second)
		back := keepAway(l.Switch("s1"))
		l.after(time.Second)
		l.Host("hb").Wire().SetUp(false)
		l.after(10 * time.Second)
		if list := l.c.Sessions(); len(list) != 0 {
			l.t.Errorf("%d are shown, the first as %s", len(list), list[0].State)
		}
		back()
		l.after(10 * time.Minute)
		if n := l.logged("session ended"); n != 5 {
			l.t.Errorf("the end of 5 is told %d times", n)
		}
	})
}

// TestEndIsToldOnce has a connection be closed, and be forgotten later.
func TestEndIsToldOnce(t *testing.T) {
	inLab(t, single, func(l *lab) {
		v := l.watch("hv1")
		v.CloseWrite()
		l.atPeer("hv1").CloseWrite()
		l.after(10 * time.Minute)
		for range l.c.sessions.All {
			l.t.Error("it is remembered")
		}
		if n := l.logged("session ended"); n != 1 {
			l.t.Errorf("told %d times", n)
		}
	})
}

// TestHangUpSpaced has a peer die after a connection with it was closed: its client is asked for its number several times, and so
// far apart that a kernel which has just answered somebody answers one of them.
func TestHangUpSpaced(t *testing.T) {
	inLab(t, single, func(l *lab) {
		v := l.watch("hv1")
		l.servedBy(v, "hv1", "hb")
		l.after(10 * time.Second)
		for _, s := range l.c.sessionsWhere(func(*session) bool { return true }) {
			s.finish()
		}
		l.Host("hv1").SetSilent(true)
		var mu sync.Mutex
		var asked []time.Time
		l.Switch("s1").Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
			var p packet.Peeked
			if out, ok := m.(*ofproto.PacketOut); ok && packet.Peek(out.Data, &p) == nil && p.TCPFlags == packet.SYN && p.DstIP == l.Host("hv1").IP {
				mu.Lock()
				asked = append(asked, time.Now())
				mu.Unlock()
			}
			return v
		})
		l.Host("hb").Wire().SetUp(false)
		l.after(10 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if len(asked) != hangUpTries {
			l.t.Fatalf("asked %d times, want %d", len(asked), hangUpTries)
		}
		for i, at := range asked[1:] {
			if gap := at.Sub(asked[i]); gap <= 500*time.Millisecond {
				l.t.Errorf("%v between two questions", gap)
			}
		}
	})
}
