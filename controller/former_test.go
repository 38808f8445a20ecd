package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestFormerPeerDies has a peer serve a viewer and leave, or go on under another name, or be forgotten by a new run of the
// controller, before it dies, so that a switch tells or only its silence: he is reset.
func TestFormerPeerDies(t *testing.T) {
	for name, change := range map[string]func(*lab, *Settings){
		"it has left":    func(_ *lab, s *Settings) { s.Peers = nil },
		"it was renamed": func(_ *lab, s *Settings) { s.Peers[0].Name = "other" },
		"it is unknown": func(l *lab, s *Settings) {
			s.Peers = nil
			l.o.Peers = nil
			l.restart()
		},
	} {
		for death, die := range map[string]func(*oftest.Host){
			"its port goes down": func(h *oftest.Host) { h.Wire().SetUp(false) },
			"it falls silent":    func(h *oftest.Host) { h.SetSilent(true) },
		} {
			t.Run(name+", "+death, func(t *testing.T) {
				inLab(t, single, func(l *lab) {
					v := l.watch("hv1")
					l.servedBy(v, "hv1", "hb")
					s := l.c.Settings()
					s.Peers = slices.Clone(s.Peers)
					change(l, &s)
					l.c.Set(s)
					l.after(10 * time.Second)
					l.servedBy(v, "hv1", "hb")
					die(l.Host("hb"))
					l.after(5 * time.Second)
					if v.State() != oftest.Reset {
						l.t.Errorf("the viewer is not reset: %v", v.State())
					}
					if n := l.sessionRules(); n != 0 {
						l.t.Errorf("%d rules are left", n)
					}
				})
			})
		}
	}
}

// TestRenamedPeer has a peer that serves as many as it has room for go on under another name: it has no more room, and its viewer is
// its, who would not move.
func TestRenamedPeer(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].MaxViewers = 1 }, func(l *lab) {
		l.servedBy(l.watch("hv1"), "hv1", "hb")
		s := l.c.Settings()
		s.Peers = slices.Clone(s.Peers)
		s.Peers[0].Name = "other"
		l.c.Set(s)
		if p := l.c.Peers()[0]; !p.Healthy || p.Viewers != 1 {
			l.t.Errorf("well: %v, %d viewers; want it as it was", p.Healthy, p.Viewers)
		}
		if s := l.session(l.Host("hv1")); s.Source.Name != "other" {
			l.t.Errorf("its viewer is said to be %s's", s.Source.Name)
		}
		if list := l.c.Changes(l.c.Settings()); len(list) != 0 {
			l.t.Errorf("%v would move", list)
		}
		l.servedBy(l.watch("hv2"), "hv2", "hs")
	})
}

// TestRegistersAgain has a peer that only registers serve as many as it has room for, over a restart of the controller: once it
// has registered again it has no more room than before.
func TestRegistersAgain(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers = nil }, func(l *lab) {
		peer := Registration{Peer: stream.Peer{Name: "hb", Address: peerIP, Port: 1935, MaxViewers: 1}}
		register := func() {
			if err := l.c.Register(peer, time.Now()); err != nil {
				l.t.Fatal(err)
			}
			l.after(3 * time.Second)
		}
		register()
		one := l.watch("hv1")
		l.servedBy(one, "hv1", "hb")
		l.restart()
		l.settle()
		register()
		if p := l.c.Peers()[0]; !p.Healthy || p.Viewers != 1 {
			l.t.Errorf("well: %v, %d viewers; want the one of before", p.Healthy, p.Viewers)
		}
		l.servedBy(one, "hv1", "hb")
		register()
		l.servedBy(l.watch("hv2"), "hv2", "hs")
	})
}
