package topo

import (
	"cmp"
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

// A Graph is the switches and the links between them. It never changes; what follows from it is worked out on first use
// and kept for as long as the graph is current.
type Graph struct {
	switches []*Switch      // ascending by DPID, so that ties always fall the same way
	dpids    []ofproto.DPID // of switches

	once  sync.Once
	edges []edge                 // all usable links, in both directions, by switch and port
	first []int32                // those that leave switches[i] are edges[first[i]:first[i+1]]
	trees []atomic.Pointer[tree] // by root
	span  atomic.Pointer[[]bool] // by edge: whether broadcasts take it
}

// An edge is a usable link as its near end sees it.
type edge struct {
	out, back ofproto.Port  // at this end, and at the far one
	far       int32         // switch at the far end
	delay     time.Duration // of what comes here by it
}

// find is where a switch is in g.switches, or belongs.
func (g *Graph) find(d ofproto.DPID) (int, bool) {
	return slices.BinarySearch(g.dpids, d)
}

// with is the graph with that switch added or replaced.
func (g *Graph) with(s *Switch) *Graph {
	i, ok := g.find(s.DPID)
	if !ok {
		return &Graph{switches: slices.Insert(slices.Clip(g.switches), i, s), dpids: slices.Insert(slices.Clip(g.dpids), i, s.DPID)}
	}
	switches := slices.Clone(g.switches)
	switches[i] = s
	return &Graph{switches: switches, dpids: g.dpids}
}

// Switch finds a connected switch.
func (g *Graph) Switch(d ofproto.DPID) (*Switch, bool) {
	i, ok := g.find(d)
	if !ok {
		return nil, false
	}
	return g.switches[i], true
}

// DPIDs lists the connected switches in ascending order. The slice is shared: read it only.
func (g *Graph) DPIDs() []ofproto.DPID { return g.dpids }

// port finds a port of a connected switch.
func (g *Graph) port(at Point) (Port, bool) {
	s, ok := g.Switch(at.DPID)
	if !ok {
		return Port{}, false
	}
	p, ok := s.Ports[at.Port]
	return p, ok
}

// IsLink reports whether p is an inter-switch port.
func (g *Graph) IsLink(p Point) bool {
	port, ok := g.port(p)
	return ok && port.IsLink()
}

// prepare lists the usable links: both ends up, each knowing the other. A link heard in one direction only carries
// nothing, since the return path would be lost.
func (g *Graph) prepare() {
	g.once.Do(func() {
		g.first = make([]int32, len(g.switches)+1)
		g.trees = make([]atomic.Pointer[tree], len(g.switches))
		for i, s := range g.switches {
			for _, no := range s.links {
				p := s.Ports[no]
				far, ok := g.find(p.Peer.DPID)
				if !ok {
					continue
				}
				if back := g.switches[far].Ports[p.Peer.Port]; back.Peer == (Point{s.DPID, no}) {
					g.edges = append(g.edges, edge{no, p.Peer.Port, int32(far), linkDelay(back)})
				}
			}
			g.first[i+1] = int32(len(g.edges))
		}
	})
}

// leaving is the usable links of a switch by port, and where in g.edges they begin.
func (g *Graph) leaving(i int32) (edges []edge, base int32) {
	return g.edges[g.first[i]:g.first[i+1]], g.first[i]
}

// edgeAt finds the usable link that leaves a switch by a port.
func (g *Graph) edgeAt(i int32, out ofproto.Port) (int32, bool) {
	edges, base := g.leaving(i)
	at, ok := slices.BinarySearchFunc(edges, out, func(e edge, out ofproto.Port) int { return cmp.Compare(e.out, out) })
	return base + int32(at), ok
}

func linkDelay(p Port) time.Duration {
	if p.delay > 0 {
		return p.delay
	}
	return defaultDelay
}
