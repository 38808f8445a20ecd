package stream

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/topo"
)

// A Map says where sources and hosts are.
type Map struct {
	*topo.Snapshot
	// Host is where a source is; nil for one that is not on the map, or that should not be counted on.
	Host func(source string) *topo.Host
	// Full reports whether a source has no room for one more relay; nil: all have. A relay that has a stream from there
	// keeps its place.
	Full func(source string) bool
	// Taken is told of the source that a relay is told to have a stream from, where that is new (see Directory.Choose); nil:
	// nobody wants to know.
	Taken func(source string)
}

// between is the one-way delay from one host's network card to another's; access lines that were not measured count
// nothing.
func (m Map) between(a, b *topo.Host) (time.Duration, bool) {
	if a == nil || b == nil {
		return 0, false
	}
	if a.MAC == b.MAC {
		return 0, true
	}
	links, ok := m.Delay(a.At.DPID, b.At.DPID)
	return a.Delay + links + b.Delay, ok
}

// Lag is how old the stream is at a source that has it, or is bound to: the delay from its publisher along the sources
// through which it comes. A publisher that nobody knows counts nothing, which is the same for all copies. The service's own
// node has every stream: from the source where it is published, or else from outside. False: the source has no copy, or
// it comes from where there is none, or in a circle, or over what is not on the map.
func (l *Live) Lag(at string, m Map) (lag time.Duration, ok bool) {
	k := l.reckon(m).find(at)
	return k.lag, k.ok
}

// A reckoning is the lag of a stream's copies by one map. Each is worked out once, however many others come by it.
type reckoning struct {
	*Live
	Map
	at   []reckoned // as Copies, and last the service's own node's, which is used where that is not among them
	home string     // where the node has the stream from; "" for outside
}

// A reckoned is what is known of one copy.
type reckoned struct {
	host    *topo.Host
	lag     time.Duration
	ok      bool // lag is known
	reached bool // it has been worked out, or is being: what needs it meanwhile comes in a circle
}

func (l *Live) reckon(m Map) *reckoning {
	return &reckoning{Live: l, Map: m, at: make([]reckoned, len(l.Copies)+1), home: l.published()}
}

// find is what is known of a source's copy: nothing of one that it does not have.
func (r *reckoning) find(at string) reckoned {
	i, ok := slices.BinarySearchFunc(r.Copies, at, compareCopy)
	switch {
	case ok:
		return r.of(i, r.Copies[i])
	case at == CDN:
		return r.of(len(r.Copies), Copy{At: CDN})
	}
	return reckoned{}
}

// of works out the copy of an index, and those that it comes by.
func (r *reckoning) of(i int, c Copy) reckoned {
	k := &r.at[i]
	if k.reached {
		return *k
	}
	k.reached, k.host = true, r.Host(c.At)
	from := c.From
	if from == "" && c.At == CDN {
		from = r.home
	}
	switch {
	case c.Published:
		p, _ := r.HostByIP(c.Publisher)
		k.lag, _ = r.between(p, k.host)
		k.ok = true
	case from != "":
		above := r.find(from)
		if step, ok := r.between(above.host, k.host); ok && above.ok {
			k.lag, k.ok = above.lag+step, true
		}
	default:
		k.ok = c.At == CDN
	}
	return *k
}

// published is the first source where the stream is published, "" for none.
func (l *Live) published() string {
	for _, c := range l.Copies {
		if c.Published {
			return c.At
		}
	}
	return ""
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

// An arrival is a copy that others can be sent to.
type arrival struct {
	at      string
	host    *topo.Host
	lag     time.Duration
	viewers int
}

// arrivals are the copies whose place and lag are known, that of the service's own node among them.
func (r *reckoning) arrivals() []arrival {
	list := make([]arrival, 0, len(r.at))
	add := func(i int, c Copy) {
		if k := r.of(i, c); k.ok && k.host != nil {
			list = append(list, arrival{c.At, k.host, k.lag, c.Viewers})
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

// soonest compares by lag, that of the service's own node with a handicap.
func soonest(margin time.Duration) func(a, b offer) int {
	cost := func(o offer) time.Duration {
		if o.Source == CDN {
			return o.Lag + margin + 1 // at the very margin a peer still serves
		}
		return o.Lag
	}
	return func(a, b offer) int {
		return cmp.Or(cmp.Compare(cost(a), cost(b)), cmp.Compare(a.viewers, b.viewers), strings.Compare(a.Source, b.Source))
	}
}

// nearest compares by the lines that the stream takes between switches: access lines are everybody's own.
func nearest(a, b offer) int {
	return cmp.Or(cmp.Compare(a.links, b.links), cmp.Compare(a.viewers, b.viewers), cmp.Compare(a.Lag, b.Lag),
		strings.Compare(a.Source, b.Source))
}

// best is where a relay should have the stream from: the nearest of those that are no later than the soonest by more than
// margin, unless the soonest is the service's own node.
func best(offers []offer, margin time.Duration) (o offer, ok bool) {
	if len(offers) == 0 {
		return offer{}, false
	}
	best := slices.MinFunc(offers, soonest(margin))
	if best.Source == CDN {
		return best, true
	}
	limit := best.Lag + margin
	for _, o := range offers {
		if o.Source == CDN {
			limit = min(limit, o.Lag+margin)
		}
	}
	for _, o := range offers {
		if o.Source != CDN && o.Lag <= limit && nearest(o, best) < 0 {
			best = o
		}
	}
	return best, true
}

// offers appends what of the arrivals a relay at a place may take, which is not of those below it.
func (l *Live) offers(list []offer, relay string, below map[string]bool, from []arrival, m Map) []offer {
	host := m.Host(relay)
	own, _ := l.Copy(relay)
	for _, a := range from {
		if a.at == relay || below[a.at] {
			continue
		}
		if m.Full != nil && a.at != own.From && a.at != own.Next && m.Full(a.at) {
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
	slices.SortFunc(all, soonest(margin))
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
// that ask at the same time neither is sent to wait for the other. What is noted holds until then. The copy of a relay that has
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
