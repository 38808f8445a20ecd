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
