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

// Links lists every known link between connected switches, one entry a direction, by switch and port. One that is listed
// in one direction only has not been heard in the other, and is not used.
func (g *Graph) Links() []Link {
	var links []Link
	for _, s := range g.switches {
		for _, no := range s.links {
			p := s.Ports[no]
			if _, connected := g.find(p.Peer.DPID); connected {
				links = append(links, Link{Point{s.DPID, no}, p.Peer, p.delay})
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
	s.edit(func(snap Snapshot) *Snapshot {
		p, ok := snap.port(from)
		if !ok || !p.Up {
			return nil
		}
		changed = p.Peer != to
		if !changed && !differs(p.delay, delay) {
			return nil
		}
		p.Peer, p.delay = to, delay
		snap.setPort(from.DPID, p)
		if changed {
			snap.forgetAt(from)
			snap.forgetAt(to)
		}
		return &snap
	})
	return changed
}

func differs(a, b time.Duration) bool {
	d := (a - b).Abs()
	return (a == 0) != (b == 0) || d > max(a, b)/10 && d > 500*time.Microsecond
}

// CutLink forgets the link that leaves by from, and reports whether there was one. The other direction is still known, but
// carries nothing any more.
func (s *Store) CutLink(from Point) bool {
	return s.edit(func(snap Snapshot) *Snapshot {
		p, ok := snap.port(from)
		if !ok || !p.IsLink() {
			return nil
		}
		p.Peer, p.delay = Point{}, 0
		snap.setPort(from.DPID, p)
		return &snap
	})
}

// setPort puts a port of a connected switch in place of the one of its number.
func (s *Snapshot) setPort(d ofproto.DPID, p Port) {
	if sw, ok := s.Switch(d); ok {
		s.Graph = s.Graph.with(sw.withPort(p))
	}
}

// unlink clears the far end of the link by which p leads away from switch d, if that still points back.
func (s *Snapshot) unlink(d ofproto.DPID, p Port) {
	far, ok := s.port(p.Peer)
	if !p.IsLink() || !ok || far.Peer != (Point{d, p.No}) {
		return
	}
	far.Peer, far.delay = Point{}, 0
	s.setPort(p.Peer.DPID, far)
}

// forgetAt forgets the hosts on one port.
func (s *Snapshot) forgetAt(at Point) {
	s.hosts = s.hosts.withoutAt(at.DPID, func(no ofproto.Port) bool { return no == at.Port })
}
