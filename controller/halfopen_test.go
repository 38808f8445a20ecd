package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestHalfOpen fills all room there is for connections that say nothing. A switch that comes then is let in all the same,
// the one that is up notices nothing, and when it is over nothing of it is left.
func TestHalfOpen(t *testing.T) {
	inLab(t, single, func(l *lab) {
		one := l.watch("hv1")
		for range maxHalfOpen + 100 {
			l.call()
		}
		late := l.AddSwitch("late", oftest.Options{DPID: 9, Ports: []ofproto.Port{1}})
		go late.Run(l.ctx, l.dial)
		l.after(time.Second)
		if _, up := l.c.datapath(9); !up {
			l.t.Error("a switch is shut out")
		}
		l.c.mu.Lock()
		if n := len(l.c.conns); n > maxHalfOpen+2 {
			l.t.Errorf("%d connections are kept, want at most %d and two switches", n, maxHalfOpen)
		}
		l.c.mu.Unlock()
		l.servedBy(one, "hv1", "hb")
		l.after(10 * time.Second)
		l.c.mu.Lock()
		if n := len(l.c.conns); n != 2 {
			l.t.Errorf("%d connections are left, want the two switches'", n)
		}
		l.c.mu.Unlock()
		if l.logged("switch down") != 0 {
			l.t.Error("a switch was lost")
		}
	})
}
