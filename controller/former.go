package controller

import (
	"slices"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
)

// A peer that leaves, or is taken out of the settings, goes on with the viewers it has. It is remembered for their sake: should it
// die they are to be reset like any others, and when it comes back they take its room.

// maxFormer bounds the peers that have left and are remembered for the viewers they still have.
const maxFormer = maxRegistered

// formerName is what a source is called that sessions of an earlier run have, and that is no peer now.
const formerName = "former-peer"

// remember adds those of a list that are not in the set to those who have left. Beyond maxFormer those who serve nobody are
// forgotten first: a paused viewer of theirs may come back, but takes one place at most.
func (s *peerSet) remember(list []*peer) {
	for _, p := range list {
		if s.byService[p.endpoint()] == nil {
			s.former = append(s.former, p)
		}
	}
	spare := len(s.former) - maxFormer
	s.former = slices.DeleteFunc(s.former, func(p *peer) bool {
		if spare <= 0 || p.viewers.Load() > 0 {
			return false
		}
		spare--
		return true
	})
	if spare > 0 {
		s.former = slices.Delete(s.former, 0, spare)
	}
}

// probed is the peers that are asked whether they serve: those of the settings, and of those who have left who still does.
func (s *peerSet) probed() []*peer {
	list := slices.Clip(s.order)
	for _, p := range s.former {
		if p.viewers.Load() > 0 {
			list = append(list, p)
		}
	}
	return list
}

// probes reports whether who is at an address and port is asked whether it serves.
func (s *peerSet) probes(e endpoint) bool {
	p := s.at[e]
	return p != nil && (s.byService[e] == p || p.viewers.Load() > 0)
}

// rememberSources has the sources of an earlier run's sessions that are no peers now remembered like peers that have left: they may
// be about to register again. Those for whom there is no room among the ones that serve stay unknown.
func (c *Controller) rememberSources(sources map[endpoint]bool) {
	unknown := func(set *peerSet) (list []stream.Peer) {
		for e := range sources {
			if set.at[e] == nil {
				list = append(list, stream.Peer{Name: formerName, Address: e.address, Port: e.port})
			}
		}
		return list
	}
	if len(unknown(c.settings().peers)) == 0 {
		return
	}
	c.setMu.Lock()
	defer c.setMu.Unlock()
	now := c.settings()
	list := unknown(now.peers)
	if list = list[:min(len(list), now.peers.formerRoom())]; len(list) == 0 {
		return
	}
	next, set := *now, *now.peers
	set.former = slices.Clone(set.former)
	added := make([]*peer, len(list))
	for i, p := range list {
		added[i] = set.keep(p)
	}
	set.remember(added)
	set.index()
	next.peers = &set
	c.now.Store(&next)
}

// formerRoom is how many more may be remembered of those who have left.
func (s *peerSet) formerRoom() int {
	room := maxFormer
	for _, p := range s.former {
		if p.viewers.Load() > 0 {
			room--
		}
	}
	return room
}

// forgetFormer has the switches drop the rules that catch answers to probes of peers that have left and serve nobody any more, and
// forgets how those peers stood.
func (c *Controller) forgetFormer(former []*peer) {
	svc, ok := c.anyService()
	if !ok {
		return
	}
	for _, p := range former {
		if c.settings().peers.byService[p.endpoint()] != nil { // it has just come back
			continue
		}
		if p.viewers.Load() > 0 || p.health.Swap(unprobed) == unprobed {
			continue
		}
		for _, t := range c.allTables() { // it may have moved while it was probed
			t.remove([]flow.Key{steer.Probe(p.Peer, svc, probePort).Key()})
		}
	}
}
