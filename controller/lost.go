package controller

import (
	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// parkLost parks an active session of which no rule is wished for on its client's switch, so that nothing will ever tell of its
// end: the switch is forgotten, or has refused them. Its next packet brings it back. Its rules elsewhere stay until they expire,
// since a switch that is forgotten may still carry the stream. It takes two looks, between which whoever was at work on its rules
// is done.
func (s *session) parkLost() {
	s.mu.Lock()
	s.findEdge(s.c.topo.Load())
	plan, state := s.plan, s.state
	s.mu.Unlock()
	if state != active {
		return
	}
	lost := len(plan.Steps) > 0 && !s.c.wished(plan.Steps[len(plan.Steps)-1])
	s.mu.Lock()
	before := s.lost
	s.lost = lost
	s.mu.Unlock()
	if !lost || !before {
		return
	}
	if _, ok := s.rest(parked); ok {
		s.c.metrics.ends.WithLabelValues("lost").Inc()
		s.c.diary.note(s, "session parked", logrus.Fields{"why": "its client's switch is forgotten, or has no rule of it"})
	}
}

// wished reports whether any rule of a step is wished for on its switch.
func (c *Controller) wished(step steer.Step) bool {
	t := c.table(step.DPID)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range step.Rules {
		if t.rules.get(r.Key()) != nil {
			return true
		}
	}
	return false
}

// regained has a session go on that was parked as its client's switch was forgotten, when that comes back with its rule of the way
// there: the stream has gone on all the time.
func (s *session) regained(on ofproto.DPID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != parked || !s.lost || s.plan.Edge() != on {
		return
	}
	s.seat()
	s.announce()
	s.cutOff = true // until the links of its way are found again
	s.setState(active)
}
