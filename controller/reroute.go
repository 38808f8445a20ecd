package controller

import (
	"slices"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// reroute moves everything that used a port which no longer leads where it did. What does not use it stays where it is: a
// path is never changed only because a better one appeared, since that would reorder a running stream.
func (c *Controller) reroute(at topo.Point) {
	if d, ok := c.datapath(at.DPID); ok {
		d.dropPairs(func(_ pair, p placedPair) bool { return p.out == at.Port })
	}
	c.table(at.DPID).drop(func(r flow.Rule) bool {
		return r.Cookie.Kind() == flow.KindHandsOff && slices.ContainsFunc(r.Actions, func(a ofproto.Action) bool {
			out, ok := a.(ofproto.Output)
			return ok && out.Port == at.Port
		})
	})
	c.replan(func(s *session) bool { return s.uses(at) })
}

// becameLink handles two ports that turn out to be the ends of a link: what was placed towards them in the belief that a
// host sits there finds its way anew.
func (c *Controller) becameLink(ends ...topo.Point) {
	for _, at := range ends {
		if d, ok := c.datapath(at.DPID); ok {
			d.dropPairs(func(_ pair, p placedPair) bool { return p.out == at.Port })
		}
	}
	c.replan(func(s *session) bool { return s.cutOff })
}

// hostMoved handles a host that shows up at another port: everything to and from it goes there now.
func (c *Controller) hostMoved(mac ofproto.MAC, was topo.Point) {
	for _, d := range c.up() {
		d.dropPairs(func(k pair, _ placedPair) bool { return k.src == mac || k.dst == mac })
		d.table.drop(func(r flow.Rule) bool { return r.Cookie.Kind() == flow.KindHandsOff })
	}
	c.replan(func(s *session) bool { return s.ClientMAC == mac || s.Source.MAC == mac || s.uses(was) })
}

// hostsLost handles the hosts on a port that went down. A packet for one of them is to come up at the first switch of its
// way, so that it is looked for everywhere: the last would not send it back to where it came from, though the host may be there.
func (c *Controller) hostsLost(d *datapath, port ofproto.Port) {
	lost := make(map[ofproto.MAC]bool)
	d.pairMu.Lock()
	for k, p := range d.pairs {
		if p.out == port {
			lost[k.dst] = true
		}
	}
	d.pairMu.Unlock()
	if len(lost) == 0 {
		return
	}
	for _, other := range c.up() {
		other.dropPairs(func(k pair, _ placedPair) bool { return lost[k.dst] })
	}
}

// replan works out new paths for the sessions that match and moves them there: the new rules first, then the old ones go.
func (c *Controller) replan(match func(*session) bool) {
	var hit []*session
	for _, s := range c.sessions.All {
		s.mu.Lock()
		switch s.state {
		case active:
			if match(s) {
				hit = append(hit, s)
			}
		case pending:
			s.stale = true // its rules may not even be worked out; once they are in place they are looked at again
		}
		s.mu.Unlock()
	}
	for _, s := range hit {
		s.replan()
	}
}

// replan looks at the network as it is now: another link may have gone while others' sessions were moved off the first.
func (s *session) replan() {
	s.mu.Lock()
	old := s.plan
	s.stale = s.state == pending
	next, err := steer.Session(&s.Session, s.c.topo.Load(), s.c.idleSeconds())
	s.cutOff = err != nil
	if err != nil || s.state != active {
		s.mu.Unlock()
		return // no way there now: the rules stay, and the next link tries again
	}
	s.plan, s.found = next, false
	s.mu.Unlock()
	s.send(next, nil, nil)
	s.c.withdrawBut(next, old)
	s.makeGood(next)
	s.c.diary.note(s, "session rerouted", nil)
}

// renewed is the plan for the network as it is now, where that has changed since the one whose rules are in place by now was
// worked out. Under mu.
func (s *session) renewed() (next steer.Plan, ok bool) {
	if !s.stale || s.state != pending {
		return next, false
	}
	s.stale = false
	next, err := steer.Session(&s.Session, s.c.topo.Load(), s.c.idleSeconds())
	s.cutOff = err != nil
	return next, err == nil
}

// makeGood is called by whoever has sent a plan's rules. Where another has put a plan in its place meanwhile, and sent its rules
// before, that one's are sent again: the last that is sent is the one that counts.
func (s *session) makeGood(sent steer.Plan) {
	for {
		s.mu.Lock()
		now, over := s.plan, s.state == ended || s.state == finished || s.state == resetting
		s.mu.Unlock()
		if over {
			if next, ok := s.c.sessions.Load(s.Tuple); ok && next != s { // of the same port: its rules have the same keys
				next.makeGood(sent)
				return
			}
		}
		switch {
		case over, len(now.Steps) == 0:
			s.c.withdraw(sent)
			return
		case &now.Steps[0] == &sent.Steps[0]:
			return
		}
		s.send(now, nil, nil)
		s.c.withdrawBut(now, sent)
		sent = now
	}
}

// uses reports whether a session's rules receive or send by a port. Under s.mu.
func (s *session) uses(at topo.Point) bool {
	for _, step := range s.plan.Steps {
		if step.DPID != at.DPID {
			continue
		}
		for _, r := range step.Rules {
			if r.Match.InPort == at.Port {
				return true // the way back receives by every port the way there sends by
			}
		}
	}
	return false
}
