package controller

import (
	"testing"
	"time"
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
