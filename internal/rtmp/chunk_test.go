package rtmp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// unhex reads hexadecimal digits, grouped as one likes.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// feedAll parses b in pieces of the given size.
func feedAll(r *ChunkReader, b []byte, piece int) ([]Message, error) {
	var got []Message
	for len(b) > 0 {
		n := min(piece, len(b))
		err := r.Feed(b[:n], func(m Message) error {
			got = append(got, m)
			return nil
		})
		if err != nil {
			return got, err
		}
		b = b[n:]
	}
	return got, nil
}

func TestChunkReader(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want []Message
		err  error
	}{
		{
			name: "format 0, one chunk",
			in:   "04 00000a 000003 09 01000000 a1a2a3",
			want: []Message{{9, 1, 10, 4, unhex(t, "a1a2a3")}},
		},
		{
			name: "formats 1, 2 and 3 each add their delta",
			in:   "04 00000a 000001 09 01000000 a1  44 000005 000001 08 a2  84 000007 a3  c4 a4",
			want: []Message{{9, 1, 10, 4, []byte{0xa1}}, {8, 1, 15, 4, []byte{0xa2}}, {8, 1, 22, 4, []byte{0xa3}}, {8, 1, 29, 4, []byte{0xa4}}},
		},
		{
			name: "chunk stream numbers of two and three bytes",
			in:   "00 05 000000 000001 09 00000000 a1  01 0101 000000 000001 09 00000000 a2",
			want: []Message{{9, 0, 0, 69, []byte{0xa1}}, {9, 0, 0, 64 + 257, []byte{0xa2}}},
		},
		{
			name: "set chunk size, then two interleaved messages",
			in: "02 000000 000004 01 00000000 00000002" +
				"04 000000 000003 09 01000000 a1a2  05 000000 000003 08 01000000 b1b2  c4 a3  c5 b3",
			want: []Message{{1, 0, 0, 2, unhex(t, "00000002")}, {9, 1, 0, 4, unhex(t, "a1a2a3")}, {8, 1, 0, 5, unhex(t, "b1b2b3")}},
		},
		{
			name: "abort",
			in: "02 000000 000004 01 00000000 00000002  04 000000 000003 09 01000000 a1a2" +
				"02 000000 000004 02 00000000" + "0000 c2 0004" + "04 000000 000001 09 01000000 a9",
			want: []Message{{1, 0, 0, 2, unhex(t, "00000002")}, {2, 0, 0, 2, unhex(t, "00000004")}, {9, 1, 0, 4, []byte{0xa9}}},
		},
		{
			name: "extended timestamp, repeated on the continuation",
			in:   "02 000000 000004 01 00000000 00000002  04 ffffff 000003 09 01000000 01000000 a1a2 c4 01000000 a3",
			want: []Message{{1, 0, 0, 2, unhex(t, "00000002")}, {9, 1, 0x1000000, 4, unhex(t, "a1a2a3")}},
		},
		{
			name: "extended timestamp, not repeated",
			in:   "02 000000 000004 01 00000000 00000002  04 ffffff 000003 09 01000000 01000000 a1a2 c4 a3",
			want: []Message{{1, 0, 0, 2, unhex(t, "00000002")}, {9, 1, 0x1000000, 4, unhex(t, "a1a2a3")}},
		},
		{name: "empty message", in: "04 000001 000000 09 01000000", want: []Message{{9, 1, 1, 4, []byte{}}}},
		{name: "timestamps wrap", in: "04 ffffff 000001 09 01000000 fffffffe a1  44 000003 000001 09 a2",
			want: []Message{{9, 1, 0xfffffffe, 4, []byte{0xa1}}, {9, 1, 1, 4, []byte{0xa2}}}},
		{name: "format 3 first", in: "c4", err: ErrNoHeader},
		{name: "chunk size 0", in: "02 000000 000004 01 00000000 00000000", err: ErrChunkSize},
		{name: "chunk size with the high bit", in: "02 000000 000004 01 00000000 80000000", err: ErrChunkSize},
		{name: "message too large", in: "04 000000 800001 09 01000000", err: ErrMessageSize},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.in)
			for piece := 1; piece <= len(b); piece++ {
				var r ChunkReader
				got, err := feedAll(&r, b, piece)
				if !errors.Is(err, tt.err) {
					t.Fatalf("pieces of %d: error %v, want %v", piece, err, tt.err)
				}
				if tt.err != nil {
					if again := r.Feed([]byte{0}, func(Message) error { return nil }); again != err {
						t.Errorf("then %v, want the same error", again)
					}
					continue
				}
				if !reflect.DeepEqual(got, tt.want) {
					t.Fatalf("pieces of %d:\ngot  %v\nwant %v", piece, got, tt.want)
				}
				if r.Buffered() != 0 {
					t.Errorf("pieces of %d: %d bytes left", piece, r.Buffered())
				}
			}
		})
	}
}

// TestChunkReaderBoundsMemory opens message after message without finishing any.
func TestChunkReaderBoundsMemory(t *testing.T) {
	r := ChunkReader{MaxMessage: 1000}
	var err error
	for id := byte(3); id < 60 && err == nil; id++ {
		head := append([]byte{id}, unhex(t, "000000 0003e8 09 01000000")...)
		_, err = feedAll(&r, append(head, make([]byte, DefaultChunkSize)...), 4096)
		if r.Buffered() > 2*r.MaxMessage {
			t.Fatalf("%d bytes buffered", r.Buffered())
		}
	}
	if !errors.Is(err, ErrMessageSize) {
		t.Errorf("error %v", err)
	}
	var many ChunkReader
	for id := range 300 {
		head := append([]byte{1, byte(id), byte(id >> 8)}, unhex(t, "000000 000001 09 01000000 a1")...)
		if _, err = feedAll(&many, head, 4096); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrChunkStreams) {
		t.Errorf("error %v", err)
	}
}

// TestAppendMessageIsReadBack writes messages of all shapes and reads them in random pieces.
func TestAppendMessageIsReadBack(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, chunkSize := range []int{1, 128, 4096, 65536} {
		var (
			want []Message
			wire = AppendMessage(nil, Control(TypeSetChunkSize, uint32(chunkSize)), DefaultChunkSize)
		)
		want = append(want, Control(TypeSetChunkSize, uint32(chunkSize)))
		for i, size := range []int{1, 127, 128, 129, 4096, 70000} {
			m := Message{Type: 9, StreamID: uint32(i), ChunkStream: []uint32{3, 63, 64, 319, 320, 65599}[i], Payload: make([]byte, size)}
			m.Timestamp = []uint32{0, 1, 0xfffffe, 0xffffff, 0x1000000, 0xffffffff}[i]
			for j := range m.Payload {
				m.Payload[j] = byte(rnd.Uint32())
			}
			before := len(wire)
			wire = AppendMessage(wire, m, chunkSize)
			if n := len(wire) - before; n != EncodedLen(m, chunkSize) {
				t.Errorf("chunks of %d, message of %d: %d bytes, EncodedLen says %d", chunkSize, size, n, EncodedLen(m, chunkSize))
			}
			want = append(want, m)
		}
		for range 20 {
			var (
				r   ChunkReader
				got []Message
			)
			for b := wire; len(b) > 0; {
				n := 1 + rnd.IntN(min(len(b), 5000))
				if err := r.Feed(b[:n], func(m Message) error { got = append(got, m); return nil }); err != nil {
					t.Fatal(err)
				}
				b = b[n:]
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("chunks of %d: other messages than written", chunkSize)
			}
		}
	}
}

// FuzzChunkReader feeds anything, twice: at once and byte by byte must come to the same end.
func FuzzChunkReader(f *testing.F) {
	f.Add(unhex(f, "04 00000a 000003 09 01000000 a1a2a3"))
	f.Add(unhex(f, "02 000000 000004 01 00000000 00000002 04 ffffff 000003 09 01000000 01000000 a1a2 c4 01000000 a3"))
	f.Add(unhex(f, "02 000000 000004 01 00000000 00000002  04 000000 000003 09 01000000 a1a2 44 000000 000001 08 a9 c4"))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, single := ChunkReader{MaxMessage: 1 << 16}, ChunkReader{MaxMessage: 1 << 16}
		got, err := feedAll(&whole, b, len(b)+1)
		again, errAgain := feedAll(&single, b, 1)
		if fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("errors %v and %v", err, errAgain)
		}
		if !reflect.DeepEqual(got, again) {
			t.Fatalf("messages %v and %v", got, again)
		}
		total := 0
		for _, m := range got {
			total += len(m.Payload)
		}
		if total+whole.Buffered() > len(b) {
			t.Fatalf("%d bytes of payload and %d buffered out of %d", total, whole.Buffered(), len(b))
		}
	})
}

// FuzzAppendMessage checks that any message comes back.
func FuzzAppendMessage(f *testing.F) {
	f.Add(uint8(9), uint32(1), uint32(0xffffff), uint32(4), []byte("payload"), uint16(3))
	f.Fuzz(func(t *testing.T, typ uint8, streamID, timestamp, chunkStream uint32, payload []byte, chunkSize uint16) {
		if typ == TypeSetChunkSize || typ == TypeAbort {
			return
		}
		m := Message{typ, streamID, timestamp, 2 + chunkStream%65598, payload}
		size := int(chunkSize) + 1
		var r ChunkReader
		b := AppendMessage(AppendMessage(nil, Control(TypeSetChunkSize, uint32(size)), DefaultChunkSize), m, size)
		got, err := feedAll(&r, b, 7)
		if err != nil || len(got) != 2 {
			t.Fatalf("%d messages, error %v", len(got), err)
		}
		if g := got[1]; g.Type != m.Type || g.StreamID != m.StreamID || g.Timestamp != m.Timestamp ||
			g.ChunkStream != m.ChunkStream || !bytes.Equal(g.Payload, m.Payload) {
			t.Fatalf("got %v, want %v", g, m)
		}
	})
}
