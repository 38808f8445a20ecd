package stream

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// clientBytes is what a client sends until it plays or publishes, and some more.
func clientBytes(t *testing.T, verb, app, key string) []byte {
	t.Helper()
	b := make([]byte, 1+2*1536)
	b[0] = 3
	for _, c := range []rtmp.Command{
		{Name: "connect", Transaction: 1, Object: rtmp.Object{{Name: "app", Value: app}, {Name: "tcUrl", Value: "rtmp://10.0.0.2/" + app}}},
		{Name: "createStream", Transaction: 2},
		{Name: verb, Transaction: 3, Args: []rtmp.Value{key, "live"}},
	} {
		m, err := c.Message(0)
		if err != nil {
			t.Fatal(err)
		}
		b = rtmp.AppendMessage(b, m, rtmp.DefaultChunkSize)
	}
	return append(b, make([]byte, 500)...)
}

// A segment is a piece of a client's bytes: where it begins and ends.
type segment struct{ from, to int }

// TestReading has the segments of a connection come as they might: in other pieces the second time, twice, late, and over
// the turn of the sequence numbers.
func TestReading(t *testing.T) {
	want := Intent{App: "live", Key: "a", Publish: true}
	data := clientBytes(t, "publish", "live?token=1", "a?secret=2")
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		isn := uint32(0xffffffff - rng.IntN(4000))
		var sent []segment
		for at := 0; at < len(data); {
			to := min(len(data), at+1+rng.IntN(800))
			sent = append(sent, segment{at, to})
			at = to
		}
		// Retransmissions: any stretch again, as a sender that merges or splits what was not acknowledged does.
		for range rng.IntN(10) {
			i := rng.IntN(len(sent))
			from := max(0, sent[i].from-rng.IntN(300))
			again := segment{from, min(len(data), from+1+rng.IntN(900))}
			sent = append(sent[:i+1], append([]segment{again}, sent[i+1:]...)...)
		}
		for range rng.IntN(6) {
			i, j := rng.IntN(len(sent)), rng.IntN(len(sent))
			sent[i], sent[j] = sent[j], sent[i]
		}
		r := NewReading(isn)
		var got *Intent
		for _, s := range sent {
			payload := bytes.Clone(data[s.from:s.to])
			intent, done := r.Segment(isn+1+uint32(s.from), payload)
			for i := range payload {
				payload[i] = 0xff // it belongs to the caller again
			}
			if intent != nil {
				got = intent
				break
			}
			if done {
				break
			}
		}
		if got == nil || *got != want {
			t.Fatalf("seed %d: got %v of %v", seed, got, sent)
		}
	}
}

// TestReadingGivesUp: whatever a client sends, it is not followed for ever.
func TestReadingGivesUp(t *testing.T) {
	fill := func(n int, b byte) []byte { return bytes.Repeat([]byte{b}, n) }
	for _, tt := range []struct {
		name string
		send func(r *Reading) (*Intent, bool)
	}{
		{"TLS", func(r *Reading) (*Intent, bool) { return r.Segment(1, []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}) }},
		{"more than a request is long", func(r *Reading) (intent *Intent, done bool) {
			r.Segment(1, append([]byte{3}, fill(3072, 0)...))
			// One endless message of a type that means nothing.
			_, done = r.Segment(3074, append([]byte{3, 0, 0, 0, 0xff, 0xff, 0xff, 9, 0, 0, 0, 0}, fill(116, 0)...))
			for seq := uint32(3202); !done && seq < 200_000; seq += 1290 {
				chunk := bytes.Repeat(append([]byte{0xc3}, fill(128, 0)...), 10)
				intent, done = r.Segment(seq, chunk)
			}
			return intent, done
		}},
		{"one segment that never comes", func(r *Reading) (intent *Intent, done bool) {
			for i := uint32(0); i < 1000 && !done; i++ {
				intent, done = r.Segment(100+100*i, fill(100, 3))
			}
			return intent, done
		}},
	} {
		r := NewReading(0)
		if intent, done := tt.send(r); intent != nil || !done {
			t.Errorf("%s: %v, done %v", tt.name, intent, done)
		}
		if intent, done := r.Segment(5, fill(10, 0)); intent != nil || !done {
			t.Errorf("%s, later: %v, done %v", tt.name, intent, done)
		}
	}
}

func TestReadingPlays(t *testing.T) {
	r := NewReading(99)
	data := clientBytes(t, "play", "live", "b")
	if intent, done := r.Segment(100, nil); intent != nil || done {
		t.Error("an empty segment says something")
	}
	intent, done := r.Segment(100, data)
	if !done || intent == nil || *intent != (Intent{App: "live", Key: "b"}) {
		t.Errorf("%v, %v", intent, done)
	}
	if again, done := r.Segment(100, data); again != intent || !done {
		t.Errorf("later: %v, %v", again, done)
	}
}

// FuzzReading: no segments make it panic, or keep more than it may.
func FuzzReading(f *testing.F) {
	f.Add(uint32(0), []byte{3, 0, 0}, uint32(5), []byte{1, 2}, uint32(2), []byte{9, 9, 9, 9})
	f.Fuzz(func(t *testing.T, s1 uint32, p1 []byte, s2 uint32, p2 []byte, s3 uint32, p3 []byte) {
		r := NewReading(0xfffffff0)
		for range 30 {
			r.Segment(s1, p1)
			r.Segment(s2, p2)
			r.Segment(s3, p3)
			s1, s2, s3 = s1+uint32(len(p1)), s2*3, s3+7
		}
		if len(r.held) > heldLimit {
			t.Errorf("%d segments are held", len(r.held))
		}
	})
}

// TestReadingServed follows publishers beyond their request: one is served once something of the stream comes, or so much that
// it can be nothing else; not for what any client may say.
func TestReadingServed(t *testing.T) {
	request := clientBytes(t, "publish", "live", "a")
	request = request[:len(request)-500]
	message := func(typ uint8, n int) []byte {
		return rtmp.AppendMessage(nil, rtmp.Message{Type: typ, ChunkStream: 5, StreamID: 1, Payload: make([]byte, n)}, rtmp.DefaultChunkSize)
	}
	said := func(p ...[]byte) []byte { return bytes.Join(append([][]byte{request}, p...), nil) }
	for _, tt := range []struct {
		name         string
		send         []byte
		done, served bool
	}{
		{"refused", request, false, false},
		{"an acknowledgement", said(message(rtmp.TypeAcknowledgement, 4)), false, false},
		{"a farewell", said(message(rtmp.TypeCommandAMF0, 20)), false, false},
		{"metadata", said(message(rtmp.TypeAcknowledgement, 4), message(rtmp.TypeDataAMF0, 300)), true, true},
		{"sound", said(message(rtmp.TypeAudio, 7)), true, true},
		{"the beginning of a large picture", said(message(rtmp.TypeVideo, 60_000)[:40_000]), true, true},
	} {
		r := NewReading(99)
		intent, done := r.Segment(100, tt.send)
		if intent == nil || !intent.Publish || done != tt.done || r.Served() != tt.served {
			t.Errorf("%s: %v, done %v, served %v", tt.name, intent, done, r.Served())
		}
	}
	r := NewReading(99)
	r.Segment(100, request)
	done, seq := false, uint32(200+len(request)) // one segment never comes
	for range heldLimit + 1 {
		_, done = r.Segment(seq, make([]byte, 100))
		seq += 100
	}
	if !done || !r.Served() {
		t.Errorf("much came behind a gap: done %v, served %v", done, r.Served())
	}
}
