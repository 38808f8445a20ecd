package relay

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// streamID names a stream: application and key, both without query arguments.
type streamID struct{ app, key string }

func (id streamID) String() string { return id.app + "/" + id.key }

// arguments are what stood behind the "?" of an application's and of a stream's name: tokens, mostly. Either may be empty.
type arguments struct{ app, key string }

func argumentsOf(r rtmp.Request) (a arguments) {
	_, a.app = rtmp.SplitArgs(r.App)
	_, a.key = rtmp.SplitArgs(r.Key)
	return a
}

// withArgs puts arguments behind a name that has none.
func withArgs(name, args string) string {
	if args == "" || strings.Contains(name, "?") {
		return name
	}
	return name + "?" + args
}

// A stream is one live stream: where it comes from, its latest messages, and who reads them.
type stream struct {
	id    streamID
	relay *Relay

	mu      sync.RWMutex
	window  *window
	splicer *splicer
	viewers []*viewer // those below first; replaced, never changed, so that it may be gone through unlocked
	below   int       // how many of them are relays
	gone    bool      // no longer in the relay's table; whoever holds it must look again
	ended   bool      // its viewers are being sent away

	publisher *publisher
	pull      *pull
	pushes    []*push
	args      arguments // of the first who asked, for the upstream
	lonely    time.Time // since when nobody watches; zero: somebody does
	silent    time.Time // since when there is no source; zero: there is one
	bytes     uint64    // received
	meter     meter
}

func newStream(r *Relay, id streamID, now time.Time) *stream {
	w := newWindow(r.o.ChunkSize, max(r.o.Queue, r.o.Stall+overlap))
	return &stream{id: id, relay: r, window: w, splicer: newSplicer(w, r.o.Stall), lonely: now, silent: now}
}

// feed takes what a source brought with one read and wakes the readers.
func (s *stream) feed(src *source, ms []rtmp.Message, size int) {
	now := time.Now()
	s.mu.Lock()
	before := s.splicer.active
	grown := false
	for _, m := range ms {
		if m.Type == rtmp.TypeAggregate {
			for _, part := range rtmp.SplitAggregate(m) {
				if isStream(part) { // a Set Chunk Size among them would be taken at its word by every viewer
					grown = s.splicer.feed(src, part, now) || grown
				}
			}
			continue
		}
		if !isStream(m) {
			continue
		}
		grown = s.splicer.feed(src, m, now) || grown
	}
	s.bytes += uint64(size)
	after := s.splicer.active
	seamless := after != nil && after.joined
	s.mu.Unlock()
	s.relay.metrics.bytesIn.Add(float64(size))
	s.relay.metrics.messages.Add(float64(len(ms)))
	if grown {
		s.fanOut(now)
	}
	if after != before && after != nil {
		s.relay.changed(s, before, after, seamless)
	}
}

// isStream reports whether a message is part of what viewers get.
func isStream(m rtmp.Message) bool {
	switch m.Type {
	case rtmp.TypeAudio, rtmp.TypeVideo, rtmp.TypeDataAMF0, rtmp.TypeDataAMF3:
		return true
	}
	return false
}

// shardViewers is how many viewers are worth a goroutine of their own when the stream grows.
const shardViewers = 128

// fanOut sends what is new to everybody: to pushes by waking them, to viewers by writing, spread over the processors. Those whom
// others wait for, relays below and pushes, come before a thousand players: each waits for all before him.
func (s *stream) fanOut(now time.Time) {
	s.mu.RLock()
	below, players, pushes := s.viewers[:s.below], s.viewers[s.below:], s.pushes
	s.mu.RUnlock()
	for _, p := range pushes {
		p.poke()
	}
	pokeAll(below, now)
	if len(pushes) > 0 && len(players) > 0 {
		runtime.Gosched() // or with no processor to spare they would come last
	}
	shards := max(1, min(runtime.GOMAXPROCS(0), len(players)/shardViewers))
	var others sync.WaitGroup
	for i := 1; i < shards; i++ {
		others.Add(1)
		go func() {
			defer others.Done()
			pokeAll(players[len(players)*i/shards:len(players)*(i+1)/shards], now)
		}()
	}
	pokeAll(players[:len(players)/shards], now)
	others.Wait()
}

func pokeAll(viewers []*viewer, now time.Time) {
	for _, v := range viewers {
		v.poke(now)
	}
}

// collect hands a reader its next batch, in the memory of room, and says whether the stream has ended.
func (s *stream) collect(c *cursor, now time.Time, room []*entry) (b batch, ended bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b = c.collect(s.window, now, room)
	if c.skipped > 0 {
		s.relay.metrics.skipped.Add(float64(c.skipped))
		c.skipped = 0
	}
	return b, s.ended
}

// offer makes src the stream's next source.
func (s *stream) offer(src *source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.splicer.offer(src, time.Now())
	s.silent = time.Time{}
}

// drop ends a source. The stream goes on where the next one begins.
func (s *stream) drop(src *source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.splicer.drop(src)
	if s.splicer.active == nil && s.splicer.candidate == nil {
		s.silent = time.Now()
	}
}

// addViewer gives a viewer its place and sees to a source. It fails when the stream has just been given up.
func (s *stream) addViewer(v *viewer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return false
	}
	if v.past > 0 {
		v.resume(s.window, v.past, time.Now())
	} else {
		v.join(s.window, s.relay.o.Join)
	}
	all := append(slices.Clip(s.viewers), nil)
	free := len(all) - 1
	if len(v.via) > 0 {
		place(all, free, all[s.below])
		free = s.below
		s.below++
	}
	place(all, free, v)
	s.viewers = all
	s.lonely = time.Time{}
	if s.args == (arguments{}) {
		s.args = argumentsOf(v.request)
	}
	s.ensurePull()
	return true
}

// place puts a viewer at a place of a list, unless there is none.
func place(list []*viewer, i int, v *viewer) {
	if list[i] = v; v != nil {
		v.index = i
	}
}

func (s *stream) removeViewer(v *viewer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := slices.Clone(s.viewers)
	last, free := len(left)-1, v.index
	if free < s.below {
		s.below--
		place(left, free, left[s.below])
		free = s.below
	}
	if free < last {
		place(left, free, left[last])
	}
	left[last] = nil
	s.viewers = left[:last]
	if last == 0 {
		s.lonely = time.Now()
	}
}

// ensurePull starts pulling if that is where the stream must come from. The caller holds the lock.
func (s *stream) ensurePull() {
	if s.pull == nil && s.publisher == nil && len(s.viewers) > 0 && s.relay.upstreams.any() && !s.ended {
		s.pull = startPull(s)
	}
}

// via returns the relays that hang, directly or not, on this one for the stream, with this one's own mark.
func (s *stream) via() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	marks := []string{s.relay.mark}
	for _, v := range s.viewers[:s.below] {
		for _, m := range v.via {
			if !slices.Contains(marks, m) && len(marks) < maxVia {
				marks = append(marks, m)
			}
		}
	}
	return marks
}

// past is how much of the stream an upstream is asked for that has passed already: as long as nothing has come, or what those
// want who have come here because theirs is lost.
func (s *stream) past(now time.Time) time.Duration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.splicer.started {
		return s.splicer.behind(now)
	}
	var past time.Duration
	for _, v := range s.viewers {
		past = max(past, v.past)
	}
	return past
}

// locate maps a place in what a viewer was sent, counted behind the handshake, to the message that holds it and the
// place within that message's encoding. It knows the present stretch, since the viewer last joined, skipped or was
// answered a ping.
func (s *stream) locate(v *viewer, sent uint64) (seq uint64, within int, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.window.locate(sent + v.base.Load())
}

// A meter is a bit rate over the last few seconds.
type meter struct {
	last uint64
	at   time.Time
	kbps float64
}

func (m *meter) tick(total uint64, now time.Time) {
	if d := now.Sub(m.at).Seconds(); !m.at.IsZero() && d > 0 {
		m.kbps += (float64(total-m.last)*8/1000/d - m.kbps) * min(1, d/4)
	}
	m.last, m.at = total, now
}
