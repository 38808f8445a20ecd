package controller

import (
	"maps"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// probeMAC is the locally administered address that answers to ARP probes come back to, each probe's number in its last
// three bytes: an answer is told from one to an earlier probe by the address it is for.
func probeMAC(number uint32) ofproto.MAC {
	return ofproto.MAC{0x02, 'o', 'f', byte(number >> 16), byte(number >> 8), byte(number)}
}

func probeNumber(mac ofproto.MAC) (number uint32, ok bool) {
	return uint32(mac[3])<<16 | uint32(mac[4])<<8 | uint32(mac[5]), mac[0] == 0x02 && mac[1] == 'o' && mac[2] == 'f'
}

type hostProbe struct {
	sent map[uint32]time.Time // the open probes by number
	rtt  leastOf              // control channel included
}

const maxProbeAge = 10 * time.Second // an answer that took longer tells nothing of the delay now

// probeHost asks a host at its port.
func (c *Controller) probeHost(h *topo.Host) {
	if d, ok := c.datapath(h.At.DPID); ok {
		d.emit(h.At.Port, packet.AppendARP(nil, packet.ARP{
			Op: packet.ARPRequest, SenderMAC: probeMAC(c.probes.ask(h.IP, time.Now())), TargetIP: h.IP, Dst: h.MAC,
		}))
	}
}

// ask numbers a new probe for an address.
func (w *prober) ask(ip ofproto.IPv4, now time.Time) uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hosts == nil {
		w.hosts = make(map[ofproto.IPv4]*hostProbe)
	}
	h, ok := w.hosts[ip]
	if !ok {
		h = &hostProbe{sent: make(map[uint32]time.Time)}
		w.hosts[ip] = h
	}
	w.asks = (w.asks + 1) & 0xffffff
	maps.DeleteFunc(h.sent, func(_ uint32, sent time.Time) bool { return now.Sub(sent) > maxProbeAge })
	h.sent[w.asks] = now
	return w.asks
}

// answered returns the host's one-way delay by this and the last few answers, less the control channel's round trip.
func (w *prober) answered(ip ofproto.IPv4, number uint32, now time.Time, control time.Duration) (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h, ok := w.hosts[ip]
	if !ok {
		return 0, false
	}
	sent, open := h.sent[number]
	if !open {
		return 0, false
	}
	clear(h.sent)
	return positive((h.rtt.add(now.Sub(sent)) - control) / 2), true
}

// arpAnswer handles the ARP packet in hand if it answers a probe.
func (d *datapath) arpAnswer() bool {
	p := &d.packet.peek
	number, ours := probeNumber(p.Dst)
	if p.ARPOp != packet.ARPReply || !ours {
		return false
	}
	delay, ok := d.c.probes.answered(p.SrcIP, number, time.Now(), d.echo.roundTrip())
	if !ok {
		return true
	}
	d.c.topo.SetHostDelay(p.Src, delay)
	d.c.learnSoon(p.SrcIP)
	if relay, ok := d.c.settings().peers.byAddress[p.SrcIP]; ok && relay.health.Load() == unprobed {
		d.c.probePeer(d.c.topo.Load(), relay, d.c.o.ProbeInterval/2)
	}
	return true
}

// askAgain is how soon a host is asked once more that has not given as many answers yet as its delay is the least of: the first
// may be late for any reason, and viewers are sent elsewhere for it.
const askAgain = 150 * time.Millisecond

// isNew reports whether an address has not given that many answers yet.
func (w *prober) isNew(ip ofproto.IPv4) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	h, ok := w.hosts[ip]
	return ok && !h.rtt.full()
}

// learnSoon asks a host that is new once more, soon. Its answer has it asked again.
func (c *Controller) learnSoon(ip ofproto.IPv4) {
	if !c.probes.isNew(ip) {
		return
	}
	c.later(askAgain, func() {
		snap := c.topo.Load()
		if h, ok := snap.HostByIP(ip); ok && attached(snap, h) && c.probes.isNew(ip) {
			c.probeHost(h)
		}
	})
}
