package controller

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// adoption rebuilds sessions from the rules that switches report after the daemon was restarted. A session's rules may be
// on several switches, which come back in any order. Its zero value is ready.
type adoption struct {
	mu    sync.Mutex
	found map[stream.Tuple]*foundSession
	asked bucket // for clients that are not on the map
}

// maxAdopted is how many sessions of an earlier run one switch may tell of: whoever is no switch could make up any number.
const maxAdopted = 2 * maxHeard

type foundSession struct {
	since   time.Time
	session *session // nil until its client's switch has been heard
	known   bool     // this run knew it before: its plan is newer than what is found
	steps   []steer.Step
	edge    bool // the last step is the client's switch for certain
	placed  bool // its client has been on the map
}

// adopt takes over what an earlier run of the daemon left on a switch that this one sees for the first time: its session
// rules are wished for as they are, and the sessions they carry are known again.
func (c *Controller) adopt(d *datapath, have []ofproto.FlowStat) {
	now := c.settings()
	if !d.table.adopt(have, now.keeps) {
		return // known from before: the wishes are newer than the table
	}
	byTuple, more := now.sessionsIn(have)
	if more > 0 {
		d.sparingly("too many sessions").WithField("rules", more).Warn("too many sessions of an earlier run: what is left of others goes on until it expires")
	}
	c.rememberSources(now.sourcesOf(byTuple))
	a := &c.adopted
	a.mu.Lock()
	defer a.mu.Unlock()
	for t, rules := range byTuple {
		f, ok := a.found[t]
		if !ok {
			if a.found == nil {
				a.found = make(map[stream.Tuple]*foundSession)
			}
			f = &foundSession{since: time.Now()}
			a.found[t] = f
		}
		c.adoptRules(f, t, d.dpid, rules)
	}
	if len(byTuple) > 0 {
		d.sparingly("taken over").WithField("sessions", len(byTuple)).Info("sessions of an earlier run taken over")
	}
}

// sourcesOf is the sources of those sessions that are served by others than they dialled.
func (s *settings) sourcesOf(sessions map[stream.Tuple][]flow.Rule) map[endpoint]bool {
	sources := make(map[endpoint]bool)
	for t, rules := range sessions {
		found, _ := s.sessionOf(t, rules)
		if found == nil {
			found = s.parkedOf(t, rules)
		}
		if found != nil && found.Redirected() {
			sources[endpointOf(found.Source)] = true
		}
	}
	return sources
}

// keeps reports whether a rule that an earlier run has left is still wished for.
func (s *settings) keeps(r flow.Rule) bool {
	switch r.Cookie.Kind() {
	case flow.KindSession:
		return true
	case flow.KindHandsOff:
		return s.peers.handsOff(r)
	case flow.KindProbe:
		return s.probes(r)
	}
	return false
}

// settle drops what nobody needs any more: of sessions that are over, and of switches so long away that they are forgotten.
func (a *adoption) settle(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.found, func(_ stream.Tuple, f *foundSession) bool {
		return now.Sub(f.since) > switchMemory || f.session != nil && !f.session.isOpen()
	})
}

// adoptRules adds the rules on one more switch to a session. Under a.mu.
func (c *Controller) adoptRules(f *foundSession, t stream.Tuple, on ofproto.DPID, rules []flow.Rule) {
	copied := withoutCopies(rules)
	step := steer.Step{DPID: on, Rules: rules}
	if f.known {
		f.session.meets(step)
		return
	}
	s, rewrites := c.settings().sessionOf(t, rules)
	left := c.settings().parkedOf(t, rules)
	switch edge := rewrites || copied || s == nil && left != nil; {
	case edge || !f.edge && f.session == nil:
		f.steps = append(f.steps, step) // the client's switch comes last in a plan
		f.edge = edge
	default:
		f.steps = append([]steer.Step{step}, f.steps...)
	}
	switch {
	case f.session != nil:
	case s != nil:
		f.session, f.known = c.revive(s, active)
	case left != nil:
		f.session, f.known = c.revive(left, parked)
	}
	if f.session == nil {
		return
	}
	if s != nil {
		f.session.regained(on)
	}
	f.session.mu.Lock()
	f.known = f.known || len(f.session.plan.Steps) > 0 && !f.session.found
	if !f.known {
		f.session.plan, f.session.found = steer.Plan{Steps: slices.Clone(f.steps)}, true
		f.session.anyEdge = !f.edge && len(f.steps) > 1
		f.session.copying = f.session.copying || copied
		f.session.resumes = f.session.resumes || copied
	}
	orphan := f.session.orphan()
	f.session.mu.Unlock()
	f.session.meets(step)
	if orphan && !c.o.KeepOrphans {
		f.session.reset("its source is gone")
	}
}

// orphan reports whether the session's peer has been found dead. Under mu.
func (s *session) orphan() bool {
	if s.peer == nil {
		return false
	}
	h := s.peer.health.Load()
	return !h.ok && h != unprobed
}

// meets removes the rules that a switch still had of a session, where the session is over, or its plan is newer and lacks them. A
// plan that was itself found on switches is not newer: it may only lack a step.
func (s *session) meets(old steer.Step) {
	found := steer.Plan{Steps: []steer.Step{old}}
	s.mu.Lock()
	state, plan, newer := s.state, s.plan, !s.found
	s.mu.Unlock()
	switch {
	case state == ended, state == finished, state == resetting:
		s.makeGood(found)
	case !newer:
	case state == parked:
		s.c.withdrawBut(plan, found)
	default:
		s.makeGood(found)
	}
}

// findEdge puts the client's switch last in the plan of a session of an earlier run that none of its rules tells it by, once
// the links are known: it is where the client's packets come in, and not from another switch. Under mu.
func (s *session) findEdge(snap *topo.Snapshot) {
	if !s.anyEdge {
		return
	}
	at := -1
	for i, step := range s.plan.Steps {
		for _, r := range step.Rules {
			if r.Match.NWSrc != s.Client || r.Match.TPSrc != s.ClientPort || snap.IsLink(topo.Point{DPID: step.DPID, Port: r.Match.InPort}) {
				continue
			}
			if at >= 0 {
				return // a link that is not known yet
			}
			at = i
		}
	}
	if at < 0 {
		return
	}
	s.anyEdge = false
	edge := s.plan.Steps[at]
	s.plan.Steps = append(slices.Delete(slices.Clone(s.plan.Steps), at, at+1), edge)
}

// revive makes a session of an earlier run a session of this one, unless this one has it already.
func (c *Controller) revive(found *stream.Session, state sessionState) (s *session, known bool) {
	s = &session{c: c, Session: *found, told: true, since: momentOf(time.Now())}
	from := endpointOf(found.Source)
	if s.Redirected() {
		s.peer = c.settings().peers.at[from] // nil: of more than are remembered
	} else if p, ok := c.settings().peers.at[from]; ok {
		s.peer = p
		c.ownDials.Store(true)
	}
	switch {
	case s.peer != nil:
		s.Source.Name = s.peer.Name
	case s.Redirected():
		s.Source.Name = formerName
	}
	c.sessions.Update(s.Tuple, func(old *session, ok bool) (*session, bool) {
		if known = ok; known {
			s = old
		}
		return s, true
	})
	if known {
		return s, true
	}
	s.mu.Lock()
	if state == active {
		s.seat()
		s.vow()
	}
	s.setState(state)
	s.mu.Unlock()
	return s, false
}

// adopt wishes for those rules that a switch has and that are to be kept, if this is the first its table is heard of.
func (t *installer) adopt(have []ofproto.FlowStat, keeps func(flow.Rule) bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.synced {
		return false
	}
	for i := range have {
		if r := flow.Reported(&have[i]); keeps(r) {
			r.Notify = r.Cookie.Kind() != flow.KindProbe // no switch reports that it was asked for
			t.rules.put(&installed{rule: r})
		}
	}
	return true
}
