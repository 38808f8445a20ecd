package controller

import (
	"strconv"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
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

// TestWaitingKeepsRoom has viewers come one after another before anybody publishes: each has his place and what was promised to
// him for as long as he waits, so that the peer has room for him when the stream begins.
func TestWaitingKeepsRoom(t *testing.T) {
	for _, limit := range []stream.Peer{{MaxViewers: 4}, {MaxKbps: 4 * assumedKbps}, {MaxKbps: 5*assumedKbps - 100}} {
		inLab(t, func(l *lab) {
			single(l)
			l.o.Peers[0].MaxViewers, l.o.Peers[0].MaxKbps = limit.MaxViewers, limit.MaxKbps
		}, func(l *lab) {
			for i := range 12 {
				c := l.Host([]string{"hv1", "hv2"}[i%2]).Dial(cdnIP, 1935)
				l.after(time.Second)
				c.Write(make([]byte, 3300)) // as much as a handshake
				l.after(4 * time.Second)
			}
			if p := l.c.Peers()[0]; l.atPeerNow() != 4 || p.Viewers != 4 || p.Promised != 4*assumedKbps {
				l.t.Errorf("of %d viewers, %d kbit/s: %d at the peer, %d counted, %v promised; want 4", limit.MaxViewers, limit.MaxKbps,
					l.atPeerNow(), p.Viewers, p.Promised)
			}
		})
	}
}

// TestTrickleIsNoRate has a viewer who waits and is sent a little all the while: that is not taken for what viewers take.
func TestTrickleIsNoRate(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].MaxKbps = 4*assumedKbps + 100 }, func(l *lab) {
		early := l.watch("hv1")
		at := l.atPeer("hv1")
		for range 20 {
			early.Write(make([]byte, 300))
			at.Write(make([]byte, 300))
			l.after(time.Second)
		}
		l.atOnce(func() {
			for i := range 40 {
				l.Host([]string{"hv1", "hv2"}[i%2]).Dial(cdnIP, 1935)
			}
		})
		l.after(time.Second)
		if l.atPeerNow() != 4 {
			l.t.Errorf("%d at the peer, want 4; %v kbit/s are expected of the next", l.atPeerNow(), l.c.rated("live"))
		}
	})
}

// TestRestartPromises restarts the controller while a peer serves as many as it has bandwidth for: nobody is sent there before
// they are measured anew.
func TestRestartPromises(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].MaxKbps = 4 * assumedKbps }, func(l *lab) {
		dial := func(n int) {
			l.atOnce(func() {
				for i := range n {
					l.Host([]string{"hv1", "hv2"}[i%2]).Dial(cdnIP, 1935)
				}
			})
			l.after(time.Second)
		}
		dial(4)
		streams := append(from(l.Host("hb"), l.Host("hv1")), from(l.Host("hb"), l.Host("hv2"))...)
		play := func(seconds int) {
			for range 20 * seconds {
				for _, s := range streams {
					s.Write(make([]byte, 2300*1000/8/20))
				}
				l.after(50 * time.Millisecond)
			}
		}
		play(20)
		l.restart()
		play(4)
		if dial(20); l.atPeerNow() != 4 {
			l.t.Errorf("%d at the peer, want the four of before", l.atPeerNow())
		}
		if play(20); l.c.Peers()[0].Promised != 0 {
			l.t.Errorf("%v promised although all are measured", l.c.Peers()[0].Promised)
		}
	})
}

// TestSilentPlace has a viewer fall silent: his place is given up only where his switch would not tell that he has left.
func TestSilentPlace(t *testing.T) {
	for _, plain := range []bool{true, false} {
		inLab(t, func(l *lab) { singleWith(l, oftest.Options{Plain: plain}) }, func(l *lab) {
			l.watch("hv1")
			l.after(quietAfter + 2*meterInterval)
			if got, want := l.c.Peers()[0].Viewers, map[bool]int{true: 0, false: 1}[plain]; got != want {
				l.t.Errorf("plain %v: %d viewers at the peer, want %d", plain, got, want)
			}
		})
	}
}

// TestPromisedToRelays has twelve relays ask for one stream within a moment: as many are sent to the peer that has it as its
// bandwidth is for, and no viewer besides. One that asks once more is promised nothing more, and what
// none of them has come to take is free again later.
func TestPromisedToRelays(t *testing.T) {
	const relays = 12
	name := func(i int) string { return string(rune('a' + i)) }
	inLab(t, func(l *lab) {
		single(l)
		l.o.Peers[0].MaxKbps, l.o.Margin = 4*assumedKbps, 300*time.Millisecond
		for i := range relays {
			h := l.AddHost(name(i), "10.0.1."+strconv.Itoa(i), "s1", ofproto.Port(10+i), 5*time.Millisecond)
			h.Listen(1935)
			l.o.Peers = append(l.o.Peers, stream.Peer{Name: h.Name, Address: h.IP, Port: 1935, MaxViewers: 1})
		}
	}, func(l *lab) {
		l.c.streams.Publish(liveA, "live", "hb", l.Host("hv2").IP, time.Time{})
		ask := func() (atPeer int) {
			for i := range relays {
				list, err := l.c.Upstreams(liveA, name(i), time.Now())
				if err != nil {
					l.t.Fatal(err)
				}
				if list[0].Name == "hb" {
					atPeer++
				}
			}
			return atPeer
		}
		for range 2 {
			if n := ask(); n != 4 {
				l.t.Errorf("%d of %d relays are sent to the peer, want 4", n, relays)
			}
			if p := l.c.Peers()[0]; p.Promised != 4*assumedKbps {
				l.t.Errorf("%v kbit/s are promised, want %v", p.Promised, 4*assumedKbps)
			}
			l.after(time.Second)
		}
		l.watch("hv1")
		if s := l.session(l.Host("hv1")); s.Source.Name == "hb" {
			l.t.Error("a viewer is sent there as well")
		}
		l.after(pledgeMemory + meterInterval)
		if p := l.c.Peers()[0]; p.Promised != 0 {
			l.t.Errorf("%v kbit/s are promised long after", p.Promised)
		}
	})
}

// TestPledge has a relay ask for a stream of which nobody has said of what service it is: it is promised what viewers are known to take,
// until the peer's line has been measured over a whole interval.
func TestPledge(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		l.o.Margin = 300 * time.Millisecond
		h := l.AddHost("r", "10.0.1.1", "s1", 20, 5*time.Millisecond)
		h.Listen(1935)
		l.o.Peers = append(l.o.Peers, stream.Peer{Name: "r", Address: h.IP, Port: 1935})
	}, func(l *lab) {
		l.c.streams.Report("hb", []stream.Reported{{ID: liveA, Published: true}}, time.Time{})
		l.c.rates.Store(&rates{"live": 600, "low": 200})
		if list, err := l.c.Upstreams(liveA, "r", time.Now()); err != nil || list[0].Name != "hb" {
			l.t.Fatal(list, err)
		}
		if p := l.c.Peers()[0].Promised; p != 600 {
			l.t.Errorf("%v kbit/s are promised, want 600", p)
		}
		l.after(2*meterInterval - time.Millisecond)
		if p := l.c.Peers()[0].Promised; p != 600 {
			l.t.Errorf("%v kbit/s are promised within two intervals", p)
		}
		l.after(meterInterval + time.Second)
		if p := l.c.Peers()[0].Promised; p != 0 {
			l.t.Errorf("%v kbit/s are promised, though the line is measured", p)
		}
	})
}
