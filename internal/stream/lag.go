package stream

import (
	"slices"
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
