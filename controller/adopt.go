package controller

import (
	"slices"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// adoption rebuilds sessions from the rules that switches report after the daemon was restarted. A session's rules may be
// on several switches, which come back in any order; the cookie's owner holds them together. Its zero value is ready.
type adoption struct {
	mu    sync.Mutex
	found map[uint32]*foundSession // by owner
}

type foundSession struct {
	session *session // nil until its client's switch has been heard
	steps   []steer.Step
}

// adopt takes over what an earlier run of the daemon left on a switch that this one sees for the first time: its session
// rules are wished for as they are, and the sessions they carry are known again.
func (c *Controller) adopt(d *datapath, have []ofproto.FlowStat) {
	if !d.table.adopt(have) {
		return // known from before: the wishes are newer than the table
	}
	byOwner := make(map[uint32][]flow.Rule)
	for _, s := range have {
		if r := ruleOf(s); r.Cookie.Kind() == flow.KindSession {
			r.Notify = true // no switch reports that it was asked for
			byOwner[r.Cookie.Owner()] = append(byOwner[r.Cookie.Owner()], r)
		}
	}
	a := &c.adopted
	a.mu.Lock()
	defer a.mu.Unlock()
	for owner, rules := range byOwner {
		f, ok := a.found[owner]
		if !ok {
			if a.found == nil {
				a.found = make(map[uint32]*foundSession)
			}
			f = new(foundSession)
			a.found[owner] = f
		}
		copied := withoutCopies(rules)
		s, edge := c.sessionOf(rules)
		step := steer.Step{DPID: d.dpid, Rules: rules}
		if edge || copied || f.session == nil {
			f.steps = append(f.steps, step) // the client's switch comes last in a plan
		} else {
			f.steps = append([]steer.Step{step}, f.steps...)
		}
		if s != nil && f.session == nil {
			f.session = c.revive(s, active)
		}
		if left := c.parkedOf(rules); s == nil && left != nil && f.session == nil {
			f.session = c.revive(left, parked)
		}
		if f.session != nil {
			f.session.mu.Lock()
			f.session.plan = steer.Plan{Steps: f.steps}
			f.session.copying = f.session.copying || copied
			f.session.mu.Unlock()
			f.session.endCopying()
		}
	}
	if len(byOwner) > 0 {
		d.sparingly("taken over").WithField("sessions", len(byOwner)).Info("sessions of an earlier run taken over")
	}
}

// withoutCopies takes from rules what sends a copy to the controller, behind the first output, and reports whether any did:
// what an earlier run wanted to read is lost to this one.
func withoutCopies(rules []flow.Rule) (copied bool) {
	for i, r := range rules {
		out := slices.IndexFunc(r.Actions, func(a ofproto.Action) bool { return a.Type() == ofproto.ActionOutput })
		if out >= 0 && out < len(r.Actions)-1 {
			rules[i].Actions, copied = r.Actions[:out+1:out+1], true
		}
	}
	return copied
}

// sessionOf reads a session from its rules on one switch: the one whose destination is a service is the way there, and
// where it rewrites that destination, the session is served by whom it names. edge reports that this is the client's
// switch for certain.
func (c *Controller) sessionOf(rules []flow.Rule) (s *stream.Session, edge bool) {
	for _, r := range rules {
		svc, ok := c.settings().services[endpoint{r.Match.NWDst, r.Match.TPDst}]
		if !ok {
			continue
		}
		s = &stream.Session{
			Tuple: stream.Tuple{
				Client: r.Match.NWSrc, ClientPort: r.Match.TPSrc, Service: r.Match.NWDst, ServicePort: r.Match.TPDst,
			},
			Service: svc.Name, Policy: "adopted", Reason: "decided by an earlier run", Started: time.Now(),
			Source: stream.Source{Name: stream.CDN, Address: r.Match.NWDst, Port: r.Match.TPDst},
		}
		for _, a := range r.Actions {
			switch a := a.(type) {
			case ofproto.SetNWDst:
				s.Source.Address, edge = a.IPv4, true
			case ofproto.SetTPDst:
				s.Source.Port = a.Port
			case ofproto.SetDLDst:
				s.Source.MAC = a.MAC
			}
		}
	}
	if s == nil {
		return nil, false
	}
	for _, r := range rules {
		for _, a := range r.Actions {
			if a, ok := a.(ofproto.SetDLSrc); ok {
				s.DialedMAC = a.MAC
			}
		}
	}
	return s, edge
}

// parkedOf reads a session that has fallen silent from what is left of it on its client's switch: the way back, which does
// not expire.
func (c *Controller) parkedOf(rules []flow.Rule) *stream.Session {
	for _, r := range rules {
		s := &stream.Session{
			Tuple:  stream.Tuple{Client: r.Match.NWDst, ClientPort: r.Match.TPDst, ServicePort: r.Match.TPSrc},
			Policy: "adopted", Reason: "decided by an earlier run", Started: time.Now(),
			Source: stream.Source{Name: stream.CDN, Address: r.Match.NWSrc, Port: r.Match.TPSrc},
		}
		for _, a := range r.Actions {
			switch a := a.(type) {
			case ofproto.SetNWSrc:
				s.Tuple.Service = a.IPv4
			case ofproto.SetTPSrc:
				s.ServicePort = a.Port
			case ofproto.SetDLSrc:
				s.DialedMAC = a.MAC
			}
		}
		if svc, ok := c.settings().services[endpoint{s.Tuple.Service, s.ServicePort}]; ok {
			s.Service = svc.Name
			return s
		}
	}
	return nil
}

// revive makes a session of an earlier run a session of this one.
func (c *Controller) revive(found *stream.Session, state sessionState) *session {
	s := &session{c: c, Session: *found, told: true, since: time.Now()}
	if p, ok := c.settings().peers.byService[endpoint{found.Source.Address, found.Source.Port}]; ok {
		s.peer, s.Source.Name = p, p.Name
	} else if s.Redirected() {
		s.Source.Name = "former-peer" // it is not in the configuration any more; the session goes on all the same
	}
	c.sessions.Update(s.Tuple, func(old *session, ok bool) (*session, bool) {
		if ok {
			s = old
		}
		return s, true
	})
	s.mu.Lock()
	if state == active {
		s.seat()
	}
	s.setState(state)
	s.mu.Unlock()
	return s
}

// adopt wishes for the session and hands-off rules that a switch already has, if this is the first its table is heard of.
func (t *installer) adopt(have []ofproto.FlowStat) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.synced {
		return false
	}
	for _, s := range have {
		switch r := ruleOf(s); r.Cookie.Kind() {
		case flow.KindSession, flow.KindHandsOff:
			r.Notify = true
			t.rules[r.Key()] = &installed{rule: r}
		}
	}
	return true
}
