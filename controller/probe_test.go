package controller

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// asked notes for whom a switch is told to ask.
func asked(sw *oftest.Switch, about func(ip [4]byte)) {
	sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
		var p packet.Peeked
		if out, ok := m.(*ofproto.PacketOut); ok && packet.Peek(out.Data, &p) == nil && p.EtherType == packet.TypeARP {
			if _, ours := probeNumber(p.Src); ours {
				about(p.DstIP)
			}
		}
		return v
	})
}

// TestProbedThroughItsOwnSwitch has a switch come back where all hosts are known: nobody is asked through another's.
func TestProbedThroughItsOwnSwitch(t *testing.T) {
	inLab(t, line, func(l *lab) {
		l.after(300 * time.Millisecond) // between two rounds of probes
		var here, elsewhere int
		asked(l.Switch("s2"), func([4]byte) { here++ })
		asked(l.Switch("s3"), func([4]byte) { elsewhere++ })
		l.Switch("s2").Disconnect()
		l.after(200 * time.Millisecond)
		if here != 1 || elsewhere != 0 {
			l.t.Errorf("one switch has come back: %d hosts were asked through it and %d through another, want 1 and 0", here, elsewhere)
		}
	})
}

// TestSearchBounded has six hundred peers that nobody knows the place of, and sixty switches: what is asked in a second is bounded,
// and the turn of each comes.
func TestSearchBounded(t *testing.T) {
	const peers, switches = 600, 60
	inLab(t, func(l *lab) {
		for i := range switches {
			l.AddSwitch(fmt.Sprint("s", i), oftest.Options{DPID: ofproto.DPID(i + 1), Ports: []ofproto.Port{1, 2, 3}})
		}
		l.o.Peers = nil
		for i := range peers {
			l.o.Peers = append(l.o.Peers, stream.Peer{Name: fmt.Sprint("p", i), Address: ofproto.IPv4{10, 9, byte(i >> 8), byte(i)}, Port: 1935})
		}
	}, func(l *lab) {
		sum := func() (n int) {
			for _, sw := range l.Switches() {
				n += sw.Received(ofproto.TypePacketOut)
			}
			return n
		}
		const seconds = 10
		before, about := sum(), make(map[[4]byte]bool)
		asked(l.Switch("s7"), func(ip [4]byte) { about[ip] = true })
		l.after(seconds * time.Second)
		if n, most := sum()-before, searchBurst+searchRate*seconds; n > most || n < searchRate*seconds/2 {
			l.t.Errorf("%d searches in %d s, want no more than %d", n, seconds, most)
		}
		for _, sw := range l.Switches() {
			sw.Intercept(nil)
		}
		if len(about) < peers {
			l.t.Errorf("%d of %d peers have been asked for", len(about), peers)
		}
	})
}

// TestHalfProbed has the daemon end between a probe and its answer, which leaves the peer half a connection, while the service's
// host is silent, which would end it. The next daemon does, finds the peer well at once, and no viewer of it is reset.
func TestHalfProbed(t *testing.T) {
	inLab(t, single, func(l *lab) {
		one := l.watch("hv1")
		l.after(time.Second)
		l.Host("hs").SetSilent(true)
		half := func() bool {
			all := l.Host("hb").Accepted()
			return all[len(all)-1].State() == oftest.Dialling
		}
		for begin := time.Now(); !half() && time.Since(begin) < l.c.o.ProbeInterval; {
			l.after(time.Millisecond)
		}
		l.stop()
		l.after(time.Second)
		if !half() {
			l.t.Fatal("the peer has no half connection")
		}
		l.start()
		l.after(time.Second)
		if p := l.c.Peers()[0]; !p.Healthy {
			l.t.Errorf("%+v", p)
		}
		l.after(10 * time.Second)
		if n := l.logged("peer is unwell") + l.logged("session reset"); n != 0 {
			l.t.Errorf("unwell or reset:\n%s", l.dump())
		}
		l.servedBy(one, "hv1", "hb")
	})
}

// TestOddAnswers has a peer answer each SYN by an acknowledgement of its own mind, or another host seem to be the peer and send
// such: neither keeps the controller busy, nor has it send the peer anything.
func TestOddAnswers(t *testing.T) {
	t.Run("the peer's", func(t *testing.T) {
		inLab(t, single, func(l *lab) {
			hb, got := l.Host("hb"), 0
			hb.SetSilent(true)
			for range 20_000 {
				l.after(time.Millisecond)
				for _, f := range hb.Frames() {
					var p packet.Peeked
					if packet.Peek(f, &p) != nil || p.DstPort != 1935 {
						continue
					}
					got++
					if p.TCPFlags == packet.SYN {
						hb.Send(packet.AppendTCP(nil, packet.TCP{
							SrcMAC: hb.MAC, DstMAC: p.Src, SrcIP: hb.IP, DstIP: p.SrcIP, SrcPort: 1935, DstPort: p.SrcPort,
							Seq: 77, Ack: 12345, Flags: packet.ACK, Window: 100,
						}))
					}
				}
			}
			if most := 10 * int(20*time.Second/l.c.o.ProbeInterval); got == 0 || got > most {
				l.t.Errorf("%d segments to the peer, want at most %d", got, most)
			}
		})
	})
	t.Run("another's", func(t *testing.T) {
		inLab(t, single, func(l *lab) {
			hb := l.Host("hb")
			l.after(time.Second)
			saw := func() (n int) {
				for _, f := range hb.Frames() {
					var p packet.Peeked
					if packet.Peek(f, &p) == nil && p.SrcPort == probePort {
						n++
					}
				}
				return n
			}
			saw()
			for n := range 4000 {
				l.Host("hv1").Send(answer(l, n, packet.ACK))
				l.after(time.Millisecond)
			}
			if n, most := saw(), 2*int(4*time.Second/l.c.o.ProbeInterval)+2; n > most {
				l.t.Errorf("%d segments to the peer, want at most %d", n, most)
			}
		})
	})
}

// TestManyPeersOneSwitch has answers come late for a moment, now and then, at a switch with many peers: the round trip is known to
// be less.
func TestManyPeersOneSwitch(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		for i := range 10 {
			h := l.AddHost(fmt.Sprint("p", i), fmt.Sprint("10.0.1.", i+1), "s1", ofproto.Port(20+i), 10*time.Millisecond)
			h.Listen(1935)
			l.o.Peers = append(l.o.Peers, stream.Peer{Name: h.Name, Address: h.IP, Port: 1935})
		}
	}, func(l *lab) {
		l.after(20 * time.Second)
		d, _ := l.c.datapath(1)
		var worst time.Duration
		for range 200 {
			l.atOnce(func() { l.after(50 * time.Millisecond) })
			l.after(time.Millisecond)
			worst = max(worst, d.echo.roundTrip())
			l.after(2013 * time.Millisecond)
		}
		if worst > 5*time.Millisecond {
			l.t.Errorf("round trip %v", worst)
		}
	})
}

// TestBehindTheirRules has a peer be found and probed, and dial the service: what is sent out goes behind the rule for what comes of it,
// and behind a barrier.
func TestBehindTheirRules(t *testing.T) {
	var mu sync.Mutex
	var sent map[flow.Kind][]ofproto.Type // from the first rule of a kind on
	inLab(t, func(l *lab) {
		single(l)
		sent = make(map[flow.Kind][]ofproto.Type)
		l.Switch("s1").Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
			mu.Lock()
			defer mu.Unlock()
			for _, k := range []flow.Kind{flow.KindProbe, flow.KindHandsOff} {
				mod, ok := m.(*ofproto.FlowMod)
				if len(sent[k]) > 0 || ok && flow.Cookie(mod.Cookie).Kind() == k {
					sent[k] = append(sent[k], m.Type())
				}
			}
			return v
		})
	}, func(l *lab) {
		l.Host("hb").Dial(cdnIP, 1935)
		l.after(100 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		want := []ofproto.Type{ofproto.TypeFlowMod, ofproto.TypeBarrierRequest, ofproto.TypePacketOut}
		for _, k := range []flow.Kind{flow.KindProbe, flow.KindHandsOff} {
			if list := sent[k]; len(list) < len(want) || !slices.Equal(list[:len(want)], want) {
				l.t.Errorf("%v: sent %v, want %v first", k, list[:min(len(list), len(want))], want)
			}
		}
	})
}
