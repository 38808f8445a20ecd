package topo

import (
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A Hop is one switch of a path with the ports the traffic enters and leaves it by.
type Hop struct {
	DPID    ofproto.DPID
	In, Out ofproto.Port
}

// Reversed is the hop as the return traffic sees it.
func (h Hop) Reversed() Hop { return Hop{h.DPID, h.Out, h.In} }

// Path lists the hops from one attachment point to another along the links of least delay, each link counted for another
// 10 us so that detours must be worth it, ties broken by datapath id; ok is false where no path leads. The way back is the
// same hops reversed.
func (g *Graph) Path(from, to Point) (hops []Hop, ok bool) { return g.AppendPath(nil, from, to) }

// AppendPath adds Path's hops to hops.
func (g *Graph) AppendPath(hops []Hop, from, to Point) (_ []Hop, ok bool) {
	at, in := from.DPID, from.Port
	if at == to.DPID {
		if _, known := g.find(at); known {
			return append(hops, Hop{at, in, to.Port}), true
		}
		return hops, false
	}
	i, known := g.find(at)
	t := g.treeTo(to.DPID)
	if !known || t == nil || !t.reaches(i) {
		return hops, false
	}
	for at != to.DPID {
		s := t.next[i]
		hops = append(hops, Hop{at, in, s.out})
		i, in = int(s.far), s.in
		at = g.switches[i].DPID
	}
	return append(hops, Hop{at, in, to.Port}), true
}

// NextPort is the port by which switch d sends towards point to: the first hop of Path without building the rest.
func (g *Graph) NextPort(d ofproto.DPID, to Point) (ofproto.Port, bool) {
	i, known := g.find(d)
	if !known {
		return 0, false
	}
	if d == to.DPID {
		return to.Port, true
	}
	t := g.treeTo(to.DPID)
	if t == nil || !t.reaches(i) {
		return 0, false
	}
	return t.next[i].out, true
}

// Delay is the one-way delay of the links on the path between two switches, unmeasured links counted as a millisecond.
func (g *Graph) Delay(from, to ofproto.DPID) (time.Duration, bool) {
	i, known := g.find(from)
	if !known || from == to {
		return 0, known
	}
	t := g.treeTo(to)
	if t == nil || !t.reaches(i) {
		return 0, false
	}
	return t.next[i].delay, true
}

// A tree is the shortest paths from everywhere to one switch, its root.
type tree struct {
	next []step // by switch
}

// A step is the first link of a path.
type step struct {
	out, in ofproto.Port  // where the path leaves this switch and enters the next
	far     int32         // the next switch; itself at the root, nowhere where no path leads
	delay   time.Duration // of all links from here to the root
}

const nowhere = -1

func (t *tree) reaches(i int) bool { return t.next[i].far != nowhere }

func (g *Graph) treeTo(root ofproto.DPID) *tree {
	i, ok := g.find(root)
	if !ok {
		return nil
	}
	g.prepare()
	if t := g.trees[i].Load(); t != nil {
		return t
	}
	t := g.search(int32(i)) // two goroutines may both search; they find the same tree
	g.trees[i].Store(t)
	return t
}

// search is Dijkstra's from the root outwards, against the direction of the traffic.
func (g *Graph) search(root int32) *tree {
	t := &tree{make([]step, len(g.switches))}
	for i := range t.next {
		t.next[i].far = nowhere
	}
	t.next[root].far = root
	cost := make([]time.Duration, len(g.switches))
	done := make([]bool, len(g.switches))
	q := queue{{at: root}}
	for len(q) > 0 {
		near := q.pop()
		if done[near.at] {
			continue
		}
		done[near.at] = true
		edges, _ := g.leaving(near.at)
		for _, e := range edges {
			total := near.cost + e.delay + hopCost
			if done[e.far] || t.reaches(int(e.far)) && total >= cost[e.far] {
				continue
			}
			cost[e.far] = total
			t.next[e.far] = step{e.back, e.out, near.at, t.next[near.at].delay + e.delay}
			q.push(entry{total, e.far})
		}
	}
	return t
}
