package controller

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestNewHostIsAskedSoon has the first answer of a host that has just registered come late, as on a busy machine: within a second its
// line is known for what it is. Then it is asked no more often than any other.
func TestNewHostIsAskedSoon(t *testing.T) {
	inLab(t, single, func(l *lab) {
		h := l.Host("hv2")
		var n atomic.Int32
		h.Listen(1935)
		l.Switch("s1").Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
			var p packet.Peeked
			if out, ok := m.(*ofproto.PacketOut); ok && packet.Peek(out.Data, &p) == nil && p.EtherType == packet.TypeARP && p.DstIP == h.IP {
				if n.Add(1) == 1 {
					time.Sleep(40 * time.Millisecond)
				}
			}
			return v
		})
		if err := l.c.Register(Registration{Peer: stream.Peer{Name: "new", Address: h.IP, Port: 1935}}, time.Now()); err != nil {
			l.t.Fatal(err)
		}
		delay := func() time.Duration {
			known, _ := l.c.topo.Load().HostByIP(h.IP)
			return known.Delay
		}
		if l.after(100 * time.Millisecond); delay() < 20*time.Millisecond {
			l.t.Fatalf("first measured as %v", delay())
		}
		if l.after(900 * time.Millisecond); delay() > 6*time.Millisecond {
			l.t.Errorf("measured as %v after a second, want 5 ms", delay())
		}
		l.after(time.Second)
		n.Store(0)
		if l.after(6 * l.c.o.ProbeInterval); n.Load() != 6 {
			l.t.Errorf("asked %d times in 6 rounds", n.Load())
		}
	})
}
