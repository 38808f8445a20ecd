package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestLinkDelay has links measured although the control channels are slow, and each differently.
func TestLinkDelay(t *testing.T) {
	slow := func(l *lab) {
		line(l)
		l.latency = []time.Duration{10 * time.Millisecond, 25 * time.Millisecond, 40 * time.Millisecond}
	}
	inLab(t, slow, func(l *lab) {
		want := map[topo.Point]time.Duration{
			{DPID: 1, Port: 10}: 5 * time.Millisecond, {DPID: 2, Port: 11}: 5 * time.Millisecond,
			{DPID: 2, Port: 10}: 50 * time.Millisecond, {DPID: 3, Port: 11}: 50 * time.Millisecond,
		}
		links := l.c.Topology().Links()
		if len(links) != len(want) {
			l.t.Errorf("%d links, want %d", len(links), len(want))
		}
		for _, k := range links {
			if d := (k.Delay - want[k.From]).Abs(); d > 100*time.Microsecond {
				l.t.Errorf("from %v to %v: %v, want %v", k.From, k.To, k.Delay, want[k.From])
			}
		}
		if h, ok := l.c.Topology().HostByIP(peerIP); !ok || (h.Delay-2*time.Millisecond).Abs() > 100*time.Microsecond {
			l.t.Errorf("peer: %+v, want a delay of 2 ms", h)
		}
	})
}

// TestForgedLLDP has a host send discovery packets that are not the controller's: another key's, a changed one, an old
// one, one that was never sent or another port's, and one of another sort. None draws a link.
func TestForgedLLDP(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.after(30 * time.Second)
		fresh := func() packet.LLDP {
			return packet.LLDP{
				DPID: 1, Port: 4, TTL: 15, Nonce: l.c.links.ask(topo.Point{DPID: 1, Port: 4}), Timestamp: int64(time.Since(l.c.epoch)),
			}
		}
		later := func(d time.Duration) packet.LLDP {
			p := fresh()
			p.Timestamp += int64(d)
			return p
		}
		for name, forge := range map[string]func() []byte{
			"another key": func() []byte { return packet.AppendLLDP(nil, fresh(), []byte("guessed")) },
			"changed": func() []byte {
				f := packet.AppendLLDP(nil, fresh(), l.c.secret)
				f[40]++
				return f
			},
			"old": func() []byte { return packet.AppendLLDP(nil, later(-20*time.Second), l.c.secret) },
			"never sent": func() []byte {
				p := fresh()
				p.Nonce += 1 << 40
				return packet.AppendLLDP(nil, p, l.c.secret)
			},
			"without a nonce": func() []byte {
				p := fresh()
				p.Nonce = 0
				return packet.AppendLLDP(nil, p, l.c.secret)
			},
			"another port's nonce": func() []byte {
				p := fresh()
				p.Nonce = l.c.links.ask(topo.Point{DPID: 1, Port: 2})
				return packet.AppendLLDP(nil, p, l.c.secret)
			},
			"future": func() []byte { return packet.AppendLLDP(nil, later(time.Second), l.c.secret) },
			"a server's": func() []byte {
				return append([]byte{1, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 9, 0x88, 0xcc, 2, 7, 4, 1, 2, 3, 4, 5, 6}, make([]byte, 40)...)
			},
		} {
			was := l.metric("ofctl_lldp_rejected_total")
			l.Host("hv1").Send(forge())
			l.after(time.Second)
			if n := len(l.c.Topology().Links()); n != 0 {
				l.t.Errorf("%s: %d links", name, n)
			}
			if l.metric("ofctl_lldp_rejected_total") != was+1 {
				l.t.Errorf("%s: not counted", name)
			}
		}
		l.servedBy(l.watch("hv1"), "hv1", "hb")
		l.Host("hv1").Send(packet.AppendLLDP(nil, fresh(), l.c.secret)) // which shows that the above are refused for their faults
		l.after(time.Second)
		if n := len(l.c.Topology().Links()); n != 1 {
			l.t.Errorf("a genuine one draws %d links, want 1", n)
		}
	})
}

// TestReplayedLLDP has a host repeat a discovery packet that was heard before, and one that a newer has overtaken: the link that
// they tell of does not move to where the host is.
func TestReplayedLLDP(t *testing.T) {
	inLab(t, line, func(l *lab) {
		genuine := func() []byte {
			return packet.AppendLLDP(nil, packet.LLDP{
				DPID: 1, Port: 10, TTL: 15, Nonce: l.c.links.ask(topo.Point{DPID: 1, Port: 10}), Timestamp: int64(time.Since(l.c.epoch)),
			}, l.c.secret)
		}
		overtaken, heard := genuine(), genuine()
		if out := l.Switch("s2").Receive(11, heard); len(out) != 0 {
			l.t.Fatalf("it leaves by %v", out)
		}
		l.after(100 * time.Millisecond)
		was := l.metric("ofctl_lldp_rejected_total")
		for _, f := range [][]byte{heard, overtaken, heard} {
			l.Host("hs").Send(f)
		}
		l.after(100 * time.Millisecond)
		sw, _ := l.c.Topology().Switch(1)
		if got, want := sw.Ports[10].Peer, (topo.Point{DPID: 2, Port: 11}); got != want {
			l.t.Errorf("the link leads to %v, want %v", got, want)
		}
		if n := l.metric("ofctl_lldp_rejected_total") - was; n != 3 {
			l.t.Errorf("%v are counted, want 3", n)
		}
		l.after(time.Second)
		l.servedBy(l.watch("hv1"), "hv1", "hb")
	})
}

// TestNewPort plugs a switch in while all runs: it is probed at once and not only at the next round.
func TestNewPort(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.AddSwitch("s2", oftest.Options{DPID: 2})
		go l.Switch("s2").Run(l.ctx, l.dial)
		l.after(500 * time.Millisecond)
		l.Join("s1", 20, "s2", 20, time.Millisecond)
		l.after(10 * time.Millisecond)
		if n := len(l.c.Topology().Links()); n != 2 {
			l.t.Errorf("%d links after 10 ms, want both ways", n)
		}
		l.Switch("s1").RemovePort(20)
		l.after(10 * time.Millisecond)
		if n := len(l.c.Topology().Links()); n != 0 {
			l.t.Errorf("%d links 10 ms after the port is gone", n)
		}
	})
}

// TestNoncesForgotten has a port come and go for long: nothing is kept of those that are gone.
func TestNoncesForgotten(t *testing.T) {
	inLab(t, single, func(l *lab) {
		was := len(l.c.links.open)
		for no := ofproto.Port(100); no < 150; no++ {
			l.Switch("s1").AddPort(no)
			l.after(100 * time.Millisecond)
			l.Switch("s1").RemovePort(no)
			l.after(100 * time.Millisecond)
		}
		l.c.links.mu.Lock()
		defer l.c.links.mu.Unlock()
		if n := len(l.c.links.open); n != was || was == 0 {
			l.t.Errorf("nonces of %d ports are kept, want %d", n, was)
		}
	})
}
