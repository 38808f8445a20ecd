package stream

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// An ID names a live stream as RTMP does. Relays know streams by nothing else, so a stream of one name is one stream, also
// where two services have it.
type ID struct {
	App, Key string
}

// String writes application and key as in a URL's path.
func (id ID) String() string { return id.App + "/" + id.Key }

func (id ID) compare(o ID) int {
	return cmp.Or(strings.Compare(id.Key, o.Key), strings.Compare(id.App, o.App)) // most applications are the same
}

// A Copy is a stream at one source.
type Copy struct {
	At        string       // the source: a peer's name, or CDN
	From      string       // the source it comes from; "" where it is published here or nobody knows
	Next      string       // the source it has been told to have it from instead, while it has not said so; "" for none
	Published bool         // clients publish it here
	Publisher ofproto.IPv4 // who publishes it; zero where nobody knows
	Viewers   int          // other relays among them
	Kbps      int          // kbit/s towards the viewers, 0 where nobody says
}

// A Live is one stream: all its copies. It never changes.
type Live struct {
	ID
	Service string // name; "" while unknown
	Copies  []Copy // by name of their sources
	Viewers int    // of all copies
}

func compareCopy(c Copy, at string) int { return strings.Compare(c.At, at) }

// Copy finds the copy at a source.
func (l *Live) Copy(at string) (Copy, bool) {
	i, ok := slices.BinarySearchFunc(l.Copies, at, compareCopy)
	if !ok {
		return Copy{}, false
	}
	return l.Copies[i], true
}

// A Catalog is all live streams at one moment. It never changes; any number of goroutines may read it. Of the nil Catalog
// nothing is known.
type Catalog struct {
	byID     *tree[*Live]
	byRank   *tree[*Live] // most viewers first, then by name
	upstream *tree[given]
}

// A given is how many copies of any streams a source gives to other sources, or is about to.
type given struct {
	source string
	copies int
}

func byID(a, b *Live) int { return a.ID.compare(b.ID) }

func byRank(a, b *Live) int {
	return cmp.Or(cmp.Compare(b.Viewers, a.Viewers), strings.Compare(a.App, b.App), strings.Compare(a.Key, b.Key))
}

func bySource(a, b given) int { return strings.Compare(a.source, b.source) }

// Stream finds a stream.
func (c *Catalog) Stream(id ID) (*Live, bool) {
	if c == nil {
		return nil, false
	}
	return c.byID.get(&Live{ID: id}, byID)
}

// All shows all streams until yield answers false: those with the most viewers first, equal ones by name.
func (c *Catalog) All(yield func(*Live) bool) {
	if c != nil {
		c.byRank.all(yield)
	}
}

// Empty reports whether no stream is known.
func (c *Catalog) Empty() bool { return c == nil || c.byID == nil }

// Given is how many copies of streams other sources have from this one, or have been told to. Each takes as much of it as a
// viewer.
func (c *Catalog) Given(source string) int {
	if c == nil {
		return 0
	}
	g, _ := c.upstream.get(given{source: source}, bySource)
	return g.copies
}

// seed makes the trees' shapes nobody's to foresee; what is in them does not depend on it.
var seed = maphash.MakeSeed()

// replaced is the catalog with a stream in the place of what it had of it. A stream without copies is gone.
func (c *Catalog) replaced(old, next *Live) *Catalog {
	n := *c
	rank := maphash.Comparable(seed, next.ID)
	if old != nil {
		n.byRank = n.byRank.without(old, byRank)
	}
	if len(next.Copies) == 0 {
		n.byID = n.byID.without(next, byID)
	} else {
		n.byID = n.byID.with(next, rank, byID)
		n.byRank = n.byRank.with(next, rank, byRank)
	}
	return &n
}

// gives counts n more copies that a source gives, or fewer.
func (c *Catalog) gives(source string, n int) {
	if source == "" {
		return
	}
	g := given{source, c.Given(source) + n}
	if g.copies == 0 {
		c.upstream = c.upstream.without(g, bySource)
		return
	}
	c.upstream = c.upstream.with(g, maphash.String(seed, source), bySource)
}
