package topo

import (
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// Link is one direction of a cable between two switches.
type Link struct {
	From, To Point
	Delay    time.Duration // one way, 0 while unmeasured
}

// Links lists every known link, one entry a direction, in no particular order.
func (g *Graph) Links() []Link {
	var links []Link
	for d, s := range g.switches {
		for no, p := range s.Ports {
			if p.IsLink() {
				links = append(links, Link{Point{d, no}, p.Peer, p.delay})
			}
		}
	}
	return links
}

// SetLink records that what leaves by from arrives at to, after delay (0 where it could not be measured), and reports
// whether the shape of the network changed by it. Hosts believed to sit on either end are forgotten: a link carries other
// people's packets. A delay is taken over only where it differs from the known one by more than a tenth and half a
// millisecond, so that jitter does not move paths about.
func (s *Store) SetLink(from, to Point, delay time.Duration) (changed bool) {
	s.editSwitch(from.DPID, func(sw *Switch) bool {
		p, ok := sw.Ports[from.Port]
		if !ok || !p.Up {
			return false
		}
		changed = p.Peer != to
		if !changed && !differs(p.delay, delay) {
			return false
		}
		p.Peer, p.delay = to, delay
		sw.Ports[from.Port] = p
		return true
	})
	if changed {
		s.forgetHostsAt(func(h *Host) bool { return h.At == from || h.At == to })
	}
	return changed
}

func differs(a, b time.Duration) bool {
	d := (a - b).Abs()
	return (a == 0) != (b == 0) || d > max(a, b)/10 && d > 500*time.Microsecond
}

// CutLink forgets the link that leaves by from, and reports whether there was one.
func (s *Store) CutLink(from Point) bool {
	return s.editSwitch(from.DPID, func(sw *Switch) bool {
		p := sw.Ports[from.Port]
		if !p.IsLink() {
			return false
		}
		p.Peer, p.delay = Point{}, 0
		sw.Ports[from.Port] = p
		return true
	})
}

// ForgetHost removes a host.
func (s *Store) ForgetHost(mac ofproto.MAC) {
	s.forgetHostsAt(func(h *Host) bool { return h.MAC == mac })
}

func (s *Store) forgetHostsAt(match func(*Host) bool) {
	s.edit(func(snap Snapshot) *Snapshot {
		changed := false
		for _, shard := range snap.hosts.byMAC {
			for _, h := range shard {
				if match(h) {
					snap.hosts = snap.hosts.without(h)
					changed = true
				}
			}
		}
		if !changed {
			return nil
		}
		return &snap
	})
}
