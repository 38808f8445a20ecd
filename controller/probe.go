package controller

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// The controller has no address in the network it runs. It asks as others would: for a host by ARP from nobody (RFC 5227
// §2.1.1, which any host answers), for a peer's service by a SYN that seems to come from the service the peer stands in for.

// probeMAC is the locally administered address that answers to ARP probes come back to, each probe's number in its last
// three bytes: an answer is told from one to an earlier probe by the address it is for.
func probeMAC(number uint32) ofproto.MAC {
	return ofproto.MAC{0x02, 'o', 'f', byte(number >> 16), byte(number >> 8), byte(number)}
}

func probeNumber(mac ofproto.MAC) (number uint32, ok bool) {
	return uint32(mac[3])<<16 | uint32(mac[4])<<8 | uint32(mac[5]), mac[0] == 0x02 && mac[1] == 'o' && mac[2] == 'f'
}

const (
	probePort   = 61535 // source port of SYN probes, above Linux's ephemeral range (32768-60999)
	probeMisses = 3     // answers in a row that must be missing before a peer is unwell
)

// prober remembers what was asked and when. Its zero value is ready.
type prober struct {
	mu       sync.Mutex
	asks     uint32
	hosts    map[ofproto.IPv4]*hostProbe
	peers    map[endpoint]*peerProbe
	searches bucket
	turn     int // whose it is to be searched for, among those whose place is unknown
}

type hostProbe struct {
	sent map[uint32]time.Time // the open probes by number
	rtt  leastOf              // control channel included
}

const maxProbeAge = 10 * time.Second // an answer that took longer tells nothing of the delay now

// searchRound asks, at all switches, for the services and peers whose place nobody knows, and for viewers of before where they should
// be, and forgets who was not heard of.
func (c *Controller) searchRound(now time.Time) {
	c.seconds.Store(now.Unix())
	c.expireRegistrations(c.present.at(now))
	c.streams.Expire(c.present.at(now))
	snap := c.topo.Load()
	c.search(snap, c.settings().lost(snap), c.up(), now)
	c.seekUnseen(snap, now)
	c.missPeers(snap)
	c.parted(c.settings().peers.former)
}

// probe asks at the switches whose turn it is for the services and peers there: how far they are, and of peers whether they serve.
func (c *Controller) probe(_ time.Time, due func(*datapath) bool) {
	switches := slices.DeleteFunc(c.up(), func(d *datapath) bool { return !due(d) })
	if len(switches) > 0 {
		c.probeThrough(switches)
	}
}

// probeThrough asks for what is at some switches.
func (c *Controller) probeThrough(switches []*datapath) {
	snap, here := c.topo.Load(), make(map[ofproto.DPID]bool, len(switches))
	for _, d := range switches {
		here[d.dpid] = true
	}
	for _, ip := range c.settings().probedHosts() {
		if h, ok := snap.HostByIP(ip); ok && attached(snap, h) && here[h.At.DPID] {
			c.probeHost(h)
		}
	}
	for _, p := range c.settings().peers.probed() {
		if h, ok := snap.HostByIP(p.Address); ok && here[h.At.DPID] {
			c.probePeer(snap, p, c.o.ProbeInterval/2)
		}
	}
	for _, d := range switches {
		// What is measured through a switch is only as good as what is known of the way to it; and a SYN of this round is only known
		// to have been sent out by the answer to what was asked after it.
		d.ping(time.Now())
	}
}

// probedHosts is where services and peers are.
func (s *settings) probedHosts() []ofproto.IPv4 {
	seen := make(map[ofproto.IPv4]bool)
	var list []ofproto.IPv4
	add := func(ip ofproto.IPv4) {
		if !seen[ip] {
			seen[ip] = true
			list = append(list, ip)
		}
	}
	for _, svc := range s.Services {
		add(svc.Address)
	}
	for _, p := range s.peers.probed() {
		add(p.Address)
	}
	return list
}

// lost is those of them whose place nobody knows.
func (s *settings) lost(snap *topo.Snapshot) []ofproto.IPv4 {
	return slices.DeleteFunc(s.probedHosts(), func(ip ofproto.IPv4) bool {
		h, ok := snap.HostByIP(ip)
		return ok && attached(snap, h)
	})
}

// probeHost asks a host at its port.
func (c *Controller) probeHost(h *topo.Host) {
	if d, ok := c.datapath(h.At.DPID); ok {
		d.emit(h.At.Port, packet.AppendARP(nil, packet.ARP{
			Op: packet.ARPRequest, SenderMAC: probeMAC(c.probes.ask(h.IP, time.Now())), TargetIP: h.IP, Dst: h.MAC,
		}))
	}
}

// A search asks for an address at every edge port of a switch. With hundreds of switches and of peers these are many.
const (
	searchRate  = 10_000 // searches a second
	searchBurst = 10_000
)

// search asks for addresses of which nobody knows the place at every edge port of some switches. For which there is no time now,
// it is their turn first the next time.
func (c *Controller) search(snap *topo.Snapshot, lost []ofproto.IPv4, switches []*datapath, now time.Time) {
	lost = c.probes.due(lost, len(switches), now)
	if len(lost) == 0 {
		return
	}
	frames := make([][]byte, len(lost))
	for i, ip := range lost {
		frames[i] = packet.AppendARP(nil, packet.ARP{
			Op: packet.ARPRequest, SenderMAC: probeMAC(c.probes.ask(ip, time.Now())), TargetIP: ip,
		})
	}
	for _, d := range switches {
		var edges []ofproto.Action
		if sw, ok := snap.Switch(d.dpid); ok {
			for _, p := range sw.Ports {
				if p.Up && !p.IsLink() {
					edges = append(edges, ofproto.Output{Port: p.No})
				}
			}
		}
		for some := range slices.Chunk(edges, maxOutputs) {
			for _, frame := range frames {
				_ = d.conn.Write(d.nextXID(), &ofproto.PacketOut{
					BufferID: ofproto.NoBuffer, InPort: ofproto.PortNone, Actions: some, Data: frame,
				})
			}
		}
		d.kick()
	}
}

const maxOutputs = 4096 // actions of one message, which has 64 KiB

// due is those of some addresses that may be searched for on so many switches now.
func (w *prober) due(lost []ofproto.IPv4, switches int, now time.Time) (due []ofproto.IPv4) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(lost) == 0 || switches == 0 {
		return nil
	}
	from := w.turn % len(lost)
	for len(due) < len(lost) && w.searches.spend(float64(min(switches, searchBurst)), now, searchRate, searchBurst) {
		due = append(due, lost[(from+len(due))%len(lost)])
	}
	w.turn = from + len(due)
	return due
}

// attached reports whether the port that a host was seen at is still up. Where it is not, the host may be anywhere.
func attached(snap *topo.Snapshot, h *topo.Host) bool {
	sw, ok := snap.Switch(h.At.DPID)
	return ok && sw.Ports[h.At.Port].Up
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

// forget drops what was asked of addresses and peers that are not asked any more.
func (w *prober) forget(now *settings) {
	asked := make(map[ofproto.IPv4]bool)
	for _, ip := range now.probedHosts() {
		asked[ip] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.hosts, func(ip ofproto.IPv4, _ *hostProbe) bool { return !asked[ip] })
	maps.DeleteFunc(w.peers, func(e endpoint, _ *peerProbe) bool { return !now.peers.probes(e) })
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

// probePeer sends a SYN to a peer's service. Its answer is caught on the peer's own switch before it could reach the
// service it seems to be for.
//
// It is not due while the one before it may still be under way, or has not been sent out yet. It returns the switch that it
// went through, nil where it was not sent.
func (c *Controller) probePeer(snap *topo.Snapshot, p *peer, underWay time.Duration) (through *datapath) {
	h, ok := snap.HostByIP(p.Address)
	svc, served := c.anyService()
	if !ok || !served {
		return nil
	}
	sw, _ := snap.Switch(h.At.DPID)
	d, up := c.datapath(h.At.DPID)
	if !up {
		return nil // its switch is away: nothing is known, and nothing is concluded
	}
	if sw == nil || !sw.Ports[h.At.Port].Up {
		c.peerIs(p, &health{why: "its port is down"})
		return nil
	}
	wait := c.probes.patience(p.Address, c.o.ProbeInterval)
	last, seq, misses, due := c.probes.next(p.endpoint(), c.present.now(), underWay, d.echo.heeded())
	if !due {
		return nil
	}
	if misses >= probeMisses {
		c.peerIs(p, &health{why: "no answer to probes"})
	}
	d.table.install([]flow.Rule{steer.Probe(p.Peer, svc, probePort)}, "", nil)
	d.table.sealed() // the answer must not be there before the rule
	if misses > 0 {  // an answer that was lost left the peer with half a connection, which would swallow the next SYN
		d.emit(h.At.Port, c.probeSegment(snap, p, h, svc, packet.TCP{Seq: last + 1, Flags: packet.RST}))
	}
	d.emit(h.At.Port, c.probeSegment(snap, p, h, svc, packet.TCP{Seq: seq, Flags: packet.SYN, Window: 1024}))
	if p.health.Load().ok {
		c.later(wait, func() { c.probeAgain(p, seq, wait) })
	}
	return d
}

// probeAlone is probePeer of one that was well, between the rounds: what its switch answers then tells that it has sent out the SYN.
func (c *Controller) probeAlone(p *peer, underWay time.Duration) {
	if d := c.probePeer(c.topo.Load(), p, underWay); d != nil && p.health.Load().ok {
		d.ping(time.Now())
	}
}

// anyService is the service that peers are probed in the name of. They stand in for all of them.
func (c *Controller) anyService() (stream.Service, bool) {
	services := c.settings().Services
	if len(services) == 0 {
		return stream.Service{}, false
	}
	return services[0], true
}

// probeSegment is a segment that seems to come from the service to the peer.
func (c *Controller) probeSegment(snap *topo.Snapshot, p *peer, h *topo.Host, svc stream.Service, t packet.TCP) []byte {
	t.SrcMAC, t.DstMAC = probeMAC(0), h.MAC
	if s, ok := snap.HostByIP(svc.Address); ok {
		t.SrcMAC = s.MAC
	}
	t.SrcIP, t.DstIP, t.SrcPort, t.DstPort = svc.Address, p.Address, probePort, p.Port
	return packet.AppendTCP(nil, t)
}

// probeAnswer handles the TCP packet in hand if it answers a SYN probe: a SYN-ACK means that the peer serves, a RST that
// nobody listens there.
func (d *datapath) probeAnswer() bool {
	p := &d.packet.peek
	if p.DstPort != probePort || p.TCPFlags&packet.ACK == 0 {
		return false
	}
	from := endpoint{p.SrcIP, p.SrcPort}
	relay, ok := d.c.settings().peers.at[from]
	svc, served := d.c.anyService()
	if !ok || !served || p.DstIP != svc.Address {
		return false
	}
	heard, rst := d.c.probes.heard(from, p.Ack), p.TCPFlags&packet.RST != 0
	switch {
	case rst && heard:
		d.c.refused(relay)
		return true
	case !heard && !d.within(classProbe, steer.Probe(relay.Peer, svc, probePort).Match, d.now), rst:
		return true
	}
	snap := d.c.topo.Load()
	h, ok := snap.HostByIP(relay.Address)
	if !heard && (!ok || h.At != topo.Point{DPID: d.dpid, Port: d.packet.in.InPort}) {
		return true // whoever says so, it is not the peer
	}
	if ok {
		d.emit(h.At.Port, d.c.probeSegment(snap, relay, h, svc, packet.TCP{Seq: p.Ack, Flags: packet.RST}))
	}
	if heard {
		d.c.peerIs(relay, &health{ok: true})
	} else if seq, open := d.c.probes.once(from); open { // half a connection, of an earlier run maybe, has swallowed it
		d.emit(h.At.Port, d.c.probeSegment(snap, relay, h, svc, packet.TCP{Seq: seq, Flags: packet.SYN, Window: 1024}))
	}
	return true
}

// peerIs notes how a peer stands, and says so where that is news.
func (c *Controller) peerIs(p *peer, now *health) {
	was := p.health.Swap(now)
	if was.ok == now.ok && was != unprobed {
		return
	}
	log := c.log.WithField("peer", p.Name)
	if now.ok {
		log.Info("peer is well")
		p.well.give()
		return
	}
	log.WithField("why", now.why).Warn("peer is unwell")
	if named := c.settings().peers.byName[p.Name]; named == nil || named.standing == p.standing {
		c.gone(p)
	}
	if !c.o.KeepOrphans {
		c.resetSessionsOf(p)
	}
}
