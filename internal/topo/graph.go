package topo

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	// defaultDelay stands for a link whose delay has not been measured yet: a metro hop.
	defaultDelay = time.Millisecond
	// hopCost is added per link so that, among equal delays, fewer hops win.
	hopCost = 10 * time.Microsecond
)

// A Graph is the switches and the links between them. It never changes; the trees below are worked out on first use and
// kept for as long as the graph is current.
type Graph struct {
	switches map[ofproto.DPID]*Switch

	once  sync.Once
	index map[ofproto.DPID]int // position in order
	order []ofproto.DPID       // ascending, so that ties always fall the same way
	trees []atomic.Pointer[tree]
	span  atomic.Pointer[map[Point]bool]
}

func newGraph(switches map[ofproto.DPID]*Switch) *Graph { return &Graph{switches: switches} }

// Switch finds a connected switch.
func (g *Graph) Switch(d ofproto.DPID) (*Switch, bool) {
	s, ok := g.switches[d]
	return s, ok
}

// DPIDs lists the connected switches in ascending order. The slice is shared: read it only.
func (g *Graph) DPIDs() []ofproto.DPID {
	g.prepare()
	return g.order
}

// IsLink reports whether p is an inter-switch port.
func (g *Graph) IsLink(p Point) bool {
	s, ok := g.switches[p.DPID]
	return ok && s.Ports[p.Port].IsLink()
}

func (g *Graph) prepare() {
	g.once.Do(func() {
		g.order = make([]ofproto.DPID, 0, len(g.switches))
		for d := range g.switches {
			g.order = append(g.order, d)
		}
		slices.Sort(g.order)
		g.index = make(map[ofproto.DPID]int, len(g.order))
		for i, d := range g.order {
			g.index[d] = i
		}
		g.trees = make([]atomic.Pointer[tree], len(g.order))
	})
}

// links calls yield for every usable link that leaves s, in port order: both ends up, each knowing the other. A link heard
// in one direction only carries nothing, since the return path would be lost.
func (g *Graph) links(s *Switch, yield func(Port)) {
	ports := make([]ofproto.Port, 0, 8)
	for no, p := range s.Ports {
		if p.IsLink() && p.Up {
			ports = append(ports, no)
		}
	}
	slices.Sort(ports)
	for _, no := range ports {
		p := s.Ports[no]
		far, ok := g.switches[p.Peer.DPID]
		if !ok {
			continue
		}
		if back := far.Ports[p.Peer.Port]; back.Up && back.Peer == (Point{s.DPID, no}) {
			yield(p)
		}
	}
}

func linkDelay(p Port) time.Duration {
	if p.delay > 0 {
		return p.delay
	}
	return defaultDelay
}
