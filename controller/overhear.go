package controller

import (
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// The stream's name is not known when a connection is decided: RTMP tells it after the handshake. So the client's first
// bytes are copied to the controller while they pass, read, and the rule that copies is then replaced by a plain one.

// overheard handles a copy of a packet that is on its way already, or what a host has made look like one.
func (d *datapath) overheard() {
	s, ok := d.c.sessions.Load(d.tuple())
	if !ok {
		d.unheeded() // of a session that is over, or nobody's
		return
	}
	p := &d.packet.peek
	s.mu.Lock()
	genuine := s.comesIn(d.dpid, d.packet.in.InPort)
	s.heard = s.heard || genuine && p.TCPFlags&packet.SYN == 0
	s.mu.Unlock()
	if !genuine {
		d.unheeded()
		return
	}
	s.read(p.Seq, p.L4Payload)
	if p.TCPFlags&(packet.FIN|packet.RST) != 0 && d.table.showsFIN() {
		s.lastWord(d)
	}
}

// comesIn reports whether what the client sends comes in by that port of that switch. Nobody else's can, but for a host behind the same
// port, which can send in the client's name as well: then the connection's own rule takes it. Under mu.
func (s *session) comesIn(on ofproto.DPID, in ofproto.Port) bool {
	steps := s.plan.Steps
	if !s.anyEdge && len(steps) > 1 {
		steps = steps[len(steps)-1:]
	}
	for _, step := range steps {
		for i := range step.Rules {
			m := &step.Rules[i].Match
			if step.DPID == on && m.InPort == in && m.NWSrc == s.Client && m.TPSrc == s.ClientPort && m.NWDst == s.Tuple.Service && m.TPDst == s.ServicePort {
				return true
			}
		}
	}
	return false
}

// read follows what the client says, until it is clear what it wants or that it will not be.
func (s *session) read(seq uint32, payload []byte) {
	s.mu.Lock()
	if s.resumes && len(payload) > 0 { // what an earlier run has read of it is lost; most have said nothing yet
		s.hearing, s.resumes, s.reading = true, false, stream.NewReading(seq-1)
	}
	if !s.hearing || len(payload) == 0 {
		s.mu.Unlock()
		return
	}
	if s.reading == nil {
		s.reading = stream.NewReading(s.ISN)
	}
	intent, done := s.reading.Segment(seq, payload)
	news := intent != nil && s.intent == nil
	s.intent = intent
	if done {
		s.serving = s.reading.Served()
		s.hearing, s.reading = false, nil
		if s.state == active || s.state == pending {
			s.announce()
		}
	}
	serving := s.serving
	lost := news && intent.Publish && s.Redirected() && s.peer != nil && !s.peer.Ingest
	s.mu.Unlock()
	if news {
		s.intends(*intent)
	}
	if lost {
		s.reset("it publishes, and its source takes no publishers")
		return
	}
	if done {
		s.endCopying()
	}
	if serving {
		s.publishes(*intent)
	}
}

// endCopying replaces the rule that copies by the plain one, once there is nothing more to learn. While the rules are
// still on their way it waits for them: installed calls it again.
func (s *session) endCopying() {
	s.mu.Lock()
	due := s.copying && !s.hearing && !s.resumes && s.state == active
	s.copying = s.copying && !due
	plan := s.plan
	s.mu.Unlock()
	if due {
		edge := plan.Steps[len(plan.Steps)-1]
		s.c.table(edge.DPID).install(edge.Rules, s.Policy, nil)
		s.makeGood(plan)
	}
}

// intends notes what the client wants. A publisher is remembered, so that its next connection goes to a source that takes
// publishers. This one, where it was sent to a peer that does not, is reset: the peer may accept the stream, and nobody
// else would ever see it.
func (s *session) intends(want stream.Intent) {
	fields := logrus.Fields{"app": want.App, "key": want.Key}
	if !want.Publish {
		s.c.diary.note(s, "session plays", fields)
		return
	}
	s.c.diary.note(s, "session publishes", fields)
	s.c.publishers.add(s.Client, time.Now())
}

// publishes notes that the client's source has accepted what it publishes. One that is refused is no publisher of the stream.
func (s *session) publishes(want stream.Intent) {
	s.supersede(want)
	if s.peer != nil && !s.peer.Ingest {
		s.c.sparingly(s.c.log, "published to a peer", s.peer.Name).WithField("app", want.App).WithField("key", want.Key).
			WithField("session", s.Tuple).WithField("peer", s.peer.Name).Warn("published to a peer that is not configured to take publishers")
	}
}
