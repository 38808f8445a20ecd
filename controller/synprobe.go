package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
)

const (
	probePort   = 61535           // source port of SYN probes, above Linux's ephemeral range (32768-60999)
	probeMisses = 3               // answers in a row that must be missing before a peer is unwell
	mostMisses  = 2 * probeMisses // where it may be the controller that does not hear
)

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
	doubted := p.health.Load().ok && c.probes.together(p.endpoint(), c.o.ProbeInterval)
	if misses >= mostMisses || misses >= probeMisses && !doubted {
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
	heard, rst := d.c.probes.heard(from, p.Ack, d.c.present.now()), p.TCPFlags&packet.RST != 0
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
		d.c.probes.listens(from)
		d.c.peerIs(relay, well)
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
