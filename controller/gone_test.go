package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
)

// TestSilentMove moves a host that says nothing: to a third switch, and to that of the host that talks to it. Whoever sends to
// it is not left to send into the port it has gone from: it is looked for everywhere, and answers.
func TestSilentMove(t *testing.T) {
	for _, to := range []string{"s3", "s2"} {
		t.Run(to, func(t *testing.T) {
			inLab(t, ring, func(l *lab) {
				a, b := l.Host("a"), l.Host("b")
				a.Listen(80)
				first := b.Dial(a.IP, 80)
				l.after(time.Second)
				if !first.Established() {
					l.t.Fatalf("not connected before the move\n%s", l.dump())
				}
				l.Move("a", to, 5)
				l.after(2 * time.Second) // the switch has told of the port, and the new one is settled
				second := b.Dial(a.IP, 80)
				l.after(time.Second)
				if !second.Established() {
					l.t.Errorf("a host that moved in silence is not found\n%s", l.dump())
				}
				b.Forget()
				b.ARP(a.IP)
				l.after(time.Second)
				if _, ok := b.Knows(a.IP); !ok {
					l.t.Error("nor by its address")
				}
			})
		})
	}
}

// TestProbeOverLink has a probe of the controller's own come in at another switch, as it does over a link that is not known
// yet. It teaches nothing and goes no further.
func TestProbeOverLink(t *testing.T) {
	inLab(t, ring, func(l *lab) {
		probe := packet.ARP{Op: packet.ARPRequest, SenderMAC: probeMAC(7), TargetIP: [4]byte{10, 0, 9, 9}}
		l.Host("a").Send(packet.AppendARP(nil, probe))
		l.after(time.Second)
		if h, ok := l.c.Topology().Host(probeMAC(7)); ok {
			l.t.Errorf("a probe is taken for the host %+v", h)
		}
		for _, name := range []string{"b", "c"} {
			if got := len(l.Host(name).Frames()); got > 0 {
				l.t.Errorf("%s got it", name)
			}
		}
	})
}
