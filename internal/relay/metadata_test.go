package relay

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// metadata is an onMetaData message whose only content is its number.
func metadata(number byte, timestamp uint32) rtmp.Message {
	payload, _ := rtmp.AppendValue(nil, "onMetaData")
	payload = append(payload, 3, 0, 1, 'n', 0, 0, 0, 0, 0, 0, 0, 0, number, 0, 0, 9) // an object of one double
	return rtmp.Message{Type: rtmp.TypeDataAMF0, Timestamp: timestamp, Payload: payload}
}

// Whoever joins late is given the metadata at time zero, and so is everybody when it changes: of another time, players built
// on FFmpeg take it for a subtitle.
func TestMetadataHasNoTime(t *testing.T) {
	b := newSpliceBench()
	b.o.start = 600_000
	s := b.begin("only")
	b.feed(s, metadata(1, 600_000), b.now)
	b.bring(s, 0, 60, 0)
	b.feed(s, metadata(2, b.o.message(60).Timestamp), b.now)
	b.bring(s, 61, 70, 0)

	sent := 0
	for _, e := range b.w.entries {
		if e.role == rtmp.RoleMetadata {
			sent++
			if e.msg.Timestamp != 0 {
				t.Errorf("metadata goes out at %d", e.msg.Timestamp)
			}
		}
	}
	if sent != 2 {
		t.Errorf("metadata went out %d times, want 2", sent)
	}
	c := cursor{queue: time.Second}
	c.join(b.w, JoinGOP)
	batch := c.collect(b.w, b.now, nil)
	if len(batch.entries) == 0 || batch.entries[0].msg.Timestamp != b.o.message(50).Timestamp || batch.setup == nil {
		t.Fatalf("a viewer that joins gets %d messages, setup %v", len(batch.entries), batch.setup)
	}
	ms := batch.setup.messages(batch.entries[0].msg.Timestamp)
	if len(ms) != 1 || rtmp.RoleOf(ms[0]) != rtmp.RoleMetadata || ms[0].Timestamp != 0 {
		t.Errorf("a viewer that joins is first given %v", ms)
	}
	span(t, b.w, 0, 70)
	steady(t, b.w)
}

// Metadata without a time says nothing of the stream's clock, however far that is: here it has run for four weeks.
func TestMetadataDoesNotSetTheClock(t *testing.T) {
	b := newSpliceBench()
	b.o.start = 1<<31 + 300_000_000
	old := b.begin("old")
	b.feed(old, metadata(1, 0), b.now)
	b.bring(old, 0, 100, 0)
	next := b.begin("next")
	b.feed(next, metadata(1, 0), b.now)
	b.bring(next, 50, 120, 12345)
	b.drop(old)
	b.bring(next, 121, 200, 12345)
	span(t, b.w, 0, 200)
	steady(t, b.w)
	if want := b.o.message(200).Timestamp; b.newest != want {
		t.Errorf("the stream has come to %d, want %d", b.newest, want)
	}
}
