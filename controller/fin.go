package controller

import (
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
)

// OpenFlow 1.0 shows no FIN. Open vSwitch has an action for that, fin_timeout: once a FIN or RST has come by a session's rule,
// its idle timeout is a few seconds, and FLOW_REMOVED tells which one has run out. Elsewhere a viewer who has left looks like
// one who pauses.

// A finAction is whether session rules are sent with it.
type finAction struct {
	known   bool // the switch should know it, by its description
	refused bool // it does not, as it has said
}

func (f finAction) asked() bool { return f.known && !f.refused }

// showsFIN reports whether the switch tells of connections that are closed.
func (t *installer) showsFIN() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fin.asked()
}

// asked is a rule as this switch is asked for it. Under mu.
func (t *installer) asked(r flow.Rule) flow.Rule {
	r.Fin = r.Fin && t.fin.asked()
	return r
}

// doWithout handles an error that names a flow mod with fin_timeout: it is sent anew without, once the barrier behind it is
// in, and so is all that follows. It answers false where the xid is nobody's, or of a rule without.
func (t *installer) doWithout(xid uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for j := range t.flying {
		in := &t.flying[j]
		if i := xid - in.first; i < uint32(len(in.rules)) && in.fin && in.rules[i].rule.Fin {
			t.fin.refused, in.again = true, true
			in.rules[i].sent = false
			return true
		}
	}
	return false
}

// sendAgain sends those rules of an installation anew that were refused for their fin_timeout and are wished for still; who
// waits for it waits for them. It answers false where there is none, or nobody to be waited for. Under mu.
func (t *installer) sendAgain(in installation) bool {
	var left []*installed
	for _, r := range in.rules {
		if !r.sent && t.rules.get(r.rule.Key()) == r {
			left = append(left, r)
		}
	}
	if len(left) == 0 || t.out == nil {
		return false
	}
	done := in.done
	if in.err != nil { // it is told of that now
		done = nil
	}
	return t.send(left, in.policy, done) == nil && in.err == nil
}

// finishedFor is how long a session that has been closed is remembered: one end only may have said its last word.
const finishedFor = 5 * time.Minute

// connectionOver handles the session of a rule that expired soon after a FIN or RST, where this is its client's switch.
func (d *datapath) connectionOver(r flow.Rule) {
	t, ok := d.c.settings().tupleOf(r)
	if !ok {
		return
	}
	if s, ok := d.c.sessions.Load(t); ok && s.edgeIs(d) {
		s.finish()
	}
}

// lastWord handles a FIN or RST of the client's that was overheard: it passed by a rule that is being replaced, or has been, by one
// that knows nothing of it. That gets the timeout that the other had then.
func (s *session) lastWord(d *datapath) {
	s.mu.Lock()
	plan := s.plan
	if s.state != active || len(plan.Steps) == 0 || plan.Edge() != d.dpid {
		s.mu.Unlock()
		return
	}
	s.hearing, s.resumes, s.copying, s.reading = false, false, false, nil
	s.mu.Unlock()
	rules := plan.Steps[len(plan.Steps)-1].Rules
	there := rules[len(rules)-1]
	there.Idle = flow.FinIdle
	d.table.install([]flow.Rule{there}, s.Policy, nil)
	s.makeGood(plan)
}

// edgeIs reports whether a switch is the session's client's.
func (s *session) edgeIs(d *datapath) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.findEdge(d.c.topo.Load())
	return len(s.plan.Steps) > 0 && s.plan.Edge() == d.dpid
}

// finish ends a session whose connection was closed. Its source is remembered for a while: where only one end has closed,
// the other may still have something to say.
func (s *session) finish() {
	plan, ok := s.rest(finished)
	if !ok {
		return
	}
	s.clear(plan, func(flow.Rule) bool { return true })
	s.c.metrics.ends.WithLabelValues("finished").Inc()
	s.c.diary.note(s, "session ended", logrus.Fields{"why": "finished: FIN or RST seen"})
}

// parting reports whether the packet in hand may be the last of a connection that has been closed, which passes by itself:
// rules for it would stay for as long as for one that goes on. An acknowledgement is where a FIN has come by itself before;
// else it is of data, of which there may be more. Under mu.
func (s *session) parting(d *datapath) bool {
	p := &d.packet.peek
	last := p.TCPFlags&(packet.FIN|packet.RST) != 0
	s.parted = s.parted || last
	return last || s.parted && len(p.L4Payload) == 0
}
