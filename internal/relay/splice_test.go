package relay

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// origin makes the messages of one broadcast: 25 frames a second, a keyframe every 25, a sound between two frames.
// Message i has time i*20.
type origin struct{ start uint32 }

func (o origin) message(i int) rtmp.Message {
	m := rtmp.Message{Type: rtmp.TypeVideo, Timestamp: o.start + uint32(i)*20, Payload: make([]byte, 40)}
	if i%2 == 1 {
		m.Type = rtmp.TypeAudio
		m.Payload[0], m.Payload[1] = 0xaf, 1
	} else {
		m.Payload[0], m.Payload[1] = 0x27, 1
		if i%50 == 0 {
			m.Payload[0] = 0x17
		}
	}
	binary.BigEndian.PutUint32(m.Payload[8:], uint32(i))
	return m
}

// shifted is what another server makes of it: the same but for the clock.
func shifted(m rtmp.Message, by uint32) rtmp.Message {
	m.Timestamp += by
	return m
}

// numbers returns which messages of the origin the window holds, in order.
func numbers(w *window) []int {
	var ns []int
	for _, e := range w.entries {
		if isFrame(e.role) {
			ns = append(ns, int(binary.BigEndian.Uint32(e.msg.Payload[8:])))
		}
	}
	return ns
}

// span expects first to last, each once.
func span(t *testing.T, w *window, first, last int) {
	t.Helper()
	ns := numbers(w)
	if len(ns) != last-first+1 || ns[0] != first || ns[len(ns)-1] != last {
		t.Fatalf("window has %d messages, %v; want each of %d to %d once", len(ns), ns, first, last)
	}
	for i, n := range ns {
		if n != first+i {
			t.Fatalf("message %d at place %d: %v", n, i, ns)
		}
	}
}

// steady expects that the time of no type of message steps back.
func steady(t *testing.T, w *window) {
	t.Helper()
	last := map[uint8]uint32{}
	for _, e := range w.entries {
		if l, ok := last[e.msg.Type]; ok && int32(e.msg.Timestamp-l) < 0 {
			t.Fatalf("type %d: time steps back from %d to %d", e.msg.Type, l, e.msg.Timestamp)
		}
		last[e.msg.Type] = e.msg.Timestamp
	}
}

// bench is a splicer with a clock.
type spliceBench struct {
	*splicer
	now time.Time
	o   origin
}

func newSpliceBench() *spliceBench {
	w := newWindow(65536, time.Hour)
	return &spliceBench{splicer: newSplicer(w, 2*time.Second), now: time.Unix(1000, 0), o: origin{start: 5000}}
}

func (b *spliceBench) begin(name string) *source {
	s := &source{name: name}
	b.offer(s, b.now)
	return s
}

func (b *spliceBench) bring(s *source, from, to int, shift uint32) {
	for i := from; i <= to; i++ {
		b.feed(s, shifted(b.o.message(i), shift), b.now)
	}
}

func TestSpliceJoinsOverlapWithoutLoss(t *testing.T) {
	const shift = 123456
	tests := []struct {
		name string
		run  func(b *spliceBench, old, next *source)
		last int
	}{
		{"the new source repeats and goes on", func(b *spliceBench, old, next *source) {
			b.bring(next, 60, 120, shift)
		}, 120},
		{"the new source is ahead", func(b *spliceBench, old, next *source) {
			b.bring(next, 110, 130, shift)
			b.bring(old, 101, 112, 0)
			b.bring(next, 131, 140, shift)
		}, 140},
		{"the new source is behind, the old one dies", func(b *spliceBench, old, next *source) {
			b.bring(next, 70, 90, shift)
			b.bring(old, 101, 110, 0)
			b.drop(old)
			b.bring(next, 91, 130, shift)
		}, 130},
		{"the new source is behind for good", func(b *spliceBench, old, next *source) {
			b.bring(next, 70, 90, shift)
			b.bring(old, 101, 110, 0)
			b.now = b.now.Add(patience + time.Second)
			b.bring(next, 91, 130, shift)
			b.bring(old, 111, 120, 0) // too late
		}, 130},
		{"the old source dies before the new one has come", func(b *spliceBench, old, next *source) {
			b.drop(old)
			b.now = b.now.Add(300 * time.Millisecond)
			b.bring(next, 60, 120, shift) // a server with a GOP cache
		}, 120},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newSpliceBench()
			old := b.begin("old")
			b.bring(old, 0, 100, 0)
			next := b.begin("next")
			tt.run(b, old, next)
			span(t, b.w, 0, tt.last)
			for i, e := range b.w.entries {
				if want := b.o.message(i).Timestamp; e.msg.Timestamp != want {
					t.Fatalf("message %d has time %d, want the first source's clock: %d", i, e.msg.Timestamp, want)
				}
			}
			if b.active != next {
				t.Errorf("active is %v", b.active)
			}
		})
	}
}

// TestSpliceBeginsWithFrame has a server say this and that before it has the stream, which another brings.
func TestSpliceBeginsWithFrame(t *testing.T) {
	b := newSpliceBench()
	waits := b.begin("waits")
	b.feed(waits, rtmp.Message{Type: rtmp.TypeDataAMF0, Payload: []byte{2, 0, 1, '|', 1, 1, 1, 1}}, b.now)
	b.feed(waits, rtmp.Message{Type: rtmp.TypeVideo, Payload: []byte{0x17, 0, 0, 0, 0, 9}}, b.now)
	if b.active != nil || len(b.w.entries) > 0 {
		t.Errorf("begun by %v with %d messages", b.active, len(b.w.entries))
	}
	next := b.begin("next")
	b.bring(next, 0, 20, 0)
	if b.active != next {
		t.Errorf("active is %v", b.active)
	}
	span(t, b.w, 0, 20)
}

func TestSpliceResumesAtKeyframe(t *testing.T) {
	b := newSpliceBench()
	old := b.begin("old")
	b.bring(old, 0, 100, 0)
	b.drop(old)
	b.now = b.now.Add(time.Second)
	next := b.begin("next")
	b.bring(next, 120, 160, 0) // the first keyframe is 150
	b.now = b.now.Add(matchTime)
	b.bring(next, 161, 200, 0)
	ns := numbers(b.w)
	if ns[100] != 100 || ns[101] != 150 || ns[len(ns)-1] != 200 {
		t.Errorf("messages %v", ns)
	}
	steady(t, b.w)
	if got := b.w.entries[101].msg.Timestamp; got != b.o.message(150).Timestamp {
		t.Errorf("time %d: the publisher's clock was plausible and is lost", got)
	}
}

// TestSpliceReturningPublisher begins anew at time zero.
func TestSpliceReturningPublisher(t *testing.T) {
	b := newSpliceBench()
	old := b.begin("old")
	b.bring(old, 0, 100, 0)
	b.drop(old)
	b.now = b.now.Add(3 * time.Second)
	b.o = origin{}
	next := b.begin("next")
	next.encodes = true
	b.feed(next, rtmp.Message{Type: rtmp.TypeVideo, Payload: []byte{0x17, 0, 0, 0, 0, 9}}, b.now)
	for i := 150; i < 200; i++ { // other frames, new clock
		b.feed(next, shifted(b.o.message(i), ^uint32(150*20)+1), b.now)
	}
	steady(t, b.w)
	config, first := b.w.entries[101], b.w.entries[102]
	if config.role != rtmp.RoleConfig || first.role != rtmp.RoleKey {
		t.Fatalf("roles %d, %d: want the new configuration, then a keyframe", config.role, first.role)
	}
	if step := first.msg.Timestamp - b.w.entries[100].msg.Timestamp; step != 3000 {
		t.Errorf("time steps by %d ms over a break of 3 s", step)
	}
}

// TestSpliceDoesNotTrustSilence gives both sources the same sound over and over.
func TestSpliceDoesNotTrustSilence(t *testing.T) {
	b := newSpliceBench()
	silence := func(at uint32) rtmp.Message {
		p := make([]byte, 40)
		p[0], p[1] = 0xaf, 1
		return rtmp.Message{Type: rtmp.TypeAudio, Timestamp: at, Payload: p}
	}
	old := b.begin("old")
	b.feed(old, b.o.message(0), b.now)
	for i := range uint32(50) {
		b.feed(old, silence(5000+i*20), b.now)
	}
	next := b.begin("next")
	for i := range uint32(50) {
		b.feed(next, silence(9000+i*20), b.now)
	}
	if next.joined || b.active != old {
		t.Error("joined at a message that is not unique")
	}
}

func TestSpliceSourceClockStepsBack(t *testing.T) {
	b := newSpliceBench()
	src := b.begin("only")
	b.bring(src, 0, 100, 0)
	b.bring(src, 101, 200, ^uint32(0)-60_000) // a minute back
	steady(t, b.w)
	span(t, b.w, 0, 200)
}

// TestSpliceAfterWeeks has a stream run for so many hours, in which its timestamps come to half of their range and to its end,
// and change over to another source then.
func TestSpliceAfterWeeks(t *testing.T) {
	for _, hours := range []int{1, 596, 597, 900, 1193, 1194, 2000} {
		t.Run(fmt.Sprint(hours), func(t *testing.T) {
			b := newSpliceBench()
			old, i := b.begin("old"), 0
			for range hours {
				b.bring(old, i, i, 0) // only pictures; there is sound in the first and the last hour
				b.o.start += 3600_000
				i += 2
			}
			next := b.begin("other")
			b.bring(old, i, i+100, 0)
			b.drop(next)
			next = b.begin("next")
			b.bring(next, i+60, i+120, 1e9)
			b.drop(next)
			last := b.begin("last")
			b.bring(last, i+90, i+160, 0)
			ns := numbers(b.w)
			for j, n := range ns[hours:] {
				if n != i+j || len(ns) != hours+161 {
					t.Fatalf("message %d where %d was due, of %d, want %d", n, i+j, len(ns), hours+161)
				}
			}
			if b.active != last {
				t.Errorf("active is %v", b.active)
			}
			steady(t, b.w)
			if got, want := b.w.entries[len(ns)-1].msg.Timestamp, b.o.message(i+160).Timestamp; got != want {
				t.Errorf("it ends at %d, want %d", got, want)
			}
		})
	}
}

// TestSpliceAnyCourse lets up to two servers of one broadcast, each with its own clock and lag, come and go at random, also where
// its timestamps come to half of their range, or to its end.
func TestSpliceAnyCourse(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			b := newSpliceBench()
			b.o.start = []uint32{5000, 1<<31 - 20_000, 1<<32 - 20_000}[seed%3]
			type server struct {
				src   *source
				shift uint32
				at    int // next message
			}
			var servers []*server
			live := 0
			for range 2000 {
				live++
				b.now = b.now.Add(20 * time.Millisecond)
				switch r := rnd.IntN(100); {
				case r < 2 && len(servers) < 2:
					servers = append(servers, &server{b.begin("s"), rnd.Uint32N(1 << 20), max(0, live-rnd.IntN(80))})
				case r < 3 && len(servers) > 0:
					i := rnd.IntN(len(servers))
					b.drop(servers[i].src)
					servers = append(servers[:i], servers[i+1:]...)
				}
				for _, s := range servers {
					lag := rnd.IntN(3)
					for ; s.at < live-lag; s.at++ {
						b.feed(s.src, shifted(b.o.message(s.at), s.shift), b.now)
					}
				}
				if b.candidate == nil && b.active == nil {
					servers = nil // all were dropped or replaced
				}
			}
			steady(t, b.w)
			ns := numbers(b.w)
			for i := 1; i < len(ns); i++ {
				if ns[i] <= ns[i-1] {
					t.Fatalf("message %d after %d", ns[i], ns[i-1])
				}
				if e := b.w.entries[i]; ns[i] != ns[i-1]+1 && e.role != rtmp.RoleKey {
					t.Fatalf("message %d after %d: a gap that ends in no keyframe", ns[i], ns[i-1])
				}
			}
		})
	}
}
