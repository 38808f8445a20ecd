package relay

import (
	"bytes"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// grow appends messages of an origin to a window, 20 ms apart.
func grow(w *window, o origin, from, to int, start time.Time) time.Time {
	now := start
	for i := from; i <= to; i++ {
		now = start.Add(time.Duration(i) * 20 * time.Millisecond)
		m := o.message(i)
		w.append(m, rtmp.RoleOf(m), now)
	}
	return now
}

func TestJoin(t *testing.T) {
	w := newWindow(65536, time.Second)
	start := time.Unix(0, 0)
	now := grow(w, origin{}, 0, 120, start)
	gop := cursor{queue: time.Second}
	gop.join(w, JoinGOP)
	b := gop.collect(w, now, nil)
	if len(b.entries) != 21 || !b.join || b.entries[0].role != rtmp.RoleKey || b.setup == nil {
		t.Errorf("gop: %d messages, backlog %v", len(b.entries), b.join)
	}
	live := cursor{queue: time.Second}
	live.join(w, JoinLive)
	if b := live.collect(w, now, nil); len(b.entries) != 0 {
		t.Errorf("live: %d messages before a keyframe", len(b.entries))
	}
	now = grow(w, origin{}, 121, 152, start)
	if b := live.collect(w, now, nil); len(b.entries) != 3 || b.entries[0].role != rtmp.RoleKey || b.join {
		t.Errorf("live: %d messages", len(b.entries))
	}
	if b := live.collect(w, now, nil); len(b.entries) != 0 {
		t.Errorf("again: %d messages", len(b.entries))
	}
}

// TestResume has relays come that have missed the last so much of the stream. The keyframes are messages 100 and 150.
func TestResume(t *testing.T) {
	w := newWindow(65536, 2*time.Second)
	now := grow(w, origin{}, 0, 160, time.Unix(0, 0))
	for _, tt := range []struct {
		past  time.Duration
		first int
	}{
		{500 * time.Millisecond, 135}, // in the middle of a group: it has what came before
		{100 * time.Millisecond, 150}, // no less than others get
		{time.Minute, 61},             // all there is
	} {
		c := cursor{queue: 10 * time.Millisecond}
		c.resume(w, tt.past, now)
		b := c.collect(w, now, nil)
		if len(b.entries) != 161-tt.first || !b.join || b.setup == nil || c.skipped > 0 {
			t.Errorf("past %v: %d messages, skipped %d, backlog %v; want message %d on", tt.past, len(b.entries), c.skipped, b.join, tt.first)
		}
	}
	player, other := cursor{}, newWindow(65536, time.Second)
	config := rtmp.Message{Type: rtmp.TypeVideo, Payload: []byte{0x17, 0, 0, 0, 0, 9}}
	other.append(config, rtmp.RoleOf(config), now)
	player.join(other, JoinGOP)
	if grow(other, origin{}, 135, 135, now); len(player.collect(other, now, nil).entries) > 0 {
		t.Error("a player begins in the middle of a group, which came with sound first")
	}
	early := cursor{queue: time.Second}
	empty := newWindow(65536, time.Second)
	early.resume(empty, time.Minute, now)
	if now = grow(empty, origin{}, 135, 145, now); len(early.collect(empty, now, nil).entries) != 11 {
		t.Error("a relay that comes before there is anything waits for a keyframe")
	}
}

func TestSlowReaderSkipsToKeyframe(t *testing.T) {
	w := newWindow(65536, time.Second)
	start := time.Unix(0, 0)
	now := grow(w, origin{}, 0, 10, start)
	c := cursor{queue: time.Second}
	c.join(w, JoinGOP)
	c.collect(w, now, nil)
	now = grow(w, origin{}, 11, 120, start) // more than two seconds that it did not read
	b := c.collect(w, now, nil)
	if len(b.entries) == 0 || b.entries[0].role != rtmp.RoleKey || b.entries[0].msg.Timestamp != (origin{}).message(100).Timestamp {
		t.Fatalf("%d messages", len(b.entries))
	}
	if c.skipped != 89 {
		t.Errorf("skipped %d, want 89", c.skipped)
	}
	// Behind within one group of pictures: it waits for the next.
	c.skipped = 0
	now = now.Add(3 * time.Second)
	m := origin{}.message(121)
	w.append(m, rtmp.RoleOf(m), now.Add(-2*time.Second))
	if b := c.collect(w, now, nil); len(b.entries) != 0 || c.skipped == 0 {
		t.Errorf("%d messages, %d skipped", len(b.entries), c.skipped)
	}
	m = origin{}.message(150)
	w.append(m, rtmp.RoleOf(m), now)
	if b := c.collect(w, now, nil); len(b.entries) != 1 || b.entries[0].role != rtmp.RoleKey {
		t.Errorf("%d messages at the keyframe", len(b.entries))
	}
}

func TestSetupComesBeforeWhatNeedsIt(t *testing.T) {
	w := newWindow(65536, time.Hour)
	now := time.Unix(0, 0)
	config := func(mark byte) {
		m := rtmp.Message{Type: rtmp.TypeVideo, Payload: []byte{0x17, 0, 0, 0, 0, mark}}
		w.append(m, rtmp.RoleOf(m), now)
	}
	config(1)
	now = grow(w, origin{}, 0, 49, now)
	c := cursor{queue: time.Hour}
	c.join(w, JoinGOP)
	b := c.collect(w, now, nil)
	if b.setup == nil || len(b.setup.configs) != 1 || b.setup.configs[0].Payload[5] != 1 {
		t.Fatalf("setup %v", b.setup)
	}
	config(2)
	grow(w, origin{}, 50, 99, time.Unix(0, 0))
	if b := c.collect(w, now, nil); b.setup != nil || b.entries[0].role != rtmp.RoleConfig {
		t.Error("a reader that has had everything needs no setup")
	}
	late := cursor{queue: time.Hour}
	late.join(w, JoinGOP)
	if b := late.collect(w, now, nil); b.setup == nil || len(b.setup.configs) != 1 || b.setup.configs[0].Payload[5] != 2 {
		t.Error("the setup is not the one in force")
	}
}

func TestWindowForgets(t *testing.T) {
	w := newWindow(65536, time.Second)
	grow(w, origin{}, 0, 1000, time.Unix(0, 0))
	if n := len(w.entries); n > 110 || !w.hasKey {
		t.Errorf("%d messages kept, keyframe %v", n, w.hasKey)
	}
	big := rtmp.Message{Type: rtmp.TypeVideo, Payload: append([]byte{0x27, 1}, make([]byte, 8<<20)...)}
	for range 8 {
		w.append(big, rtmp.RoleOf(big), time.Unix(20, 0))
	}
	if w.bytes > maxWindowBytes || w.hasKey {
		t.Errorf("%d bytes kept, keyframe %v", w.bytes, w.hasKey)
	}
	c := cursor{queue: time.Second}
	c.join(w, JoinGOP)
	if b := c.collect(w, time.Unix(20, 0), nil); len(b.entries) != 0 {
		t.Error("joined where the keyframe is gone")
	}
}

// TestSmallMessagesAreNotFree has a keyframe be followed by ever so many frames of two bytes, of a stream and of one that may
// take its place.
func TestSmallMessagesAreNotFree(t *testing.T) {
	b := newSpliceBench()
	old := b.begin("old")
	b.bring(old, 0, 0, 0)
	small := rtmp.Message{Type: rtmp.TypeVideo, Timestamp: b.o.start, Payload: []byte{0x27, 1}}
	for range 2 * maxWindowBytes / messageCost {
		b.feed(old, small, b.now)
	}
	next := b.begin("next")
	for range 2 * maxHeld / messageCost {
		b.feed(next, small, b.now)
	}
	if n := len(b.w.entries); n > maxWindowBytes/messageCost {
		t.Errorf("the window keeps %d messages", n)
	}
	if n := len(next.held); n > maxHeld/messageCost {
		t.Errorf("%d messages of the next source are kept", n)
	}
}

func TestLocate(t *testing.T) {
	w := newWindow(128, time.Hour)
	grow(w, origin{}, 0, 60, time.Unix(0, 0))
	var all []byte
	for _, e := range w.entries {
		all = append(all, e.wire...)
	}
	for offset := range all {
		seq, within, ok := w.locate(uint64(offset))
		if !ok || !bytes.HasPrefix(all[offset:], w.at(seq).wire[within:]) {
			t.Fatalf("byte %d is said to be message %d, byte %d (%v)", offset, seq, within, ok)
		}
	}
	if _, _, ok := w.locate(uint64(len(all))); ok {
		t.Error("located a byte that is yet to come")
	}
}

// TestSetupIsBounded has a publisher bring configurations of ever new tracks.
func TestSetupIsBounded(t *testing.T) {
	for _, size := range []int{8, maxConfigBytes / 4} {
		s := &setup{}
		var last rtmp.Message
		for i := range 1000 {
			last = rtmp.Message{Type: rtmp.TypeVideo, Payload: make([]byte, size)}
			copy(last.Payload, []byte{0x96, 0, 'a', 'v', byte(i >> 8), byte(i), 0}) // enhanced, multitrack, sequence start
			s = s.with(last, rtmp.RoleConfig)
		}
		bytes := 0
		for _, c := range s.configs {
			bytes += len(c.Payload)
		}
		if len(s.configs) != min(maxConfigs, maxConfigBytes/size) || bytes > maxConfigBytes || !s.has(last, rtmp.RoleConfig) {
			t.Errorf("%d configurations of %d bytes in all are kept; the last: %v", len(s.configs), bytes, s.has(last, rtmp.RoleConfig))
		}
	}
}
