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

// stranger is the peer that sessions of an earlier run have at an address and port, and that is none now: remembered like those
// who have left. It may be about to register again.
func (c *Controller) stranger(e endpoint) *peer {
	if p := c.settings().peers.at[e]; p != nil {
		return p
	}
	c.setMu.Lock()
	defer c.setMu.Unlock()
	now := c.settings()
	if p := now.peers.at[e]; p != nil {
		return p
	}
	next, set := *now, *now.peers
	set.former = slices.Clone(set.former)
	p := now.peers.keep(stream.Peer{Name: formerName, Address: e.address, Port: e.port})
	set.remember(nil)
	set.former = append(set.former, p) // behind the bound: the rest of its session is not made yet, so that it seems to serve nobody
	set.index()
	next.peers = &set
	c.now.Store(&next)
	return p
}

// parted has those who have left and serve nobody any more be forgotten by the switches, which catch answers to probes no longer.
// What is known of them is of the past.
func (c *Controller) parted() {
	svc, ok := c.anyService()
	if !ok {
		return
	}
	for _, p := range c.settings().peers.former {
		if p.viewers.Load() > 0 || p.health.Swap(unprobed) == unprobed {
			continue
		}
		for _, t := range c.allTables() { // it may have moved while it was probed
			t.remove([]flow.Key{steer.Probe(p.Peer, svc, probePort).Key()})
		}
	}
}
