package controller

import (
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/stream"
)

// A client may dial a peer's own address, and by chance from a port from which a connection of its own to a service is served by
// that very peer: the peer could not tell the two from each other, and the way back of the one would rewrite the other's
// answers. So switches show such connections too. They go where they were dialled, as sessions; a connection to a service from
// the same port is then served by another source (see taken). The other way round nothing else than the peer can be what was
// dialled, so the client is told at once that it cannot have that port.

// ownDial finds the peer that was dialled itself, in nobody's place.
func (s *settings) ownDial(e endpoint) (*peer, bool) {
	if _, service := s.services[e]; service {
		return nil, false
	}
	p, ok := s.peers.byService[e]
	return p, ok
}

// own is the service that a peer is to those who dial it itself. It has no name.
func (p *peer) own() stream.Service { return stream.Service{Address: p.Address, Port: p.Port} }

// toPeer is the session of a connection that dialled a peer itself.
func (c *Controller) toPeer(d *datapath, svc *stream.Service, p *peer) *session {
	s := c.newSession(d, svc)
	s.Policy, s.Reason = c.settings().policyOf(svc.Name).Name(), "it dialled the peer itself"
	s.Source.Name, s.peer = p.Name, p
	s.seat()
	c.ownDials.Store(true)
	return s
}

// refuse answers the SYN in hand with a RST, RFC 9293 §3.10.7.1: the client's next try has another port.
func (d *datapath) refuse() {
	p := &d.packet.peek
	d.emit(d.packet.in.InPort, packet.AppendTCP(nil, packet.TCP{
		SrcMAC: p.Dst, SrcIP: p.DstIP, SrcPort: p.DstPort, DstMAC: p.Src, DstIP: p.SrcIP, DstPort: p.SrcPort,
		Ack: p.Seq + 1, Flags: packet.RST | packet.ACK,
	}))
	d.sparingly("colliding ports").WithField("connection", d.tuple()).
		Info("refused: the client's port leads to this peer already, in a service's name")
}
