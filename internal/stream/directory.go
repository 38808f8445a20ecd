package stream

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A Directory gathers what is learnt of live streams: who publishes them where, which source pulls them from which, who
// watches. It is told in events, by whoever saw something: a connection that was read, a relay that reports, a server's
// callback. Readers get a Catalog, which never changes. The zero Directory is empty and ready; its methods may be called by
// any goroutine.
//
// An event holds until a moment that its teller names, and is told again before; the zero time means until it is taken
// back. Sources are called by their peers' names, the services' own nodes CDN.
type Directory struct {
	mu      sync.Mutex // one writer at a time; readers only Load
	streams map[ID]*entry
	watches map[Tuple]*watch
	reports map[string]report // the last of each source
	turn    chan struct{}     // closed when a stream is next published somewhere, or no longer; nil: nobody waits
	cur     atomic.Pointer[Catalog]
}

// An entry is one stream as the writer knows it.
type entry struct {
	service string
	facts   map[string]*fact // by source
}

// A fact is a copy and why it is believed in: because somebody said so, or because somebody watches it there.
type fact struct {
	Copy
	said     bool
	reported bool // by the source itself, whose next report need not mention it any more
	until    time.Time
	counted  bool      // Viewers is the source's own count
	sure     bool      // From is the source's own word
	moving   time.Time // until when Next is believed in
	watching int       // Invariant: the number of watches of it
}

type watch struct {
	id    ID
	at    string
	until time.Time
}

type report struct {
	list  []Reported
	until time.Time
}

func lapsed(until, now time.Time) bool { return !until.IsZero() && !until.After(now) }

// Load returns what is known now.
func (d *Directory) Load() *Catalog {
	if c := d.cur.Load(); c != nil {
		return c
	}
	return nothing
}

// nothing is the catalog of a directory that has not been told of any stream.
var nothing = new(Catalog)

// Turn returns a channel that is closed when a stream is next published somewhere, by somebody else, or no longer.
func (d *Directory) Turn() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.turn == nil {
		d.turn = make(chan struct{})
	}
	return d.turn
}

// Publish says that a client publishes a stream to a source. Publisher is zero where nobody knows who, service "" where
// nobody knows which.
func (d *Directory) Publish(id ID, service, at string, publisher ofproto.IPv4, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.fact(id, at)
	f.said, f.until = true, until
	f.Published, f.From, f.Next, f.sure = true, "", "", false
	if publisher != (ofproto.IPv4{}) {
		f.Publisher = publisher
	}
	d.serves(id, service)
	d.refresh(id, at)
}

// Pull says that one source has a stream from another: it pulls it, or is sent it.
func (d *Directory) Pull(id ID, at, from string, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pull(id, at, from, until)
}

func (d *Directory) pull(id ID, at, from string, until time.Time) {
	f := d.fact(id, at)
	f.said, f.until = true, until
	f.Published, f.Publisher, f.From, f.Next, f.sure = false, ofproto.IPv4{}, from, "", false
	d.refresh(id, at)
}

// Drop says that a source has a stream no longer, from nobody.
func (d *Directory) Drop(id ID, at string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e, ok := d.streams[id]; ok && e.facts[at] != nil {
		d.unsay(id, e.facts[at])
	}
}

// Gone says that a source is dead: it has nothing any more, and the service's own node has nothing from it. Who watches it
// there is told of by who sees them.
func (d *Directory) Gone(at string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, e := range d.streams {
		for _, source := range []string{at, CDN} {
			if f := e.facts[source]; f != nil && f.said && (source == at || f.From == at) {
				d.unsay(id, f)
			}
		}
	}
}

// Watch says that a connection plays a stream from a source.
func (d *Directory) Watch(t Tuple, id ID, service, at string, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w, ok := d.watches[t]; ok && w.id == id && w.at == at {
		w.until = until
		return
	}
	d.unwatch(t)
	if d.watches == nil {
		d.watches = make(map[Tuple]*watch)
	}
	d.watches[t] = &watch{id, at, until}
	d.fact(id, at).watching++
	d.serves(id, service)
	d.refresh(id, at)
}

// Unwatch says that a connection has ended, whatever it played.
func (d *Directory) Unwatch(t Tuple) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unwatch(t)
}

func (d *Directory) unwatch(t Tuple) {
	w, ok := d.watches[t]
	if !ok {
		return
	}
	delete(d.watches, t)
	d.streams[w.id].facts[w.at].watching--
	d.refresh(w.id, w.at)
}

// A Reported is one stream as a relay reports it.
type Reported struct {
	ID
	Viewers   int
	Kbps      int    // kbit/s towards all its viewers
	Published bool   // to this very relay
	From      string // the source that it comes from; "" while it comes from nowhere, or where the relay does not say
}

// Report is a source's own list of all the streams it has. What was on its last list and is not on this one is gone; what
// others said of it is not. With an empty list a source says farewell.
func (d *Directory) Report(at string, list []Reported, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := make(map[ID]bool, len(list))
	for _, r := range list {
		now[r.ID] = true
	}
	for _, r := range d.reports[at].list {
		if e, ok := d.streams[r.ID]; ok && !now[r.ID] && e.facts[at] != nil && e.facts[at].reported {
			d.unsay(r.ID, e.facts[at])
		}
	}
	if d.reports == nil {
		d.reports = make(map[string]report)
	}
	if d.reports[at] = (report{list, until}); len(list) == 0 {
		delete(d.reports, at)
	}
	for _, r := range list {
		f := d.fact(r.ID, at)
		f.said, f.reported, f.until = true, true, until
		f.counted, f.Viewers, f.Kbps = true, r.Viewers, r.Kbps
		f.comes(r)
		d.refresh(r.ID, at)
	}
}

// comes notes what a source itself says of where it has a stream from. That goes before what it was told to do.
func (f *fact) comes(r Reported) {
	f.Published, f.sure = r.Published, !r.Published && r.From != ""
	if !r.Published {
		f.Publisher = ofproto.IPv4{}
	}
	switch {
	case r.Published:
		f.From, f.Next = "", ""
	case f.sure:
		if f.From = r.From; f.Next == f.From {
			f.Next = ""
		}
	case f.Next != "":
		f.From, f.Next = f.Next, ""
	case f.From == "" && f.At != CDN:
		f.From = CDN
	}
}

// Expire forgets what was not told again in time.
func (d *Directory) Expire(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for t, w := range d.watches {
		if lapsed(w.until, now) {
			d.unwatch(t)
		}
	}
	maps.DeleteFunc(d.reports, func(_ string, r report) bool { return lapsed(r.until, now) })
	for id, e := range d.streams {
		for _, f := range e.facts {
			if f.said && lapsed(f.until, now) {
				d.unsay(id, f)
			} else if f.Next != "" && lapsed(f.moving, now) {
				f.Next = ""
				d.refresh(id, f.At)
			}
		}
	}
}

// fact finds or begins a source's fact about a stream. One that nobody has said anything else of is presumed to come from
// the service's own node.
func (d *Directory) fact(id ID, at string) *fact {
	e, ok := d.streams[id]
	if !ok {
		if d.streams == nil {
			d.streams = make(map[ID]*entry)
		}
		e = &entry{facts: make(map[string]*fact)}
		d.streams[id] = e
	}
	f, ok := e.facts[at]
	if !ok {
		f = &fact{Copy: Copy{At: at}}
		if at != CDN {
			f.From = CDN
		}
		e.facts[at] = f
	}
	return f
}

// unsay takes back all that was said of a copy. Somebody may still watch it there.
func (d *Directory) unsay(id ID, f *fact) {
	watching := f.watching
	delete(d.streams[id].facts, f.At)
	if watching > 0 {
		d.fact(id, f.At).watching = watching
	}
	d.refresh(id, f.At)
}

func (d *Directory) serves(id ID, service string) {
	if service != "" {
		d.streams[id].service = service
	}
}

// refresh publishes what is known now of a stream at one source.
func (d *Directory) refresh(id ID, at string) {
	now, e := d.Load(), d.streams[id]
	old, _ := now.Stream(id)
	if old == nil {
		old = &Live{ID: id}
	}
	i, had := slices.BinarySearchFunc(old.Copies, at, compareCopy)
	var was, is Copy
	if had {
		was = old.Copies[i]
	}
	f := e.facts[at]
	has := f != nil && (f.said || f.watching > 0)
	if has {
		if !f.counted {
			f.Viewers = f.watching
		}
		is = f.Copy
	} else if delete(e.facts, at); len(e.facts) == 0 {
		delete(d.streams, id)
	}
	if has == had && is == was && old.Service == e.service {
		return // only told again
	}
	l := &Live{ID: id, Service: e.service, Viewers: old.Viewers + is.Viewers - was.Viewers}
	l.Copies = make([]Copy, 0, len(old.Copies)+1)
	l.Copies = append(l.Copies, old.Copies[:i]...)
	if has {
		l.Copies = append(l.Copies, is)
	}
	if had {
		i++
	}
	l.Copies = append(l.Copies, old.Copies[i:]...)
	next := now.replaced(old, l)
	for _, step := range [][2]string{{was.From, is.From}, {was.Next, is.Next}} {
		if step[0] != step[1] {
			next.gives(step[0], -1)
			next.gives(step[1], 1)
		}
	}
	d.cur.Store(next)
	if d.turn != nil && (was.Published != is.Published || was.Publisher != is.Publisher) {
		close(d.turn)
		d.turn = nil
	}
}
