package controller

import (
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A connection whose source is gone would leave its viewer hanging for minutes. It is ended instead, from outside: a SYN
// that seems to come from the service makes the viewer's kernel answer with the very sequence number it waits for (the
// challenge ACK of RFC 5961 §4.2), and a RST with that number ends the connection at once (§3.2). The player fails fast and
// its next connection is decided anew.

const (
	resetTries  = 20
	resetEvery  = 100 * time.Millisecond // between tries
	resetLater  = time.Second            // while the client's switch is away: that counts as no try
	hangUpTries = 3                      // of a connection that may long be over
	// hangUpEvery is between those: Linux gives one answer in half a second, and may have just given one.
	hangUpEvery = 600 * time.Millisecond

	// resetLinger is how long a connection that has been ended is remembered: its segments that were still under way would
	// else be taken for those of a connection that nobody saw begin.
	resetLinger = time.Second
)

// resetSessionsOf ends the sessions that a peer serves where it is, under whatever name. One of its name that has moved may still
// serve those of before at its old address. Of those that have been closed one end may still wait for the other.
func (c *Controller) resetSessionsOf(p *peer) {
	n := 0
	for _, s := range c.remembered(func(s *session) bool {
		return s.peer != nil && s.Source.Address == p.Address && s.Source.Port == p.Port
	}) {
		if !s.hangUp() && s.reset("its source is gone") {
			n++
		}
	}
	if n > 0 {
		c.log.WithField("peer", p.Name).WithField("sessions", n).Warn("viewers of a dead peer are reset")
	}
}

// sessionsWhere lists the sessions that are open and match. match runs under the session's lock.
func (c *Controller) sessionsWhere(match func(*session) bool) []*session {
	return c.remembered(func(s *session) bool { return s.state != finished && match(s) })
}

// remembered is sessionsWhere with those that have been closed.
func (c *Controller) remembered(match func(*session) bool) (hit []*session) {
	for _, s := range c.sessions.All {
		s.mu.Lock()
		if s.state != ended && match(s) {
			hit = append(hit, s)
		}
		s.mu.Unlock()
	}
	return hit
}

// reset takes the session's rules away, so that whatever its client sends comes up to the controller, and provokes it to
// send. It answers false where the session is being reset already or has ended.
func (s *session) reset(why string) bool {
	s.mu.Lock()
	was, plan := s.state, s.plan
	if was == ended || was == finished || was == resetting {
		s.mu.Unlock()
		return false
	}
	s.giveUp()
	s.mu.Unlock()
	s.c.withdraw(plan)
	s.c.metrics.reset(s.Source.Name)
	s.c.diary.note(s, "session reset", logrus.Fields{"why": why})
	// The switch may still send the answer by the rule just deleted: Open vSwitch has flows made of it. Linux gives one such answer
	// in half a second (net.ipv4.tcp_invalid_ratelimit), so that the first must not be lost.
	s.c.later(resetEvery, func() { s.provoke(resetTries) })
	return true
}

// giveUp has a session be one that is being reset. Under mu.
func (s *session) giveUp() {
	s.setState(resetting)
	s.unseat()
	s.retract()
	s.held = nil
	s.since = momentOf(time.Now())
}

// hangUp makes sure of the end of a session that has been closed, by one end perhaps: the other gets no more answers. It is
// counted and told of already, as finished, and nothing of it is waited for. It answers false for any other.
func (s *session) hangUp() bool {
	s.mu.Lock()
	closed := s.state == finished
	if closed {
		s.giveUp()
		s.hungUp = true
	}
	s.mu.Unlock()
	if closed {
		s.provoke(hangUpTries)
	}
	return closed
}

// provoke sends the SYN, and again until the client has answered. While the client's switch is away it waits, for as long as
// a switch is remembered: its rules are still there, and lead to a source that is gone. Not so for one that was closed before, which has
// none.
func (s *session) provoke(tries int) {
	s.mu.Lock()
	open, waits, wait := s.state == resetting && !s.refused, !s.hungUp, resetEvery
	if s.hungUp {
		wait = hangUpEvery
	}
	s.mu.Unlock()
	if !open {
		return
	}
	if tries == 0 {
		s.forget("reset, and its client is gone too")
		return
	}
	if s.sendToClient(packet.TCP{Seq: uint32(time.Now().UnixNano()), Flags: packet.SYN, Window: 1024}) || s.seekClient() {
		s.c.later(wait, func() { s.provoke(tries - 1) })
		return
	}
	if !waits {
		tries--
	}
	s.c.later(resetLater, func() { s.provoke(tries) })
}

// seekClient asks for the client where its packets come in: that of a session of an earlier run may not have been seen yet.
// It answers false where that switch is away.
func (s *session) seekClient() bool {
	s.mu.Lock()
	s.findEdge(s.c.topo.Load())
	var edge steer.Step
	if n := len(s.plan.Steps); n > 0 {
		edge = s.plan.Steps[n-1]
	}
	s.mu.Unlock()
	d, up := s.c.datapath(edge.DPID)
	if !up {
		return false
	}
	frame := packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: probeMAC(0), TargetIP: s.Client})
	for _, r := range edge.Rules {
		if r.Match.NWSrc != s.Client { // the way back, which outlives the way there
			d.emit(outOf(r), frame)
		}
	}
	return true
}

// outOf is the port that a session's rule sends by.
func outOf(r flow.Rule) ofproto.Port {
	for _, a := range r.Actions {
		if out, ok := a.(ofproto.Output); ok {
			if out.Port == ofproto.PortInPort {
				return r.Match.InPort
			}
			return out.Port
		}
	}
	return ofproto.PortNone
}

// answered handles the packet in hand of a session that is being reset, back for one of its source: its numbers are what both
// ends expect next. Where the client has said more meanwhile, which is lost, it is only near what the source expects, who then
// says that himself.
func (s *session) answered(d *datapath, back bool) {
	p := &d.packet.peek
	if p.TCPFlags&packet.ACK == 0 {
		return
	}
	if back {
		if p.TCPFlags&packet.RST == 0 {
			s.sendToSource(packet.TCP{Seq: p.Ack, Flags: packet.RST})
		}
		return
	}
	s.sendToClient(packet.TCP{Seq: p.Ack, Flags: packet.RST})
	s.sendToSource(packet.TCP{Seq: p.Seq + uint32(len(p.L4Payload)), Flags: packet.RST})
	s.mu.Lock()
	again := s.refused
	s.refused = true
	s.mu.Unlock()
	if !again {
		time.AfterFunc(resetLinger, func() { s.forget("reset") })
	}
}

// sendToClient has the client's switch send a segment that seems to come from the service it dialled. It answers
// false where that switch is away, or nobody knows it.
func (s *session) sendToClient(t packet.TCP) bool {
	now := s.decided()
	t.SrcMAC, t.SrcIP, t.SrcPort = now.DialedMAC, now.Tuple.Service, now.ServicePort
	t.DstMAC, t.DstIP, t.DstPort = now.ClientMAC, now.Client, now.ClientPort
	return s.c.deliver(t)
}

// sendToSource has the source's switch send it a segment as the client's would have arrived there.
func (s *session) sendToSource(t packet.TCP) {
	s.mu.Lock()
	now, turned := s.Session, s.turned()
	s.mu.Unlock()
	t.SrcMAC, t.SrcIP, t.SrcPort = now.ClientMAC, now.Client, now.ClientPort
	if turned {
		t.SrcMAC, t.SrcIP = now.DialedMAC, now.Tuple.Service
	}
	t.DstMAC, t.DstIP, t.DstPort = now.Source.MAC, now.Source.Address, now.Source.Port
	s.c.deliver(t)
}

// turned reports whether the source takes its client for the service: both are on one port. Under mu.
func (s *session) turned() bool {
	if len(s.plan.Steps) != 1 {
		return false
	}
	return slices.ContainsFunc(s.plan.Steps[0].Rules, func(r flow.Rule) bool {
		there := r.Match.NWSrc == s.Client && r.Match.TPSrc == s.ClientPort && r.Match.NWDst == s.Tuple.Service
		return there && slices.ContainsFunc(r.Actions, func(a ofproto.Action) bool { return a.Type() == ofproto.ActionSetNWSrc })
	})
}

// deliver sends a segment out of the port where its destination sits. What a session rebuilt after a restart does not know
// is looked up by address; where nobody knows it, or its switch is away, nothing is sent, and the answer is false.
func (c *Controller) deliver(t packet.TCP) bool {
	snap := c.topo.Load()
	h, ok := snap.Host(t.DstMAC)
	if t.DstMAC == ([6]byte{}) {
		h, ok = snap.HostByIP(t.DstIP)
	}
	if !ok {
		return false
	}
	t.DstMAC = h.MAC
	if t.SrcMAC == ([6]byte{}) {
		if from, ok := snap.HostByIP(t.SrcIP); ok {
			t.SrcMAC = from.MAC
		}
	}
	d, up := c.datapath(h.At.DPID)
	if up {
		d.emit(h.At.Port, packet.AppendTCP(nil, t))
	}
	return up
}

// peersAt lists the peers whose host sits on a port, those included that have left and still serve.
func (c *Controller) peersAt(d ofproto.DPID, port ofproto.Port) (list []*peer) {
	snap := c.topo.Load()
	for _, p := range c.settings().peers.probed() {
		if h, ok := snap.HostByIP(p.Address); ok && h.At.DPID == d && h.At.Port == port {
			list = append(list, p)
		}
	}
	return list
}
