package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/policies/direct"
)

// TestParkedViewer pauses for so long that its rules expire, while the policy changes and the peer fills up. When it
// wakes it goes on with the peer that has its connection.
func TestParkedViewer(t *testing.T) {
	for _, build := range []func(*lab){single, line} {
		inLab(t, func(l *lab) { build(l); l.o.Peers[0].MaxViewers = 1 }, func(l *lab) {
			one := l.watch("hv1")
			l.after(4 * time.Minute)
			if n := l.sessionRules(); n != 1 {
				l.t.Fatalf("%d session rules after 4 minutes of silence, want the way back only\n%s", n, l.dump())
			}
			if l.metric("ofctl_sessions") != 0 {
				l.t.Errorf("%v sessions with rules", l.metric("ofctl_sessions"))
			}
			l.servedBy(l.watch("hv2"), "hv2", "hb") // takes the only place
			s := l.c.Settings()
			s.Policy = direct.Policy{}
			l.c.Set(s)
			l.servedBy(one, "hv1", "hb")
			if n := l.c.Peers()[0].Viewers; n != 2 {
				l.t.Errorf("%d viewers at the peer, want both", n)
			}
		})
	}
}

// TestServerWakesFirst has the peer end a long silence: the viewer must not see the peer's own address, which it would
// answer with a reset.
func TestServerWakesFirst(t *testing.T) {
	for _, build := range []func(*lab){single, line} {
		inLab(t, build, func(l *lab) {
			one := l.watch("hv1")
			l.after(4 * time.Minute)
			l.Host("hb").Dial(l.Host("hv1").IP, 80) // other traffic between the two, for which there are rules then
			l.after(time.Second)
			l.Host("hv1").Frames()
			from(l.Host("hb"), l.Host("hv1"))[0].Write([]byte("good morning"))
			l.after(time.Second)
			if n := saw(l.Host("hv1"), peerIP); n != 0 {
				l.t.Errorf("the viewer saw %d segments of the peer's address", n)
			}
			if got := string(one.Read()); got != "good morning" {
				l.t.Errorf("the viewer got %q", got)
			}
			l.servedBy(one, "hv1", "hb")
		})
	}
}

// TestWakesWhileSwitchIsAway has a viewer wake while one of the switches on its way cannot be told. It waits for that: nobody
// but its peer could go on with its connection.
func TestWakesWhileSwitchIsAway(t *testing.T) {
	inLab(t, line, func(l *lab) {
		one := l.watch("hv1")
		l.after(4 * time.Minute)
		back := keepAway(l.Switch("s2"))
		l.after(time.Second)
		one.Write(nil)
		l.after(time.Second)
		back()
		l.after(2 * time.Second)
		if n := saw(l.Host("hs"), l.Host("hv1").IP); n != 0 {
			l.t.Errorf("the CDN saw %d segments of the peer's connection", n)
		}
		l.servedBy(one, "hv1", "hb")
		l.whole()
	})
}

// TestNewConnectionFromTheSamePort dials again from a port whose session is parked: that is a new connection, decided anew.
func TestNewConnectionFromTheSamePort(t *testing.T) {
	inLab(t, single, func(l *lab) {
		one := l.watch("hv1")
		l.after(4 * time.Minute)
		s := l.c.Settings()
		s.Policy = direct.Policy{}
		l.c.Set(s)
		v := l.Host("hv1")
		v.SendTCP(packet.TCP{DstIP: cdnIP, SrcPort: one.Local(), DstPort: 1935, Seq: 77, Flags: packet.SYN, Window: 1000})
		l.after(time.Second)
		if s := l.session(v); s.Source.Name != "cdn" || s.ISN != 77 || len(l.c.Sessions()) != 1 {
			l.t.Errorf("%s from %+v: %s", s.State, s.Source, s.Reason)
		}
		if n := len(from(l.Host("hs"), v)); n != 1 {
			l.t.Errorf("%d connections at the CDN, want 1", n)
		}
		if n := l.c.Peers()[0].Viewers; n != 0 {
			l.t.Errorf("%d viewers at the peer", n)
		}
	})
}

// TestUnknownConnection sends a segment of a connection that nobody here saw begin: it reaches the CDN, never the peer.
func TestUnknownConnection(t *testing.T) {
	for _, build := range []func(*lab){single, line} {
		inLab(t, build, func(l *lab) {
			v := l.Host("hv1")
			v.SendTCP(packet.TCP{DstIP: cdnIP, SrcPort: 45000, DstPort: 1935, Seq: 1, Ack: 1, Flags: packet.ACK, Window: 1000})
			l.after(time.Second)
			if n := saw(l.Host("hs"), v.IP); n != 1 {
				l.t.Errorf("the CDN saw %d segments, want 1\n%s", n, l.dump())
			}
			if n := saw(l.Host("hb"), v.IP); n != 0 {
				l.t.Errorf("the peer saw %d segments", n)
			}
			if n := saw(v, cdnIP); n != 1 {
				l.t.Errorf("the viewer saw %d answers, want the CDN's reset", n)
			}
		})
	}
}

// TestForgotten has a session end for good after an hour of silence.
func TestForgotten(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.watch("hv1")
		l.after(62 * time.Minute)
		if len(l.c.Sessions()) != 1 {
			l.t.Error("forgotten too early")
		}
		l.after(4 * time.Minute)
		if n := len(l.c.Sessions()); n != 0 {
			l.t.Errorf("%d sessions after more than an hour", n)
		}
		if n := len(l.rules("s1", flow.KindSession)); n != 0 {
			l.t.Errorf("%d rules", n)
		}
	})
}
