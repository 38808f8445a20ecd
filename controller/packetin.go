package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// packetIn handles one packet that the switch did not know what to do with. With all hosts known it takes no lock that
// another switch needs, allocates nothing and logs nothing.
func (d *datapath) packetIn(frame []byte) error {
	s := &d.packet
	s.counted = false
	if err := s.in.DecodeBody(frame[ofproto.HeaderLen:]); err != nil {
		d.metrics.malformed.Inc()
		return d.complain(frame, err)
	}
	if packet.Peek(s.in.Data, &s.peek) == packet.ErrEthernet {
		d.unheeded()
		return nil // no addresses: nothing can be done with it, nor learnt from it
	}
	if s.peek.EtherType == packet.TypeLLDP {
		d.c.heardLLDP(d, s.in.InPort, s.in.Data)
		return nil
	}
	if s.in.InPort >= ofproto.PortMax {
		d.unheeded()
		return nil // the switch's own stack; it has no place on the map
	}
	if _, ours := probeNumber(s.peek.Src); ours {
		d.unheeded()
		return nil // a probe that crossed a link which is not known yet: nobody is there who sent it
	}
	if s.peek.Dst == steer.CopyMAC {
		d.overheard()
		return nil
	}
	snap, ok := d.learn(d.c.topo.Load(), topo.Point{DPID: d.dpid, Port: s.in.InPort})
	if !ok {
		return nil
	}
	switch {
	case s.peek.EtherType == packet.TypeARP && s.peek.ARPOp != 0:
		if !d.mayPass(time.Now()) {
			return nil
		}
		return d.arp(snap)
	case s.peek.Proto == packet.ProtoTCP && s.peek.EtherType == packet.TypeIPv4 && !s.peek.Fragment:
		if d.probeAnswer() {
			return nil
		}
		if svc, own := d.dialled(); svc != nil {
			return d.connection(snap, svc, own)
		}
		switch c, ok := d.wayBack(snap); {
		case !ok:
			return nil
		case c != nil:
			return c.again(d, snap)
		}
	}
	return d.forward(snap)
}

// dialled is the service that the packet in hand is for; own is the peer that its client dials itself, where that is so.
func (d *datapath) dialled() (svc *stream.Service, own *peer) {
	p, now := &d.packet.peek, d.c.settings()
	if p.Proto != packet.ProtoTCP || p.EtherType != packet.TypeIPv4 || p.Fragment {
		return nil, nil
	}
	at := endpoint{p.DstIP, p.DstPort}
	if svc, ok := now.services[at]; ok {
		return svc, nil
	}
	if own, ok := now.peers.byService[at]; ok {
		svc := own.own()
		return &svc, own
	}
	return nil, nil
}

// learn takes from the packet where its sender is, and returns the snapshot to go on with; ok is false where its port has
// sent too many new ones. An ARP packet claims its address; any other IPv4 packet only names one where none is known yet,
// since a gateway's packets carry everybody's.
func (d *datapath) learn(snap *topo.Snapshot, at topo.Point) (next *topo.Snapshot, ok bool) {
	p := &d.packet.peek
	ip := ofproto.IPv4(p.SrcIP)
	h, known := snap.Host(p.Src)
	switch {
	case p.EtherType == packet.TypeARP:
	case known && h.IP != (ofproto.IPv4{}):
		ip = ofproto.IPv4{}
	default:
		if owner, taken := snap.HostByIP(ip); taken && owner.MAC != ofproto.MAC(p.Src) {
			ip = ofproto.IPv4{}
		}
	}
	d.packet.sender = h
	if known && h.At == at && (ip == ofproto.IPv4{} || h.IP == ip) {
		h.Heard(d.c.seconds.Load())
		return snap, true
	}
	if snap.IsLink(at) {
		return snap, true // other switches' hosts
	}
	c, now := d.c, time.Now()
	if !d.mayPass(now) {
		return snap, false
	}
	l := c.topo.Learn(p.Src, ip, at, now)
	switch {
	case l.Conflict != nil:
		c.metrics.conflicts.Inc()
		d.sparingly("address claimed").WithField("ip", ip).WithField("mac", ofproto.MAC(p.Src)).WithField("was", l.Conflict.MAC).Warn("address claimed by a second host")
	case l.Moved:
		d.sparingly("host moved").WithField("mac", ofproto.MAC(p.Src)).WithField("from", l.Was).WithField("to", at).Info("host moved")
		c.hostMoved(p.Src, l.Was)
	case l.New:
		d.log.WithField("mac", ofproto.MAC(p.Src)).WithField("ip", ip).WithField("at", at).Debug("host learnt")
		c.hostAppeared(p.Src)
		if at, n := c.topo.EvictHosts(maxHosts); n > 0 {
			c.sparingly(c.log, "hosts forgotten", at.String()).WithField("dpid", at).WithField("hosts", n).Warn("too many hosts: those of the switch that has most make room")
		}
	}
	snap = c.topo.Load()
	d.packet.sender, _ = snap.Host(p.Src)
	return snap, true
}

// output is the action list that sends out of one port, built once for each.
func (s *scratch) output(port ofproto.Port) []ofproto.Action {
	a, ok := s.actions[port]
	if !ok {
		a = []ofproto.Action{ofproto.Output{Port: port}}
		s.actions[port] = a
	}
	return a
}

// send has the switch do actions to the packet in hand.
func (d *datapath) send(actions []ofproto.Action) error {
	s := &d.packet
	s.out = ofproto.PacketOut{BufferID: ofproto.NoBuffer, InPort: s.in.InPort, Actions: actions, Data: s.in.Data}
	return d.conn.Write(d.nextXID(), &s.out)
}

// emit has a switch send a packet of the controller's own out of a port.
func (d *datapath) emit(port ofproto.Port, frame []byte) {
	_ = d.conn.Write(d.nextXID(), &ofproto.PacketOut{
		BufferID: ofproto.NoBuffer, InPort: ofproto.PortNone, Actions: []ofproto.Action{ofproto.Output{Port: port}}, Data: frame,
	})
	d.kick()
}
