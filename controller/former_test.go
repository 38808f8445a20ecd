package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
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

// TestChangesGoByPlace has a peer leave, and another be called as it was: its viewer would move there.
func TestChangesGoByPlace(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		l.AddHost("hb2", "10.0.0.5", "s1", 5, 10*time.Millisecond).Listen(1935)
	}, func(l *lab) {
		l.servedBy(l.watch("hv1"), "hv1", "hb")
		s := l.c.Settings()
		s.Peers = []stream.Peer{{Name: "hb", Address: l.Host("hb2").IP, Port: 1935, MaxViewers: 1}}
		l.c.Set(s)
		l.after(5 * time.Second)
		list := l.c.Changes(l.c.Settings())
		if len(list) != 1 || list[0].To != "hb" {
			l.t.Errorf("%v would move, want the viewer of the one that has left", list)
		}
	})
}

// TestProbeRulesOfFormerPeer has a peer leave that moved before, or whose service is not the first any more as its last viewer goes,
// or whose host is not on the map: no switch catches answers to its probes any longer.
func TestProbeRulesOfFormerPeer(t *testing.T) {
	for name, tt := range map[string]struct{ moved, replaced, vanished bool }{
		"it moved": {moved: true}, "its service was replaced": {replaced: true}, "it vanished": {vanished: true},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, line, func(l *lab) {
				if tt.moved {
					l.Move("hb", "s3", 5)
					l.Host("hb").ARP(cdnIP)
					l.after(10 * time.Second)
				}
				v := l.watch("hv1")
				l.servedBy(v, "hv1", "hb")
				s := l.c.Settings()
				s.Peers = nil
				l.c.Set(s)
				l.after(10 * time.Second)
				if tt.replaced {
					s.Services = append([]stream.Service{{Name: "new", Address: l.Host("hv2").IP, Port: 1935}}, s.Services...)
					l.c.Set(s)
					l.after(5 * time.Second)
				}
				v.CloseWrite()
				l.atPeer("hv1").CloseWrite()
				if tt.vanished {
					l.after(time.Second)
					l.Host("hb").SetSilent(true)
					l.c.topo.ExpireHosts(time.Now().Add(time.Minute))
				}
				l.after(30 * time.Second)
				for _, sw := range []string{"s1", "s2", "s3"} {
					for _, f := range l.rules(sw, flow.KindProbe) {
						l.t.Errorf("%s has %v", sw, f.Match)
					}
				}
			})
		})
	}
}

// TestFormerPeerFlaps has the port of a peer flap that left, and that serves nobody: nobody is warned of it.
func TestFormerPeerFlaps(t *testing.T) {
	inLab(t, single, func(l *lab) {
		s := l.c.Settings()
		s.Peers = nil
		l.c.Set(s)
		l.after(time.Minute)
		for range 3 {
			l.Host("hb").Wire().SetUp(false)
			l.after(5 * time.Second)
			l.Host("hb").Wire().SetUp(true)
			l.after(5 * time.Second)
		}
		if n := l.logged("peer is unwell"); n != 0 {
			l.t.Errorf("said %d times to be unwell", n)
		}
	})
}

// TestFormerPeersLoad has a peer leave that was sending and had promised a relay some: neither is believed for ever.
func TestFormerPeersLoad(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		h := l.AddHost("r", "10.0.1.1", "s1", 20, 50*time.Millisecond)
		h.Listen(1935)
		l.o.Margin = 300 * time.Millisecond
		l.o.Peers = append(l.o.Peers, stream.Peer{Name: "r", Address: h.IP, Port: 1935, MaxViewers: 1})
	}, func(l *lab) {
		p := l.c.settings().peers.byName["hb"]
		l.watch("hv1")
		for range 15 {
			l.atPeer("hv1").Write(make([]byte, 50_000))
			l.after(time.Second)
		}
		l.c.streams.Publish(liveA, "live", "hb", l.Host("hv2").IP, time.Time{})
		if _, err := l.c.Upstreams(liveA, "r", time.Now()); err != nil {
			l.t.Fatal(err)
		}
		if p.kbps.Load() == 0 || p.promised.Load() == 0 {
			l.t.Fatalf("%d kbit/s, %d promised before", p.kbps.Load(), p.promised.Load())
		}
		s := l.c.Settings()
		s.Peers = nil
		l.c.Set(s)
		l.after(time.Minute)
		if p.kbps.Load() != 0 || p.promised.Load() != 0 {
			l.t.Errorf("%d kbit/s, %d promised a minute after it has left", p.kbps.Load(), p.promised.Load())
		}
	})
}

// TestStrangerAmongMany adopts a session of a peer that is none now while as many as are remembered serve, all but one: it takes the
// place of that one, and there is none for the next.
func TestStrangerAmongMany(t *testing.T) {
	inLab(t, single, func(l *lab) {
		at := func(i int) endpoint { return endpoint{ofproto.IPv4{10, 9, byte(i >> 8), byte(i)}, 1935} }
		serves := func(i int) {
			l.c.rememberSources(map[endpoint]bool{at(i): true})
			if p := l.c.settings().peers.at[at(i)]; p != nil {
				p.viewers.Add(1)
			}
		}
		for i := range maxFormer {
			serves(i)
		}
		l.c.settings().peers.at[at(7)].viewers.Add(-1)
		for _, i := range []int{maxFormer, maxFormer + 1} {
			serves(i)
			l.c.refresh()
		}
		now := l.c.settings().peers
		if !now.probes(at(maxFormer)) {
			l.t.Error("it is not probed")
		}
		if now.at[at(7)] != nil || now.at[at(0)] == nil || now.at[at(maxFormer+1)] != nil {
			l.t.Errorf("the idle one is known: %v; the first: %v; the last: %v", now.at[at(7)] != nil, now.at[at(0)] != nil, now.at[at(maxFormer+1)] != nil)
		}
		if n := len(now.former); n != maxFormer {
			l.t.Errorf("%d are remembered, want %d", n, maxFormer)
		}
	})
}

// TestRenamedPublished has a peer go on under another name to which a stream is published, as only the publisher's connection tells: a
// relay that asks for it is sent there, and nothing is left of it under any name once the publisher has gone.
func TestRenamedPublished(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		h := l.AddHost("r", "10.0.1.1", "s1", 20, 50*time.Millisecond)
		h.Listen(1935)
		l.o.Margin, l.o.Peers[0].Ingest = 300*time.Millisecond, true
		l.o.Peers = append(l.o.Peers, stream.Peer{Name: "r", Address: h.IP, Port: 1935})
	}, func(l *lab) {
		v := l.watch("hv1")
		v.Write(publishing(l.t))
		l.after(time.Second)
		s := l.c.Settings()
		s.Peers = slices.Clone(s.Peers)
		s.Peers[0].Name = "other"
		l.c.Set(s)
		for range 10 {
			v.Write([]byte("frame"))
			l.after(time.Second)
		}
		list, err := l.c.Upstreams(liveA, "r", time.Now())
		if err != nil || len(list) == 0 || list[0].Name != "other" {
			l.t.Errorf("the relay is sent to %v, %v", list, err)
		}
		v.CloseWrite()
		l.atPeer("hv1").CloseWrite()
		l.after(time.Minute)
		if live, ok := l.c.streams.Load().Stream(liveA); ok {
			for _, at := range live.Copies {
				if at.Published {
					l.t.Errorf("still published: %+v", at)
				}
			}
		}
	})
}

// TestBackAsItParts has a peer come back while those who have left are gone through: it stands as it did.
func TestBackAsItParts(t *testing.T) {
	inLab(t, single, func(l *lab) {
		s := l.c.Settings()
		gone := s
		gone.Peers = nil
		l.c.Set(gone)
		former := l.c.settings().peers.former
		l.c.Set(s)
		l.after(5 * time.Second)
		l.c.forgetFormer(former)
		if p := l.c.Peers()[0]; !p.Healthy {
			l.t.Errorf("it is not well: %s", p.Why)
		}
	})
}
