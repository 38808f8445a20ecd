package scale

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// A prober is a switch with two hosts that takes no rules for what they send each other, so that every packet comes up. It
// tells what a packet-in costs and how late it is served.
type prober struct {
	t  *testing.T
	sw *oftest.Switch

	mu     sync.Mutex
	sent   []time.Time // by number of the packet
	took   []time.Duration
	served atomic.Int64
	next   func() // called for each packet that is served
}

const (
	proberDPID = 0xffff
	seqAt      = 14 + 20 + 4 // of the TCP sequence number in a frame, which numbers the packet
)

var proberHosts = [2]struct {
	mac ofproto.MAC
	ip  ofproto.IPv4
}{{ofproto.MAC{6, 1}, ofproto.IPv4{10, 254, 0, 1}}, {ofproto.MAC{6, 2}, ofproto.IPv4{10, 254, 0, 2}}}

// startProber connects a prober, whose hosts are known when it returns.
func startProber(ctx context.Context, t *testing.T, d *daemon) *prober {
	t.Helper()
	p := &prober{t: t}
	p.sw = oftest.NewSwitch(oftest.Options{DPID: proberDPID, Ports: []ofproto.Port{1, 2}, Egress: p.arrived})
	p.sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
		if mod, ok := m.(*ofproto.FlowMod); ok && flow.Cookie(mod.Cookie).Kind() == flow.KindPair {
			v.Do = oftest.Swallow
		}
		return v
	})
	go p.sw.Run(ctx, d.dial)
	await(t, "the prober is connected", 10*time.Second, p.sw.Connected)
	await(t, "the prober's hosts are known", 10*time.Second, func() bool {
		for i, h := range proberHosts {
			p.sw.Receive(ofproto.Port(i+1), packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: h.mac, SenderIP: h.ip, TargetIP: h.ip}))
		}
		p.send()
		time.Sleep(50 * time.Millisecond)
		return p.served.Load() > 0
	})
	return p
}

// send has the first host send the second a packet of 60 bytes.
func (p *prober) send() {
	p.mu.Lock()
	n := len(p.sent)
	p.sent = append(p.sent, time.Now())
	p.took = append(p.took, 0)
	p.mu.Unlock()
	p.sw.Receive(1, packet.AppendTCP(nil, packet.TCP{
		SrcMAC: proberHosts[0].mac, DstMAC: proberHosts[1].mac, SrcIP: proberHosts[0].ip, DstIP: proberHosts[1].ip,
		SrcPort: 5000, DstPort: 5001, Seq: uint32(n), Flags: packet.ACK,
	}))
}

// arrived takes what leaves the switch.
func (p *prober) arrived(e oftest.Egress) {
	var k packet.Peeked
	if e.Port != 2 || packet.Peek(e.Frame, &k) != nil || k.Proto != packet.ProtoTCP {
		return
	}
	n := binary.BigEndian.Uint32(e.Frame[seqAt:])
	p.mu.Lock()
	if int(n) >= len(p.sent) { // a straggler of what was before
		p.mu.Unlock()
		return
	}
	p.took[n] = max(1, time.Since(p.sent[n]))
	next := p.next
	p.mu.Unlock()
	p.served.Add(1)
	if next != nil {
		next()
	}
}

// cost is the daemon's processor time for a packet-in, with 64 outstanding: the least of several runs, as whatever else the
// daemon does meanwhile only adds to it.
func (p *prober) cost(d *daemon) time.Duration {
	p.t.Helper()
	const runs, packets, outstanding = 7, 200_000, 64
	var costs []time.Duration
	for range runs {
		var asked atomic.Int64
		first, cpu := p.served.Load(), d.cpu()
		p.set(func() {
			if asked.Add(1) <= packets-outstanding {
				p.send()
			}
		})
		for range outstanding {
			p.send()
		}
		await(p.t, "all packets are served", time.Minute, func() bool { return p.served.Load() == first+packets })
		p.set(nil)
		costs = append(costs, (d.cpu()-cpu)/packets)
	}
	p.t.Logf("processor time of the daemon for a packet-in: %v", costs)
	return slices.Min(costs)
}

func (p *prober) set(next func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.sent, p.took = next, p.sent[:0:0], p.took[:0:0]
}

// during sends a packet each millisecond while do runs and a little before and after, and returns how long the slowest took.
func (p *prober) during(do func()) time.Duration {
	p.t.Helper()
	const pause = 20 * time.Millisecond
	p.set(nil)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				p.send()
			}
		}
	}()
	time.Sleep(pause)
	do()
	time.Sleep(pause)
	close(stop)
	<-stopped
	var took []time.Duration
	await(p.t, "all packets are served", 10*time.Second, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		took = slices.Clone(p.took)
		return !slices.Contains(took, 0)
	})
	return slices.Max(took)
}

// median returns the middle one.
func median[T cmp.Ordered](all []T) T {
	s := slices.Sorted(slices.Values(all))
	return s[len(s)/2]
}
