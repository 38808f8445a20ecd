package controller

import (
	"fmt"
	"testing"
	"time"

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
