package topo

import (
	"container/heap"
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

// Path lists the hops from one attachment point to another along the links of least delay, ties broken by fewer hops and
// then by datapath id; ok is false where no path leads. The way back is the same hops reversed.
func (g *Graph) Path(from, to Point) (hops []Hop, ok bool) {
	t := g.treeTo(to.DPID)
	if t == nil {
		return nil, false
	}
	at, in := from.DPID, from.Port
	for at != to.DPID {
		next, ok := t.next[at]
		if !ok {
			return nil, false
		}
		hops = append(hops, Hop{at, in, next.out})
		at, in = next.peer.DPID, next.peer.Port
	}
	if _, known := g.switches[at]; !known {
		return nil, false
	}
	return append(hops, Hop{at, in, to.Port}), true
}

// NextPort is the port by which switch d sends towards point to: the first hop of Path without building the rest.
func (g *Graph) NextPort(d ofproto.DPID, to Point) (ofproto.Port, bool) {
	if d == to.DPID {
		return to.Port, true
	}
	t := g.treeTo(to.DPID)
	if t == nil {
		return 0, false
	}
	n, ok := t.next[d]
	return n.out, ok
}

// Delay is the one-way delay of the links on the path between two switches, unmeasured links counted as a millisecond.
func (g *Graph) Delay(from, to ofproto.DPID) (time.Duration, bool) {
	if from == to {
		_, ok := g.switches[from]
		return 0, ok
	}
	t := g.treeTo(to)
	if t == nil {
		return 0, false
	}
	n, ok := t.next[from]
	return n.delay, ok
}

// A tree is the shortest paths from everywhere to one switch.
type tree struct {
	next map[ofproto.DPID]step
}

type step struct {
	out   ofproto.Port
	peer  Point
	delay time.Duration // of all links from here to the root
	cost  time.Duration // delay plus hopCost per link; what the search minimises
}

func (g *Graph) treeTo(root ofproto.DPID) *tree {
	g.prepare()
	i, ok := g.index[root]
	if !ok {
		return nil
	}
	if t := g.trees[i].Load(); t != nil {
		return t
	}
	t := g.search(root) // two goroutines may both search; they find the same tree
	g.trees[i].Store(t)
	return t
}

// search is Dijkstra from root over the reversed links.
func (g *Graph) search(root ofproto.DPID) *tree {
	t := &tree{next: make(map[ofproto.DPID]step, len(g.switches))}
	done := make(map[ofproto.DPID]bool, len(g.switches))
	q := &queue{{at: root}}
	for q.Len() > 0 {
		e := heap.Pop(q).(entry)
		if done[e.at] {
			continue
		}
		done[e.at] = true
		g.links(g.switches[e.at], func(p Port) {
			// p leads away from the root; the traffic comes the other way, over the far port's own delay.
			far := p.Peer
			if done[far.DPID] {
				return
			}
			back := g.switches[far.DPID].Ports[far.Port]
			d := linkDelay(back)
			s := step{out: far.Port, peer: Point{e.at, p.No}, delay: e.delay + d, cost: e.cost + d + hopCost}
			if old, ok := t.next[far.DPID]; !ok || s.cost < old.cost {
				t.next[far.DPID] = s
				heap.Push(q, entry{far.DPID, s.delay, s.cost})
			}
		})
	}
	return t
}

type entry struct {
	at          ofproto.DPID
	delay, cost time.Duration
}

type queue []entry

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].cost != q[j].cost {
		return q[i].cost < q[j].cost
	}
	return q[i].at < q[j].at
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(entry)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}
