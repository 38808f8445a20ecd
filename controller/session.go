package controller

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A session is a decided connection and how far its rules got. The decision never changes, but for one that cannot be
// carried out: that falls back to the CDN before its client has heard from the source.
type session struct {
	stream.Session
	c    *Controller
	peer *peer      // whose place it holds; nil for the CDN
	room steer.Room // of its first plan

	mu    sync.Mutex // guards what follows, and Source, Reason and peer until the rules are acknowledged
	plan  steer.Plan
	held  *held  // the newest packet that waits for the rules, and those before it
	since moment // when it was parked, or finished, or its reset began
	meter meter

	reading *stream.Reading // what its client has said so far; nil before its first word and once nothing more is to be learnt
	intent  *stream.Intent  // nil while unknown

	announced *string // as whose the directory of streams has it; nil: it has not

	promised int32        // kbit/s of the peer's, until it is measured what it takes
	state    sessionState // from here on all are small, and share their memory's words
	told     bool         // its decision has been logged and counted

	stale   bool // the network has changed while its rules were worked out or on their way
	cutOff  bool // no path leads to its source any more
	parted  bool // finished, and a FIN has passed since
	hungUp  bool // being reset, it was finished before
	refused bool // being reset, its client has been sent the RST
	seated  bool // it takes a place at its peer

	hearing bool // what the client says first is still of interest
	copying bool // its rules copy the client's packets to the controller
	heard   bool // its client has said something since its SYN
	resumes bool // an earlier run did so: what it says next is read as if it were its first
	anyEdge bool // of an earlier run, and which of its switches is its client's is not known yet
	serving bool // its client sends what it publishes: that was accepted
	found   bool // its plan is of the rules that switches had when they came, after an earlier run
	lost    bool // at the last housekeeping, none of its rules was wished for on its client's switch
}

// servedFrom reports whether the session's source is at an address.
func (s *session) servedFrom(ip ofproto.IPv4, port uint16) bool {
	now := s.decided()
	return now.Source.Address == ip && now.Source.Port == port
}

// isOpen reports whether its connection may still be there.
func (s *session) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state != ended && s.state != finished
}

// decided is the decision as it stands.
func (s *session) decided() stream.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Session
}

type sessionState uint8

const (
	pending   sessionState = iota // rules are on their way
	active                        // rules are acknowledged
	parked                        // rules expired in a long silence; the next packet brings them back
	finished                      // closed by one end or both; if by one, the other's next word brings them back
	resetting                     // its client is being made to give up
	ended
)

var stateNames = [...]string{"pending", "active", "parked", "finished", "resetting", "ended"}

func (s sessionState) String() string { return stateNames[s] }

// begin works out a new session's rules, installs them and then lets its first packet go. Where they cannot be, the
// packet goes to everybody as any other to an unknown place would, and the next one begins anew.
func (s *session) begin(d *datapath, snap *topo.Snapshot) {
	lists := &d.packet.lists
	plan, err := lists.Session(&s.Session, snap, s.c.idleSeconds(), &s.room)
	if err != nil && s.Redirected() {
		s.fallBack(err)
		plan, err = lists.Session(&s.Session, snap, s.c.idleSeconds(), &s.room)
	}
	if err != nil {
		s.forget(err.Error())
		_ = d.forward(snap)
		return
	}
	s.mu.Lock()
	s.held = d.hold()
	s.stale = s.stale || s.c.topo.Load().Graph != snap.Graph
	s.mu.Unlock()
	s.install(plan, lists)
}

// again handles a packet of a session that its switch has no rule for: it is held while the rules are on their way, and
// brings them back where they are gone.
func (s *session) again(d *datapath, snap *topo.Snapshot) error {
	back := d.tuple() != s.Tuple
	if s.holds() {
		d.table.sealed() // what is held may be of this very batch
	}
	s.mu.Lock()
	switch s.state {
	case pending:
		defer s.mu.Unlock()
		if h := s.held; h == nil || !h.gone {
			s.held = d.hold()
			s.held.back = back
			s.held.behind(h)
		} else if h.d == d && h.back == back { // it goes behind the rules as well; an answer of the source finds them
			return d.send(releaseActions(s.plan, h))
		}
		return nil
	case resetting:
		s.mu.Unlock()
		s.answered(d, back)
		return nil
	}
	if h, ok := snap.HostByIP(s.Source.Address); ok && s.Source.MAC == (ofproto.MAC{}) {
		s.Source.MAC = h.MAC // an earlier run decided, and left no rule that tells
	}
	lists := &d.packet.lists
	plan, err := lists.Session(&s.Session, snap, s.c.idleSeconds(), new(steer.Room))
	if err != nil || s.state == ended {
		s.mu.Unlock()
		if back {
			return nil
		}
		return d.forward(snap)
	}
	if s.state == finished && s.parting(d) || d.noRoom() {
		s.mu.Unlock()
		h := d.hold()
		h.back = back
		h.release(plan)
		return nil
	}
	s.seat()
	s.announce()
	s.parted = false
	s.meter.moved = momentOf(d.now) // the packet in hand, which no rule counts
	s.setState(pending)
	s.held = d.hold()
	s.held.back = back
	s.stale = s.stale || s.c.topo.Load().Graph != snap.Graph
	old := s.plan
	s.mu.Unlock()
	s.install(plan, lists)
	s.c.withdrawBut(plan, old)
	return nil
}

// install sends a plan to all its switches. The packet that waits is released once all have confirmed; where there is but
// one, at once, behind the barrier. lists are those of the goroutine; nil: it has none.
func (s *session) install(plan steer.Plan, lists *steer.Lists) {
	s.mu.Lock()
	if s.state == ended || s.state == resetting { // meanwhile: by a new connection from its port, or as its source has died
		s.held = nil
		s.mu.Unlock()
		return
	}
	s.plan, s.found = plan, false
	s.setState(pending)
	s.mu.Unlock()
	w := &installing{s: s, plan: plan}
	w.left.Store(int32(len(plan.Steps)))
	s.send(plan, lists, w)
	s.makeGood(plan)
}

// send wishes for a plan's rules as they must be on the switches now: with the client overheard while that still tells
// something.
func (s *session) send(plan steer.Plan, lists *steer.Lists, w waiter) {
	s.mu.Lock()
	var room [2]flow.Rule
	last := len(plan.Steps) - 1
	edge := append(room[:0], plan.Steps[last].Rules...)
	if s.hearing {
		s.copying = true
		edge = lists.Overheard(room[:0], plan.Steps[last].Rules, &s.Session)
	}
	s.mu.Unlock()
	if last == 0 {
		slices.Reverse(edge) // see releaseBehind
	}
	for i, step := range plan.Steps {
		if i == last {
			step.Rules = edge
		}
		s.c.table(step.DPID).install(step.Rules, s.Policy, w)
	}
}

// installing is a plan whose rules are on their way to all its switches.
type installing struct {
	s       *session
	plan    steer.Plan
	left    atomic.Int32
	failure atomic.Pointer[error]
}

// confirmed takes the answer of one of the switches.
func (w *installing) confirmed(err error) {
	if err != nil {
		first := err
		w.failure.CompareAndSwap(nil, &first)
	}
	if w.left.Add(-1) > 0 {
		return
	}
	if first := w.failure.Load(); first != nil {
		w.s.failed(w.plan, *first)
		return
	}
	w.s.installed(w.plan)
}

func (s *session) installed(plan steer.Plan) {
	s.mu.Lock()
	if next, ok := s.renewed(); ok {
		s.mu.Unlock()
		s.install(next, nil)
		s.c.withdrawBut(next, plan)
		return
	}
	h := s.held
	s.held = nil
	if s.state == pending {
		s.setState(active)
	}
	news := !s.told
	s.told = true
	s.mu.Unlock()
	s.endCopying()
	if h != nil {
		h.release(plan)
	}
	if news {
		s.announceDecision()
	}
}

// failed handles rules that a switch refused or was not there for. A redirected session falls back to the CDN; one that
// cannot even be sent there is forgotten, and its packets go on one by one. One that has begun stays as it is, and so does one
// that may have, since its packet was sent behind the rules before the switch went away: nobody else could go on with it. Its
// rules come with the switch, or with its next packet.
func (s *session) failed(plan steer.Plan, err error) {
	s.mu.Lock()
	news := !s.told && s.held != nil && s.held.gone && errors.Is(err, errAway)
	s.told = s.told || news
	if s.state == ended || s.told {
		stale := s.stale && s.state == pending
		if s.state == pending {
			s.setState(active)
		}
		h := s.held
		s.held = nil
		s.mu.Unlock()
		if h != nil && !errors.Is(err, errAway) {
			h.release(plan) // the switch is there, and what has no rule passes one by one
		}
		if news {
			s.announceDecision()
		}
		if stale {
			s.replan()
		}
		s.c.log.WithField("session", s.Tuple).WithError(err).Debug("rules are wished for and not in place")
		return
	}
	fallen, h := !s.Redirected(), s.held
	if !fallen {
		h.takeBack()
	}
	s.mu.Unlock()
	s.c.withdraw(plan)
	s.c.sparingly(s.c.log, "rules refused", s.Source.Name).WithField("session", s.Tuple).WithField("source", s.Source.Name).WithError(err).Warn("rules refused")
	if fallen {
		s.forget(err.Error())
		if h != nil {
			h.release(plan)
		}
		return
	}
	s.fallBack(err)
	now := s.decided()
	direct, err := steer.Session(&now, s.c.topo.Load(), s.c.idleSeconds())
	if err != nil {
		s.forget(err.Error())
		return
	}
	s.install(direct, nil)
}

// fallBack gives up a decision that cannot be carried out, before the client has heard from the source.
func (s *session) fallBack(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unseat()
	s.peer = nil
	s.Source = stream.Source{Name: stream.CDN, MAC: s.DialedMAC, Address: s.Tuple.Service, Port: s.ServicePort}
	s.Reason = "fell back to the CDN: " + why.Error()
}

// end takes a session's rules away and its place with them.
func (s *session) end(why string) {
	s.mu.Lock()
	was, plan := s.state, s.plan
	s.setState(ended)
	s.unseat()
	s.retract()
	s.held = nil
	told := was == finished || s.hungUp // and counted, as it was finished
	s.mu.Unlock()
	if was == ended {
		return
	}
	s.c.withdraw(plan)
	if !told {
		s.c.diary.note(s, "session ended", logrus.Fields{"why": why})
	}
}

// forget ends a session and drops what is known of it.
func (s *session) forget(why string) {
	s.end(why)
	s.c.sessions.Update(s.Tuple, func(cur *session, ok bool) (*session, bool) { return cur, ok && cur != s })
}

// park notes that a silent session's rules are gone, all but the one that does not expire. It keeps its source: a paused
// player may wake after an hour.
func (s *session) park() {
	plan, ok := s.rest(parked)
	if !ok {
		return
	}
	s.clear(plan, func(r flow.Rule) bool { return r.Idle != steer.WayBackIdle })
	s.c.metrics.ends.WithLabelValues("idle").Inc()
	s.c.diary.note(s, "session parked", nil)
}

// rest has a session give up its place, and returns the plan whose rules go with it.
func (s *session) rest(next sessionState) (plan steer.Plan, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != active && (s.state != parked || next != finished) {
		return plan, false
	}
	s.setState(next)
	s.unseat()
	s.retract()
	s.since = momentOf(time.Now())
	return s.plan, true
}

// clear removes the rules of a session that rests, unless a packet has brought it back meanwhile.
func (s *session) clear(plan steer.Plan, which func(flow.Rule) bool) {
	s.c.withdrawWhere(plan, which)
	s.makeGood(plan)
}

// setState keeps the gauge true, and forgets what the last housekeeping saw. Under mu.
func (s *session) setState(next sessionState) {
	if (s.state == active) != (next == active) {
		n := 1
		if next != active {
			n = -1
		}
		s.c.metrics.active(s.Policy, s.Source.Name, n)
	}
	s.state, s.lost = next, s.lost && next == parked
}
