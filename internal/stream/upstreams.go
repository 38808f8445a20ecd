package stream

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/topo"
)

// An arrival is a copy that others can be sent to.
type arrival struct {
	at      string
	host    *topo.Host
	lag     time.Duration
	viewers int

	full, asked bool // whether its source is, once that has been asked
}

// isFull reports whether there is no room for one more relay.
func (a *arrival) isFull(m Map) bool {
	if !a.asked && m.Full != nil {
		a.full, a.asked = m.Full(a.at), true
	}
	return a.full
}

// arrivals are the copies whose place and lag are known, that of the service's own node among them.
func (r *reckoning) arrivals() []arrival {
	list := make([]arrival, 0, len(r.at))
	add := func(i int, c Copy) {
		if k := r.of(i, c); k.ok && k.host != nil {
			list = append(list, arrival{at: c.At, host: k.host, lag: k.lag, viewers: c.Viewers})
		}
	}
	for i, c := range r.Copies {
		add(i, c)
	}
	if _, there := r.Copy(CDN); !there {
		add(len(r.Copies), Copy{At: CDN})
	}
	return list
}

// An Offer is a source that a relay may have a stream from.
type Offer struct {
	Source string
	Lag    time.Duration // of the stream at the relay that takes it; 0 where nobody knows the way
}

// An offer is an Offer with what it is compared by.
type offer struct {
	Offer
	links   time.Duration // between the two switches
	age     time.Duration // lag of the copy at its source
	viewers int
}

// cost is the lag, that of the service's own node with a handicap.
func (o *offer) cost(margin time.Duration) time.Duration {
	if o.Source == CDN {
		return o.Lag + margin + 1 // at the very margin a peer still serves
	}
	return o.Lag
}

// soonest compares by cost.
func soonest(a, b *offer, margin time.Duration) int {
	if c := cmp.Compare(a.cost(margin), b.cost(margin)); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.viewers, b.viewers), strings.Compare(a.Source, b.Source))
}

// nearest compares by the lines that the stream takes between switches: access lines are everybody's own.
func nearest(a, b *offer) int {
	if c := cmp.Compare(a.links, b.links); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.viewers, b.viewers), cmp.Compare(a.Lag, b.Lag), strings.Compare(a.Source, b.Source))
}

// best is where a relay should have the stream from: the nearest of those that are no later than the soonest by more than
// margin, unless the soonest is the service's own node.
func best(offers []offer, margin time.Duration) (o offer, ok bool) {
	if len(offers) == 0 {
		return offer{}, false
	}
	best, cdn := &offers[0], (*offer)(nil)
	for i := range offers {
		o := &offers[i]
		if o.Source == CDN {
			cdn = o
		}
		if soonest(o, best, margin) < 0 {
			best = o
		}
	}
	if best == cdn {
		return *best, true
	}
	limit := best.Lag + margin
	if cdn != nil {
		limit = min(limit, cdn.Lag+margin)
	}
	for i := range offers {
		if o := &offers[i]; o != cdn && o.Lag <= limit && nearest(o, best) < 0 {
			best = o
		}
	}
	return *best, true
}

// offers appends what of the arrivals a relay at a place may take, which is not of those below it.
func (l *Live) offers(list []offer, relay string, below map[string]bool, from []arrival, m Map) []offer {
	host := m.Host(relay)
	own, _ := l.Copy(relay)
	for i := range from {
		a := &from[i]
		if a.at == relay || below[a.at] {
			continue
		}
		if a.at != own.From && a.at != own.Next && a.isFull(m) {
			continue
		}
		step, ok := m.between(a.host, host)
		if !ok {
			continue
		}
		o := offer{Offer: Offer{a.at, a.lag + step}, age: a.lag, viewers: a.viewers}
		if a.host.MAC != host.MAC {
			o.links = step - a.host.Delay - host.Delay
		}
		list = append(list, o)
	}
	return list
}

// below is the sources that have their copies by way of another, or may come to by what they were told, and that other: nil
// where there are none.
func (l *Live) below(other string) map[string]bool {
	if !slices.ContainsFunc(l.Copies, func(c Copy) bool { return c.From == other || c.Next == other }) {
		return nil
	}
	given := make(map[string][]string, len(l.Copies))
	for _, c := range l.Copies {
		given[c.From] = append(given[c.From], c.At)
		if c.Next != c.From {
			given[c.Next] = append(given[c.Next], c.At)
		}
	}
	below, next := map[string]bool{other: true}, []string{other}
	for ; len(next) > 0; next = next[1:] {
		for _, at := range given[next[0]] {
			if !below[at] {
				below[at] = true
				next = append(next, at)
			}
		}
	}
	return below
}

// Upstreams lists where a relay may have the stream from, best first. Among the peers whose copy reaches the relay no later
// than the soonest by more than margin, that is the nearest one by the lines between switches, so that a stream passes each
// of them once; ties by fewer viewers. The service's own node is only better by more than margin, since its line is
// everybody's. So however deep the tree, none is later at its relay than from the node itself by more than margin.
//
// Nothing ever comes in a circle: no source is offered that has its own copy by way of the relay; and none but the first
// that has its copy no sooner than the relay will, for two such could end up waiting for each other. Nothing is offered
// to the relay where the stream is published. The service's own node is offered even where nobody knows the way to it.
func (l *Live) Upstreams(relay string, m Map, margin time.Duration) []Offer {
	if own, _ := l.Copy(relay); own.Published {
		return nil
	}
	below := l.below(relay)
	all := l.offers(nil, relay, below, l.reckon(m).arrivals(), m)
	first, some := best(all, margin)
	var list []Offer
	last := below[CDN]
	if some {
		list = append(list, first.Offer)
		last = last || first.Source == CDN
	}
	slices.SortFunc(all, func(a, b offer) int { return soonest(&a, &b, margin) })
	for _, o := range all {
		if o.Source == first.Source || o.Source != CDN && o.age >= first.Lag {
			continue
		}
		list = append(list, o.Offer)
		last = last || o.Source == CDN
	}
	if !last {
		list = append(list, Offer{Source: CDN})
	}
	return list
}

// Expected is the stream's lag at each of the sources: of the copy that is there, or of the one there will be when the
// source takes the best of its Upstreams. False where that is not known of one of them, so that they cannot be compared,
// and where nobody is known to publish the stream: that somebody waits for it says nothing of where it will come from.
func (l *Live) Expected(sources []string, m Map, margin time.Duration) (lags []time.Duration, ok bool) {
	if l.published() == "" {
		return nil, false
	}
	known := l.reckon(m)
	arrivals := known.arrivals()
	lags = make([]time.Duration, len(sources))
	var offers []offer
	for i, source := range sources {
		if k := known.find(source); k.ok {
			lags[i] = k.lag
			continue
		}
		offers = l.offers(offers[:0], source, l.below(source), arrivals, m)
		o, ok := best(offers, margin)
		if !ok {
			return nil, false
		}
		lags[i] = o.Lag
	}
	return lags, true
}

// Choose answers Upstreams of a stream and notes at once that the relay takes the first of them, so that of two relays
// that ask at the same time neither is sent to wait for the other. What is noted lapses at until. The copy of a relay that has
// said itself where it has the stream from stays from there until it says otherwise; that it may change is noted beside. The
// map is asked, and told, under the directory's lock.
func (d *Directory) Choose(id ID, relay string, m Map, margin time.Duration, until time.Time) []Offer {
	d.mu.Lock()
	defer d.mu.Unlock()
	l, ok := d.Load().Stream(id)
	if !ok {
		l = &Live{ID: id}
	}
	offers := l.Upstreams(relay, m, margin)
	if len(offers) == 0 {
		return nil
	}
	first := offers[0].Source
	if own, _ := l.Copy(relay); m.Taken != nil && first != own.From && first != own.Next {
		m.Taken(first)
	}
	if f := d.fact(id, relay); !f.sure {
		d.pull(id, relay, first, until)
	} else if first != f.From {
		f.Next, f.moving = first, until
		d.refresh(id, relay)
	}
	return offers
}
