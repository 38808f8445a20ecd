package topo

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A Store holds the current Snapshot and is the only way to change it. Its zero value is not usable; see NewStore.
type Store struct {
	mu  sync.Mutex // one writer at a time; readers only Load
	cur atomic.Pointer[Snapshot]
}

// NewStore returns a store that knows of nothing.
func NewStore() *Store {
	s := new(Store)
	s.cur.Store(&Snapshot{Graph: new(Graph)})
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

// SetSwitch adds a switch, or replaces what was known of it when it reconnects. Links of ports that are still there and
// up are kept, so that a reconnection does not tear the topology; the next probes confirm them. Links of other ports are
// forgotten at both ends, and so are hosts on ports that are gone.
func (s *Store) SetSwitch(d ofproto.DPID, ports []Port) {
	s.edit(func(snap Snapshot) *Snapshot {
		old, known := snap.Switch(d)
		all := make(map[ofproto.Port]Port, len(ports))
		for _, p := range ports {
			all[p.No] = p
		}
		if known {
			for no, was := range old.Ports {
				if p, ok := all[no]; ok && was.Up && p.Up {
					all[no] = p.keep(was)
				} else {
					snap.unlink(d, was)
				}
			}
		}
		snap.Graph = snap.Graph.with(newSwitch(d, all))
		snap.hosts = snap.hosts.withoutAt(d, func(no ofproto.Port) bool {
			_, there := all[no]
			return !there
		})
		return &snap
	})
}

// RemoveSwitch forgets a switch, and with it every path over it and its hosts. The ports of others that led to it still count
// as links, where no host is learnt and no broadcast goes, until they are cut.
func (s *Store) RemoveSwitch(d ofproto.DPID) {
	s.edit(func(snap Snapshot) *Snapshot {
		i, ok := snap.find(d)
		if !ok {
			return nil
		}
		snap.Graph = &Graph{
			switches: slices.Delete(slices.Clone(snap.switches), i, i+1), dpids: slices.Delete(slices.Clone(snap.dpids), i, i+1),
		}
		snap.hosts = snap.hosts.withoutAt(d, func(ofproto.Port) bool { return true })
		return &snap
	})
}

// SetPort records a port's new state. A port that goes down loses its link at once, at both ends.
func (s *Store) SetPort(d ofproto.DPID, p Port) {
	s.edit(func(snap Snapshot) *Snapshot {
		if _, ok := snap.Switch(d); !ok {
			return nil
		}
		if was, _ := snap.port(Point{d, p.No}); was.Up && p.Up {
			p = p.keep(was)
		} else {
			snap.unlink(d, was)
		}
		snap.setPort(d, p)
		return &snap
	})
}

// RemovePort forgets a port, its link and the hosts on it.
func (s *Store) RemovePort(d ofproto.DPID, no ofproto.Port) {
	s.edit(func(snap Snapshot) *Snapshot {
		was, ok := snap.port(Point{d, no})
		if !ok {
			return nil
		}
		snap.unlink(d, was)
		sw, _ := snap.Switch(d)
		snap.Graph = snap.Graph.with(sw.withoutPort(no))
		snap.forgetAt(Point{d, no})
		return &snap
	})
}

// ExpireHosts removes the hosts of which no packet came up since before, and returns how many those were. A host that
// speaks IPv4 asks for somebody's address every few minutes, so a silent one has gone.
func (s *Store) ExpireHosts(before time.Time) (n int) {
	s.edit(func(snap Snapshot) *Snapshot {
		next := snap.hosts
		snap.hosts.byMAC.all(func(h *Host) bool {
			if h.heard.Load() < before.Unix() {
				next = next.without(h)
				n++
			}
			return true
		})
		if n == 0 {
			return nil
		}
		snap.hosts = next
		return &snap
	})
	return n
}
