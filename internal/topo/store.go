package topo

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// MoveHold is how long a host must have stayed at a point before a move away from it is believed: two points that both
// claim one address would otherwise make it flap at packet rate.
const MoveHold = 200 * time.Millisecond

// A Store holds the current Snapshot and is the only way to change it. Its zero value is not usable; see NewStore.
type Store struct {
	mu  sync.Mutex // one writer at a time; readers only Load
	cur atomic.Pointer[Snapshot]
}

// NewStore returns a store that knows of nothing.
func NewStore() *Store {
	s := new(Store)
	s.cur.Store(&Snapshot{Graph: newGraph(nil)})
	return s
}

// Load returns the current picture.
func (s *Store) Load() *Snapshot { return s.cur.Load() }

// edit publishes the snapshot that f makes of the current one; a nil answer changes nothing.
func (s *Store) edit(f func(Snapshot) *Snapshot) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := f(*s.cur.Load())
	if next == nil {
		return false
	}
	s.cur.Store(next)
	return true
}

// editSwitch publishes a changed copy of one switch; f answers false where nothing changed.
func (s *Store) editSwitch(d ofproto.DPID, f func(*Switch) bool) bool {
	return s.edit(func(snap Snapshot) *Snapshot {
		old, ok := snap.switches[d]
		if !ok {
			return nil
		}
		sw := &Switch{DPID: d, Ports: maps.Clone(old.Ports)}
		if !f(sw) {
			return nil
		}
		switches := maps.Clone(snap.switches)
		switches[d] = sw
		snap.Graph = newGraph(switches)
		return &snap
	})
}

// SetSwitch adds a switch, or replaces what was known of it when it reconnects. Links of ports that are still there and
// up are kept, so that a reconnection does not tear the topology; the next probes confirm them.
func (s *Store) SetSwitch(d ofproto.DPID, ports []Port) {
	s.edit(func(snap Snapshot) *Snapshot {
		old := snap.switches[d]
		sw := &Switch{DPID: d, Ports: make(map[ofproto.Port]Port, len(ports))}
		for _, p := range ports {
			if old != nil {
				if was := old.Ports[p.No]; was.Up && p.Up {
					p.Peer, p.delay, p.Seen = was.Peer, was.delay, was.Seen
				}
			}
			sw.Ports[p.No] = p
		}
		switches := maps.Clone(snap.switches)
		if switches == nil {
			switches = make(map[ofproto.DPID]*Switch, 1)
		}
		switches[d] = sw
		snap.Graph = newGraph(switches)
		return &snap
	})
}

// RemoveSwitch forgets a switch and all links to it. Its hosts are kept: their flows go on without a controller.
func (s *Store) RemoveSwitch(d ofproto.DPID) {
	s.edit(func(snap Snapshot) *Snapshot {
		if snap.switches[d] == nil {
			return nil
		}
		switches := maps.Clone(snap.switches)
		delete(switches, d)
		snap.Graph = newGraph(switches)
		return &snap
	})
}

// SetPort records a port's new state. A port that goes down loses its link at once, at both ends.
func (s *Store) SetPort(d ofproto.DPID, p Port) {
	s.edit(func(snap Snapshot) *Snapshot {
		old := snap.switches[d]
		if old == nil {
			return nil
		}
		switches := maps.Clone(snap.switches)
		was := old.Ports[p.No]
		if was.Up && p.Up {
			p.Peer, p.delay, p.Seen = was.Peer, was.delay, was.Seen
		} else if was.IsLink() {
			unlink(switches, was.Peer, Point{d, p.No})
		}
		sw := &Switch{DPID: d, Ports: maps.Clone(old.Ports)}
		sw.Ports[p.No] = p
		switches[d] = sw
		snap.Graph = newGraph(switches)
		return &snap
	})
}

// RemovePort forgets a port, its link and the hosts on it.
func (s *Store) RemovePort(d ofproto.DPID, no ofproto.Port) {
	s.SetPort(d, Port{No: no})
	s.editSwitch(d, func(sw *Switch) bool {
		delete(sw.Ports, no)
		return true
	})
}

// unlink clears the far end of a link, if it still points back at from.
func unlink(switches map[ofproto.DPID]*Switch, far, from Point) {
	sw := switches[far.DPID]
	if sw == nil || sw.Ports[far.Port].Peer != from {
		return
	}
	c := &Switch{DPID: sw.DPID, Ports: maps.Clone(sw.Ports)}
	p := c.Ports[far.Port]
	p.Peer, p.delay = Point{}, 0
	c.Ports[far.Port] = p
	switches[far.DPID] = c
}
