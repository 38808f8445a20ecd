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
	i, ok := g.find(in.DPID)
	if !ok {
		return dst
	}
	s, span := g.switches[i], g.spanningTree()
	spans := func(no ofproto.Port) bool {
		e, ok := g.edgeAt(int32(i), no)
		return ok && span[e]
	}
	if s.Ports[in.Port].IsLink() && !spans(in.Port) {
		return dst
	}
	added := len(dst)
	for no, p := range s.Ports {
		switch {
		case no == in.Port || !p.Up:
		case p.IsLink():
			if spans(no) {
				dst = append(dst, no)
			}
		case usable == nil || usable(p):
			dst = append(dst, no)
		}
	}
	slices.Sort(dst[added:])
	return dst
}

// spanningTree says of each edge whether it is on a tree that spans its connected part: breadth first from the part's
// lowest datapath id.
func (g *Graph) spanningTree() []bool {
	g.prepare()
	if t := g.span.Load(); t != nil {
		return *t
	}
	tree := make([]bool, len(g.edges))
	seen := make([]bool, len(g.switches))
	todo := make([]int32, 0, len(g.switches))
	for root := range g.switches {
		if seen[root] {
			continue
		}
		seen[root] = true
		for todo = append(todo[:0], int32(root)); len(todo) > 0; todo = todo[1:] {
			edges, base := g.leaving(todo[0])
			for j, e := range edges {
				if seen[e.far] {
					continue
				}
				seen[e.far] = true
				back, _ := g.edgeAt(e.far, e.back)
				tree[base+int32(j)], tree[back] = true, true
				todo = append(todo, e.far)
			}
		}
	}
	g.span.Store(&tree)
	return tree
}
