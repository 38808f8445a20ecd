package stream

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// An ID names a live stream as RTMP does. Relays know streams by nothing else, so a stream of one name is one stream, also
// where two services have it.
type ID struct {
	App, Key string
}

// String writes application and key as in a URL's path.
func (id ID) String() string { return id.App + "/" + id.Key }

// A Copy is a stream at one source.
type Copy struct {
	At        string       // the source: a peer's name, or CDN
	From      string       // the source it comes from; "" where it is published here or nobody knows
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

// Copy finds the copy at a source.
func (l *Live) Copy(at string) (Copy, bool) {
	i, ok := slices.BinarySearchFunc(l.Copies, at, func(c Copy, at string) int { return strings.Compare(c.At, at) })
	if !ok {
		return Copy{}, false
	}
	return l.Copies[i], true
}

// A Catalog is all live streams at one moment. It never changes; any number of goroutines may read it. Of the nil Catalog
// nothing is known.
type Catalog struct {
	live map[ID]*Live

	once   sync.Once
	ranked []*Live // most viewers first, then by name
}

// Stream finds a stream.
func (c *Catalog) Stream(id ID) (*Live, bool) {
	if c == nil {
		return nil, false
	}
	l, ok := c.live[id]
	return l, ok
}

// Streams lists all streams, those with the most viewers first, equal ones by name. The slice is shared: read it only.
func (c *Catalog) Streams() []*Live {
	if c == nil {
		return nil
	}
	c.once.Do(func() {
		for _, l := range c.live {
			c.ranked = append(c.ranked, l)
		}
		slices.SortFunc(c.ranked, func(a, b *Live) int {
			return cmp.Or(cmp.Compare(b.Viewers, a.Viewers), strings.Compare(a.App, b.App), strings.Compare(a.Key, b.Key))
		})
	})
	return c.ranked
}
