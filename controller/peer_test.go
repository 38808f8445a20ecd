package controller

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
	"github.com/ofctl-live/ofctl-live/policies/direct"
)

// TestHandsOff has the peer pull from the CDN it stands in for: it is never redirected to itself, nor to another peer.
func TestHandsOff(t *testing.T) {
	for _, build := range []func(*lab){single, line} {
		inLab(t, build, func(l *lab) {
			pull := l.watch("hb")
			l.servedBy(pull, "hb", "hs")
			if n := len(l.c.Sessions()); n != 0 {
				l.t.Errorf("%d sessions: a relay's pull was decided like a viewer's", n)
			}
			l.hasRule(pull, "s1")
			l.servedBy(l.watch("hv1"), "hv1", "hb")
		})
	}
}

// hasRule fails the test unless a switch knows what to do with what a connection's client sends.
func (l *lab) hasRule(c *oftest.Conn, sw string) {
	l.t.Helper()
	outs := l.Switch(sw).Received(ofproto.TypePacketOut)
	for range 50 {
		c.Write([]byte("x"))
	}
	l.after(100 * time.Millisecond)
	if n := l.Switch(sw).Received(ofproto.TypePacketOut) - outs; n > 10 {
		l.t.Errorf("%d of its packets went by the controller", n)
	}
}

// TestPeerFull fills a peer's only place: the next viewer is the CDN's. When the first is gone the place is free again.
func TestPeerFull(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].MaxViewers = 1 }, func(l *lab) {
		l.servedBy(l.watch("hv1"), "hv1", "hb")
		l.servedBy(l.watch("hv2"), "hv2", "hs")
		if s := l.session(l.Host("hv2")); !strings.Contains(s.Reason, "full") {
			l.t.Errorf("reason %q", s.Reason)
		}
		l.after(5 * time.Minute) // both fall silent for so long that their rules expire
		if s := l.session(l.Host("hv1")); s.State != "parked" {
			l.t.Fatalf("state %s", s.State)
		}
		if n := l.c.Peers()[0].Viewers; n != 0 {
			l.t.Errorf("%d viewers counted at the peer, all of them parked", n)
		}
		l.servedBy(l.watch("hv2"), "hv2", "hb")
	})
}

// A stubborn policy names the first peer, whatever it is told of it.
type stubborn struct{}

func (stubborn) Name() string { return "stubborn" }
func (stubborn) Source(v stream.View, _ stream.Request) stream.Choice {
	return stream.Choice{Peer: &v.Peers[0], Reason: "whatever"}
}

// TestRoomIsKept has a policy choose a full peer, as two do that decide at once: there is no more room than there is.
func TestRoomIsKept(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		l.o.Peers[0].MaxViewers = 1
		l.o.Policy = stubborn{}
	}, func(l *lab) {
		l.servedBy(l.watch("hv1"), "hv1", "hb")
		l.servedBy(l.watch("hv2"), "hv2", "hs")
		l.whole()
	})
}

// TestPeerUnwell has peers that cannot serve: nobody is sent there.
func TestPeerUnwell(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*lab)
		after time.Duration
		why   string
	}{
		{"it hangs", func(l *lab) { l.Host("hb").SetSilent(true) }, 3100 * time.Millisecond, "no answer"},
		{"its port is down", func(l *lab) { l.Host("hb").Wire().SetUp(false) }, 10 * time.Millisecond, "port"},
		{"it is not there", func(l *lab) { l.o.Peers[0].Address = ofproto.IPv4{10, 0, 0, 99} }, 0, ""},
		{"nobody listens there", func(l *lab) { l.o.Peers[0].Port = 1936 }, 0, "listens"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			early := tt.after == 0
			inLab(t, func(l *lab) {
				single(l)
				if early {
					tt.spoil(l)
				}
			}, func(l *lab) {
				if !early {
					l.servedBy(l.watch("hv2"), "hv2", "hb")
					tt.spoil(l)
					l.after(tt.after)
				}
				l.servedBy(l.watch("hv1"), "hv1", "hs")
				if p := l.c.Peers()[0]; p.Healthy || !strings.Contains(p.Why, tt.why) {
					l.t.Errorf("peer well: %v, why %q, want %q", p.Healthy, p.Why, tt.why)
				}
				if early {
					return
				}
				l.Host("hb").SetSilent(false)
				l.Host("hb").Wire().SetUp(true)
				l.after(6 * time.Second)
				l.servedBy(l.watch("hv2"), "hv2", "hb")
			})
		})
	}
}

// TestPeerStutters has a peer answer nothing for a moment, at any time between two probes: it stays well, and nobody is reset.
func TestPeerStutters(t *testing.T) {
	inLab(t, single, func(l *lab) {
		one := l.watch("hv1")
		for at := time.Duration(0); at < l.c.o.ProbeInterval; at += 50 * time.Millisecond {
			l.Host("hb").SetSilent(true)
			l.after(2*patience - 10*time.Millisecond)
			l.Host("hb").SetSilent(false)
			l.after(l.c.o.ProbeInterval + 50*time.Millisecond - 2*patience)
		}
		if n := l.logged("peer is unwell"); n != 0 || l.metric("ofctl_session_resets_total") != 0 {
			l.t.Errorf("unwell %d times", n)
		}
		l.servedBy(one, "hv1", "hb")
	})
}

// TestFarPeerHangs has a peer whose answers take long: it is given as much more time.
func TestFarPeerHangs(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.latency = []time.Duration{100 * time.Millisecond} }, func(l *lab) {
		l.watch("hv1")
		at := l.c.probes.patience(peerIP, l.c.o.ProbeInterval)
		if at < 800*time.Millisecond || at > time.Second {
			l.t.Errorf("its answer is waited for %v", at)
		}
		l.Host("hb").SetSilent(true)
		l.after(3 * at)
		if n := l.logged("peer is unwell"); n != 0 {
			l.t.Errorf("unwell after %v", 3*at)
		}
		l.after(l.c.o.ProbeInterval)
		if n := l.logged("peer is unwell"); n != 1 {
			l.t.Errorf("unwell %d times after %v", n, 3*at+l.c.o.ProbeInterval)
		}
	})
}

// TestPolicySwap swaps the policy under a viewer: it stays where it is, and the next goes by the new policy.
func TestPolicySwap(t *testing.T) {
	inLab(t, single, func(l *lab) {
		one := l.watch("hv1")
		s := l.c.Settings()
		s.Policy = direct.Policy{}
		mods := l.flowMods()
		l.c.Set(s)
		l.after(time.Second)
		if n := l.flowMods() - mods; n != 0 {
			l.t.Errorf("%d flow mods by the swap alone", n)
		}
		l.servedBy(one, "hv1", "hb")
		l.servedBy(l.watch("hv2"), "hv2", "hs")
		s.ByService = map[string]Policy{"live": l.o.Policy}
		l.c.Set(s)
		l.servedBy(l.watch("hv2"), "hv2", "hb")
		l.servedBy(one, "hv1", "hb")
	})
}

// TestSetWhileDialling swaps policies, services and peers while viewers dial, from several goroutines at once. Whoever
// decides, every viewer is served by somebody, and nothing is left over.
func TestSetWhileDialling(t *testing.T) {
	inLab(t, line, func(l *lab) {
		plain := l.c.Settings()
		other := plain
		other.Policy = direct.Policy{}
		other.Peers = nil
		other.Services = append(other.Services[:1:1], stream.Service{Name: "second", Address: cdnIP, Port: 1936})
		var swaps sync.WaitGroup
		for range 4 {
			swaps.Go(func() {
				for range 50 {
					l.c.Set(other)
					l.c.Set(plain)
					time.Sleep(time.Millisecond)
				}
			})
		}
		var conns []*oftest.Conn
		for i := range 50 {
			conns = append(conns, l.Host([]string{"hv1", "hv2"}[i%2]).Dial(cdnIP, 1935))
			time.Sleep(time.Millisecond)
		}
		swaps.Wait()
		l.after(3 * time.Second)
		for i, c := range conns {
			if !c.Established() {
				l.t.Errorf("connection %d: state %v", i, c.State())
			}
		}
		sessions := l.c.Sessions()
		if len(sessions) != len(conns) {
			l.t.Errorf("%d sessions, want %d", len(sessions), len(conns))
		}
		l.whole()
		l.servedBy(l.watch("hv1"), "hv1", "hb")
	})
}

// TestServicesChange adds and removes services while a viewer watches, who notices nothing.
func TestServicesChange(t *testing.T) {
	inLab(t, line, func(l *lab) {
		one := l.watch("hv1")
		l.Host("hs").Listen(1936)
		s := l.c.Settings()
		s.Services = append(s.Services[:1:1], stream.Service{Name: "second", Address: cdnIP, Port: 1936})
		l.c.Set(s)
		l.after(time.Second)
		two := l.Host("hv2").Dial(cdnIP, 1936)
		l.after(time.Second)
		l.servedBy(two, "hv2", "hb")
		s.Services = s.Services[1:]
		l.c.Set(s)
		l.after(time.Second)
		l.servedBy(one, "hv1", "hb")
		l.servedBy(l.watch("hv2"), "hv2", "hs") // not a service any more, so it goes where it dials
		if n := len(l.rules("s1", flow.KindService)); n != 2 {
			l.t.Errorf("%d service rules, want one and the peer's", n)
		}
	})
}

// TestPeersChange removes a peer and adds another. Those whom the old one serves stay with it, and when they have left nothing is
// left of it.
func TestPeersChange(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		l.AddHost("hb2", "10.0.0.5", "s1", 5, 10*time.Millisecond).Listen(1935)
	}, func(l *lab) {
		one := l.watch("hv1")
		s := l.c.Settings()
		s.Peers = []stream.Peer{{Name: "hb2", Address: l.Host("hb2").IP, Port: 1935}}
		l.c.Set(s)
		l.settle()
		l.servedBy(l.watch("hv2"), "hv2", "hb2")
		l.servedBy(one, "hv1", "hb")
		one.CloseWrite()
		l.atPeer("hv1").CloseWrite()
		l.settle()
		l.settle()
		for _, f := range l.rules("s1", flow.KindProbe) {
			if f.Match.NWSrc == peerIP {
				l.t.Errorf("left of the peer that is gone: %v", f)
			}
		}
	})
}

// TestPeerMoves has the peer's name go to another address, where nobody listens: whom it serves at the old one is not reset.
func TestPeerMoves(t *testing.T) {
	inLab(t, single, func(l *lab) {
		one := l.watch("hv1")
		l.servedBy(one, "hv1", "hb")
		s := l.c.Settings()
		s.Peers = []stream.Peer{{Name: "hb", Address: l.Host("hv2").IP, Port: 1935}}
		l.c.Set(s)
		l.settle()
		if p := l.c.Peers()[0]; p.Healthy || !strings.Contains(p.Why, "listens") {
			l.t.Fatalf("well: %v, %q: want it probed at its new address", p.Healthy, p.Why)
		}
		l.servedBy(one, "hv1", "hb")
		if n := l.logged("session reset"); n != 0 {
			l.t.Errorf("%d sessions reset", n)
		}
	})
}

// TestPeerReturns has a peer leave and come back while it serves as many as it has room for: there is no more room than before.
func TestPeerReturns(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].MaxViewers = 1 }, func(l *lab) {
		one := l.watch("hv1")
		l.servedBy(one, "hv1", "hb")
		with := l.c.Settings()
		without := with
		without.Peers = nil
		l.c.Set(without)
		l.c.Set(without) // and once more, which is no reason to forget it
		l.c.Set(with)
		l.settle()
		if n := l.c.Peers()[0].Viewers; n != 1 {
			l.t.Errorf("%d viewers counted, want the one that stayed", n)
		}
		l.servedBy(l.watch("hv2"), "hv2", "hs")
		l.servedBy(one, "hv1", "hb")
	})
}

// TestFormerPeers has many more peers come and go than are remembered: those who serve somebody are remembered longest.
func TestFormerPeers(t *testing.T) {
	var set *peerSet
	name := func(i int) stream.Peer {
		return stream.Peer{Name: fmt.Sprint("p", i), Address: ofproto.IPv4{10, 1, byte(i >> 8), byte(i)}, Port: 1935}
	}
	for i := range maxFormer + 100 {
		set = newPeerSet([]stream.Peer{name(i)}, nil, set)
		if i == 7 {
			set.order[0].viewers.Store(3)
		}
	}
	if n := len(set.former); n != maxFormer {
		t.Errorf("%d are remembered, want %d", n, maxFormer)
	}
	if n := newPeerSet([]stream.Peer{name(7)}, nil, set).order[0].viewers.Load(); n != 3 {
		t.Errorf("who served 3 is back with %d", n)
	}
	moved := name(7)
	moved.Port++
	if n := newPeerSet([]stream.Peer{moved}, nil, set).order[0].viewers.Load(); n != 0 {
		t.Errorf("another address begins with %d", n)
	}
	for i := range 2 * maxFormer { // all of them serving
		set = newPeerSet([]stream.Peer{name(10_000 + i)}, nil, set)
		set.order[0].viewers.Store(1)
	}
	if n := len(set.former); n != maxFormer {
		t.Errorf("%d are remembered, want %d", n, maxFormer)
	}
}

// TestPeerNoMore has a relay's host become a player's: the relay leaves, or marks its own connections from now on. What let
// the relay pass undecided goes, and the player is decided like any other. What is another relay's stays.
func TestPeerNoMore(t *testing.T) {
	for name, change := range map[string]func(*Settings){
		"it leaves":         func(s *Settings) { s.Peers = s.Peers[1:] },
		"it marks its own":  func(s *Settings) { s.Peers[0].DSCP = 46 },
		"it has moved away": func(s *Settings) { s.Peers[0].Address = ofproto.IPv4{10, 0, 0, 99} },
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				line(l)
				l.Host("hv2").Listen(1935)
				l.o.Peers = append(l.o.Peers, stream.Peer{Name: "other", Address: l.Host("hv2").IP, Port: 1935})
			}, func(l *lab) {
				l.servedBy(l.watch("hb"), "hb", "hs")
				l.servedBy(l.watch("hv2"), "hv2", "hs")
				mods := l.flowMods()
				l.c.Set(l.c.Settings())
				l.after(time.Second)
				if n := l.flowMods() - mods; n != 0 {
					l.t.Errorf("%d flow mods although nothing changed", n)
				}
				s := l.c.Settings()
				s.Peers = slices.Clone(s.Peers)
				change(&s)
				l.c.Set(s)
				l.after(time.Second)
				left := make(map[ofproto.IPv4]int)
				for _, sw := range []string{"s1", "s2", "s3"} {
					for _, f := range l.rules(sw, flow.KindHandsOff) {
						left[f.Match.NWSrc]++
					}
				}
				if left[peerIP] != 0 || left[l.Host("hv2").IP] == 0 {
					l.t.Errorf("rules left %v, want those of the other relay alone", left)
				}
				l.watch("hb")
				l.session(l.Host("hb"))
			})
		})
	}
}
