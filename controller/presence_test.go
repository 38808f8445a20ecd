package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestPresence has the daemon there, away, behind for a while, and there again.
func TestPresence(t *testing.T) {
	begin := time.Now().Add(-time.Hour)
	p := newPresence(begin)
	real, shown := begin, time.Duration(0)
	for _, tt := range []struct {
		name string
		took time.Duration // between two beats
		n    int
		want time.Duration // that the clock goes on
	}{
		{"there", beatEvery, 50, 5 * time.Second},
		{"stopped", 20 * time.Second, 1, beatMost},
		{"there again", beatEvery, 10, time.Second},
		{"a little late", beatEvery + 80*time.Millisecond, 10, 1800 * time.Millisecond},
		{"starved", time.Second, 10, 10 * beatMost},
	} {
		for range tt.n {
			real = real.Add(tt.took)
			p.last.Store(&beat{real, p.at(real)})
		}
		shown += tt.want
		if got := p.at(real).Sub(begin); got != shown {
			t.Fatalf("%s: the clock shows %v, want %v", tt.name, got, shown)
		}
	}
	if got := p.at(real.Add(beatEvery)).Sub(begin); got != shown+beatEvery {
		t.Errorf("between two beats it shows %v, want %v", got, shown+beatEvery)
	}
	if got := p.at(real.Add(time.Hour)).Sub(begin); got != shown+beatMost {
		t.Errorf("an hour after the last beat it shows %v, want %v", got, shown+beatMost)
	}
	if got := p.at(real.Add(-time.Second)).Sub(begin); got != shown {
		t.Errorf("of a moment before the last beat it shows %v, want %v", got, shown)
	}
	p.beat(begin)
	if got := p.at(time.Now()).Sub(begin); got < shown+beatMost || got > shown+2*beatMost {
		t.Errorf("after a beat much later it shows %v, want %v", got, shown+beatMost)
	}
}

// away has the daemon be away for a time: it reads nothing of what the switches say, and its presence stands still.
func (l *lab) away(d time.Duration) {
	p := l.c.present
	p.last.Store(&beat{time.Now().Add(d), p.now()})
	l.atOnce(func() { l.after(d) })
}

// TestAway has the daemon be away for twenty seconds. What was silent to it meanwhile was not dead: no switch is given up, no
// link is lost, no peer is unwell, and no viewer notices. What really falls silent later is given up in its time.
func TestAway(t *testing.T) {
	inLab(t, line, func(l *lab) {
		one := l.watch("hv1")
		l.servedBy(one, "hv1", "hb")
		second := oftest.NewSwitch(oftest.Options{DPID: 1, Ports: []ofproto.Port{1, 2}})
		slow := oftest.NewSwitch(oftest.Options{DPID: 9, Ports: []ofproto.Port{1}})
		slow.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
			if m.Type() == ofproto.TypeFeaturesRequest {
				v.Delay = 15 * time.Second // as if it were not read before
			}
			return v
		})
		time.AfterFunc(time.Second, func() {
			go second.Run(l.ctx, l.dial)
			go slow.Run(l.ctx, l.dial)
		})
		l.away(20 * time.Second)
		l.after(30 * time.Second)
		for _, line := range []string{
			"switch does not answer: closed", "switch does not confirm its rules: closed", "no answer to a challenge by a newer connection: closed",
			"switch down", "link down", "peer is unwell", "viewers of a dead peer are reset",
		} {
			if n := l.logged(line); n != 0 {
				l.t.Errorf("%d times: %s", n, line)
			}
		}
		if second.Received(ofproto.TypeFlowMod) != 0 {
			l.t.Error("the second was taken for the first")
		}
		if slow.Received(ofproto.TypeFlowMod) == 0 {
			l.t.Error("who was in the middle of the handshake is not let in")
		}
		l.servedBy(one, "hv1", "hb")
		l.servedBy(l.watch("hv2"), "hv2", "hb")

		slow.Intercept(hang)
		l.after(21 * time.Second)
		if n := l.logged("switch does not answer: closed"); n != 1 {
			l.t.Errorf("who is really dead is given up %d times", n)
		}
	})
}
