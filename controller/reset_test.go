package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/stream"
)

// TestLateSegment has a segment of a connection that was reset come up after the RST went out: it is the end of that
// connection, not one that nobody saw begin.
func TestLateSegment(t *testing.T) {
	inLab(t, single, func(l *lab) {
		c := l.watch("hv1")
		l.servedBy(c, "hv1", "hb")
		l.c.Migrate(func(stream.Tuple) (string, bool) { return "a test", true }, time.Millisecond)
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
