package topo

import (
	"slices"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// BroadcastPorts appends to dst the ports by which a broadcast that came in at point `in` leaves that switch: every edge
// port and the ports of the spanning tree, but not the one it came by. A broadcast that came over a link outside the tree
// is a copy and goes nowhere, so rings are harmless.
//
// usable filters edge ports; nil admits all that are up.
func (g *Graph) BroadcastPorts(dst []ofproto.Port, in Point, usable func(Port) bool) []ofproto.Port {
	s, ok := g.switches[in.DPID]
	if !ok {
		return dst
	}
	span := g.spanningTree()
	if g.IsLink(in) && !span[in] {
		return dst
	}
	for no, p := range s.Ports {
		switch {
		case no == in.Port || !p.Up:
		case p.IsLink():
			if span[Point{in.DPID, no}] {
				dst = append(dst, no)
			}
		case usable == nil || usable(p):
			dst = append(dst, no)
		}
	}
	slices.Sort(dst)
	return dst
}

// spanningTree is the set of link ports on a tree that spans each connected part: breadth first from its lowest datapath id.
func (g *Graph) spanningTree() map[Point]bool {
	if t := g.span.Load(); t != nil {
		return *t
	}
	g.prepare()
	tree := make(map[Point]bool)
	seen := make(map[ofproto.DPID]bool, len(g.order))
	for _, root := range g.order {
		if seen[root] {
			continue
		}
		seen[root] = true
		for todo := []ofproto.DPID{root}; len(todo) > 0; todo = todo[1:] {
			at := todo[0]
			g.links(g.switches[at], func(p Port) {
				if seen[p.Peer.DPID] {
					return
				}
				seen[p.Peer.DPID] = true
				tree[Point{at, p.No}], tree[p.Peer] = true, true
				todo = append(todo, p.Peer.DPID)
			})
		}
	}
	g.span.Store(&tree)
	return tree
}
