package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/topo"
)

// Who has been playing since an earlier run says nothing that comes up: his rules carry it. So nobody knows his place, and where a
// link of his way is cut no other could be worked out. He is asked for.

// unseenRate is how many clients of sessions are asked for in a second, who all answer: a fraction of searchRate, for the answers
// come up by the channel that new viewers need.
const unseenRate = 1000

// seekUnseen asks for clients of sessions of an earlier run that are not on the map, and works out new ways for those who have come
// onto it since and whose way was cut before: all within two rounds.
func (c *Controller) seekUnseen(snap *topo.Snapshot, now time.Time) {
	unseen, placed := c.adopted.unseen(snap, now)
	for _, s := range unseen {
		s.seekClient()
	}
	for _, s := range placed {
		s.mu.Lock()
		cut := s.cutOff && s.state == active
		s.mu.Unlock()
		if cut {
			s.replan()
		}
	}
}

// unseen lists sessions whose client's place is unknown, as many as may be asked for now, and those of which it is known at last.
// Where there are too many it is left to chance who is asked for first.
func (a *adoption) unseen(snap *topo.Snapshot, now time.Time) (list, placed []*session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.found {
		if f.session == nil || f.placed {
			continue
		}
		if _, f.placed = snap.HostByIP(f.session.Client); f.placed {
			placed = append(placed, f.session)
		} else if a.asked.take(now, unseenRate, unseenRate) {
			list = append(list, f.session)
		}
	}
	return list, placed
}
