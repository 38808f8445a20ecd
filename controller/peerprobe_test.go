package controller

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestSwitchBehind has a peer's switch say much, and come to nothing of what it is told for a while: a SYN that it has not sent out
// says nothing of the peer. Once it has caught up, a peer that is dead is found out.
func TestSwitchBehind(t *testing.T) {
	inLab(t, single, func(l *lab) {
		one := l.watch("hv1")
		stall := make(chan time.Duration, 1)
		l.Switch("s1").Intercept(func(int, uint32, ofproto.Message) (v oftest.Verdict) {
			select {
			case d := <-stall:
				time.Sleep(d)
			default:
			}
			return v
		})
		hv2 := l.Host("hv2")
		for range 5 {
			stall <- l.c.o.ProbeInterval + 100*time.Millisecond
			for range 130 { // in most of them it is as quick as ever
				hv2.Send(packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: hv2.MAC, SenderIP: hv2.IP, TargetIP: cdnIP}))
				l.after(100 * time.Millisecond)
			}
		}
		if n := l.logged("peer is unwell"); n != 0 || l.metric("ofctl_session_resets_total") != 0 {
			l.t.Errorf("unwell %d times", n)
		}
		l.servedBy(one, "hv1", "hb")
		l.after(5 * l.c.o.ProbeInterval) // until its answers are known to take no time
		l.Host("hb").SetSilent(true)
		l.after(2 * l.c.o.ProbeInterval)
		if n := l.logged("peer is unwell"); n != 1 {
			l.t.Errorf("unwell %d times when it is dead", n)
		}
	})
}

// TestSlowChannel has the control channel take longer than the time between two probes: a peer is well, and found out once it is dead.
func TestSlowChannel(t *testing.T) {
	for _, tt := range []struct{ probe, oneWay time.Duration }{
		{500 * time.Millisecond, 200 * time.Millisecond},
		{500 * time.Millisecond, 300 * time.Millisecond},
		{500 * time.Millisecond, time.Second},
		{2 * time.Second, 1100 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(tt.probe, 2*tt.oneWay), func(t *testing.T) {
			inLab(t, func(l *lab) {
				single(l)
				l.latency = []time.Duration{tt.oneWay}
				l.o.ProbeInterval = tt.probe
			}, func(l *lab) {
				l.after(20 * time.Second)
				v := l.Host("hv1").Dial(cdnIP, 1935)
				l.after(30 * time.Second)
				l.servedBy(v, "hv1", "hb")
				if n := l.logged("peer is unwell"); n != 0 {
					l.t.Errorf("unwell %d times before it is dead", n)
				}
				l.Host("hb").SetSilent(true)
				l.after(probeMisses*(tt.probe+2*tt.oneWay+patience) + 10*time.Second) // and until the viewer is reset
				if n := l.logged("peer is unwell"); n != 1 || v.State() != oftest.Reset {
					l.t.Errorf("unwell %d times when it is dead, viewer %v", n, v.State())
				}
			})
		})
	}
}

// TestChannelSlows has the control channel take longer from one moment on. A peer that is there stays well, and one that died at that
// moment is found out.
func TestChannelSlows(t *testing.T) {
	for _, slower := range []time.Duration{100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, 3 * time.Second} {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprint(slower, dies), func(t *testing.T) {
				inLab(t, func(l *lab) { single(l); l.latency = []time.Duration{5 * time.Millisecond} }, func(l *lab) {
					one := l.watch("hv1")
					l.after(30 * time.Second)
					l.slower.Store(int64(slower))
					l.Host("hb").SetSilent(dies)
					want, within := 0, time.Minute
					if dies {
						want = 1
						// The first SYN is a round's; each miss takes as long as the channel, and a wait.
						within = l.c.o.ProbeInterval + probeMisses*(2*slower+2*patience) + time.Second
					}
					l.after(within)
					if n := l.logged("peer is unwell"); n != want {
						l.t.Errorf("unwell %d times after %v", n, within)
					}
					l.after(time.Minute)
					if n := l.logged("peer is unwell"); n != want || (one.State() == oftest.Reset) != dies {
						l.t.Errorf("unwell %d times, viewer %v", n, one.State())
					}
				})
			})
		}
	}
}

// TestPeerBackWithItsSwitch has a dead peer be there again as its switch comes back: it is asked at once, and not only once the switch
// has answered for the last SYN.
func TestPeerBackWithItsSwitch(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.Host("hb").SetSilent(true)
		l.after(20 * time.Second)
		w := &l.c.probes
		w.mu.Lock()
		sent := w.of(endpoint{peerIP, 1935}).sent
		w.mu.Unlock()
		l.after(l.c.o.ProbeInterval*3/4 - l.c.present.now().Sub(sent)) // between two rounds, and the last SYN is not under way
		l.Host("hb").SetSilent(false)
		l.Switch("s1").Disconnect()
		l.after(l.c.o.ProbeInterval / 8)
		if !l.c.Peers()[0].Healthy {
			l.t.Error("it is not known to be well")
		}
	})
}

// TestPeerStarts has a peer be asked before it listens, as a relay that is just starting is: it is known to be well soon after it does.
// One that never does is asked no more often than any other after a while.
func TestPeerStarts(t *testing.T) {
	for _, starts := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 900 * time.Millisecond} {
		t.Run(fmt.Sprint(starts), func(t *testing.T) {
			inLab(t, single, func(l *lab) {
				hv2 := l.Host("hv2")
				if err := l.c.Register(Registration{Peer: stream.Peer{Name: "new", Address: hv2.IP, Port: 1935}}, time.Now()); err != nil {
					l.t.Fatal(err)
				}
				began := time.Now()
				l.after(starts)
				if p := l.c.Peers()[1]; !strings.Contains(p.Why, "listens") {
					l.t.Fatalf("it is not known to refuse: %+v", p)
				}
				hv2.Listen(1935)
				for !l.c.Peers()[1].Healthy && time.Since(began) < 10*time.Second {
					l.after(10 * time.Millisecond)
				}
				// What has passed is waited for once more at most.
				if took := time.Since(began) - starts; took > max(starts, refusedWait)+100*time.Millisecond {
					l.t.Errorf("well %v after it listens, which was after %v", took, starts)
				}
			})
		})
	}
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].Port = 1936 }, func(l *lab) {
		syns := func() (n int) {
			for _, f := range l.Host("hb").Frames() {
				var p packet.Peeked
				if packet.Peek(f, &p) == nil && p.SrcPort == probePort && p.TCPFlags == packet.SYN {
					n++
				}
			}
			return n
		}
		rounds := int(7*time.Second/l.c.o.ProbeInterval) + 1
		if n := syns(); n > 2*rounds {
			l.t.Errorf("asked %d times in the first %d rounds", n, rounds)
		}
		if l.after(10 * l.c.o.ProbeInterval); syns() != 10 {
			l.t.Error("it is not asked once in each round")
		}
	})
}

// TestSilentTogether has the peers behind many switches fall silent at once. Where that passes soon they stay well; else they are all
// dead a second later than one of them would be, who alone is found out as ever.
func TestSilentTogether(t *testing.T) {
	const usual = probeMisses*patience + 2*time.Second + 200*time.Millisecond
	for _, tt := range []struct {
		name          string
		peers, silent int
		lasts, after  time.Duration
		unwell        int
	}{
		{"all for a moment", 8, 8, 5 * patience, 10 * time.Second, 0},
		{"all for good", 8, 8, time.Hour, usual + probeMisses*patience, 8},
		{"all but one", 8, 7, time.Hour, usual + probeMisses*patience, 7},
		{"three of them", 8, 3, time.Hour, usual, 3},
		{"one", 8, 1, time.Hour, usual, 1},
		{"three, who are all", 3, 3, time.Hour, usual, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.AddSwitch("s0", oftest.Options{DPID: 1})
				l.AddHost("hs", "10.0.0.2", "s0", 1, time.Millisecond)
				l.o.Peers = nil
				for i := range tt.peers {
					sw, name := fmt.Sprint("s", i+1), fmt.Sprint("p", i)
					l.AddSwitch(sw, oftest.Options{DPID: ofproto.DPID(i + 2)})
					h := l.AddHost(name, fmt.Sprint("10.0.1.", i+1), sw, 1, time.Millisecond)
					h.Listen(1935)
					l.o.Peers = append(l.o.Peers, stream.Peer{Name: name, Address: h.IP, Port: 1935})
				}
			}, func(l *lab) {
				l.after(10 * time.Second)
				w := &l.c.probes
				asked := func() (some time.Time) {
					w.mu.Lock()
					defer w.mu.Unlock()
					return w.of(endpoint{ofproto.IPv4{10, 0, 1, 1}, 1935}).sent
				}
				for was := asked(); asked() == was; {
					l.after(10 * time.Millisecond)
				}
				l.after(l.c.o.ProbeInterval * 4 / 5) // their turns come soon, one after another
				silence := func(on bool) {
					for i := range tt.silent {
						l.Host(fmt.Sprint("p", i)).SetSilent(on)
					}
				}
				silence(true)
				if tt.lasts < tt.after {
					l.after(tt.lasts)
					silence(false)
				}
				l.after(tt.after)
				if n := l.logged("peer is unwell"); n != tt.unwell {
					l.t.Errorf("%d are unwell, want %d", n, tt.unwell)
				}
			})
		})
	}
}

// TestRefusedAgain has a peer refuse until it is asked no sooner than in the next round, then listen, fall silent and refuse again: it is
// news.
func TestRefusedAgain(t *testing.T) {
	var w prober
	e := endpoint{port: 1}
	const interval = time.Second
	for range 5 {
		w.refused(e, interval)
	}
	if wait, soon := w.refused(e, interval); soon {
		t.Errorf("after six refusals it is asked again in %v", wait)
	}
	w.listens(e)
	if wait, soon := w.refused(e, interval); !soon || wait != refusedWait {
		t.Errorf("after it has listened it is asked again in %v, soon: %v", wait, soon)
	}
}

// TestHeardLate has a peer answer the first of as many SYNs as it may leave unanswered.
func TestHeardLate(t *testing.T) {
	var w prober
	e, now := endpoint{port: 1}, time.Unix(1000, 0)
	var first uint32
	for i := range mostMisses {
		_, seq, _, _ := w.next(e, now, 0, now)
		if i == 0 {
			first = seq
		}
		now = now.Add(time.Second)
	}
	if !w.heard(e, first+1, now) {
		t.Error("an answer to the first is nobody's")
	}
}

// TestNeverHeard has four peers that nobody has ever heard be silent: that is no sign of a controller which does not hear.
func TestNeverHeard(t *testing.T) {
	const peers = 4
	inLab(t, func(l *lab) {
		single(l)
		l.o.Peers = nil
		for i := range peers {
			h := l.AddHost(fmt.Sprint("p", i), fmt.Sprint("10.0.1.", i+1), "s1", ofproto.Port(20+i), time.Millisecond)
			h.SetSilent(true)
			l.o.Peers = append(l.o.Peers, stream.Peer{Name: fmt.Sprint("p", i), Address: h.IP, Port: 1935})
		}
	}, func(l *lab) {
		for i := range peers {
			h := l.Host(fmt.Sprint("p", i))
			l.c.topo.Learn(h.MAC, h.IP, topo.Point{DPID: 1, Port: ofproto.Port(20 + i)}, time.Now())
		}
		l.after((probeMisses+1)*l.c.o.ProbeInterval + time.Second)
		for _, p := range l.c.Peers() {
			if p.Why != "no answer to probes" {
				l.t.Errorf("%s: %q", p.Name, p.Why)
			}
		}
	})
}
