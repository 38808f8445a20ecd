package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/policies/direct"
)

// atPeerNow counts the viewers whose connections the peer has accepted.
func (l *lab) atPeerNow() int {
	return len(from(l.Host("hb"), l.Host("hv1"))) + len(from(l.Host("hb"), l.Host("hv2")))
}

// TestPromised has twenty viewers come at once, of whose streams nothing is known: the peer gets as many as its bandwidth is
// assumed to be for. A dry run foresees that. Once they are measured, what is left is given away by what they take.
func TestPromised(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].MaxKbps = 4 * assumedKbps }, func(l *lab) {
		bypassing := l.c.Settings()
		straight := bypassing
		straight.Policy = direct.Policy{}
		dial := func(n int) {
			l.atOnce(func() {
				for i := range n {
					l.Host([]string{"hv1", "hv2"}[i%2]).Dial(cdnIP, 1935)
				}
			})
			l.after(time.Second)
		}
		l.c.Set(straight)
		dial(20)
		if list := l.c.Changes(bypassing); len(list) != 4 {
			l.t.Errorf("%d would move to the peer, want 4", len(list))
		}
		l.c.Set(bypassing)
		if dial(20); l.atPeerNow() != 4 {
			l.t.Fatalf("%d viewers at the peer, want 4", l.atPeerNow())
		}
		if p := l.c.Peers()[0]; p.Promised != 4*assumedKbps || p.Load() != 1 {
			l.t.Errorf("%v promised, load %v", p.Promised, p.Load())
		}

		const kbps = 1900 // each; and some for headers
		streams := append(from(l.Host("hb"), l.Host("hv1")), from(l.Host("hb"), l.Host("hv2"))...)
		for range 20 * 20 {
			for _, s := range streams {
				s.Write(make([]byte, kbps*1000/8/20))
			}
			l.after(50 * time.Millisecond)
		}
		p := l.c.Peers()[0]
		if p.Promised != 0 || p.Kbps < 4*kbps || p.Kbps > 4*kbps*1.1 {
			l.t.Fatalf("%v promised, %v measured, want about %v", p.Promised, p.Kbps, 4*kbps)
		}
		if list := l.c.Changes(bypassing); len(list) != 1 {
			l.t.Errorf("%d would move to the peer, want 1", len(list))
		}
		if dial(20); l.atPeerNow() != 5 {
			l.t.Errorf("%d viewers at the peer, want one more than the four that take %v kbit/s of %v", l.atPeerNow(), p.Kbps, p.MaxKbps)
		}
	})
}

// TestPromiseIsTakenBack has the only viewer that there is bandwidth for leave before he is measured.
func TestPromiseIsTakenBack(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].MaxKbps = assumedKbps }, func(l *lab) {
		v := l.watch("hv1")
		if p := l.c.Peers()[0]; p.Promised != assumedKbps || !p.Full() {
			l.t.Fatalf("%v promised", p.Promised)
		}
		l.servedBy(l.watch("hv2"), "hv2", "hs")
		v.CloseWrite()
		l.after(6 * time.Second)
		if p := l.c.Peers()[0]; p.Promised != 0 || p.Viewers != 0 {
			l.t.Errorf("%v promised to %d viewers", p.Promised, p.Viewers)
		}
		l.servedBy(l.watch("hv2"), "hv2", "hb")
	})
}
