package ofproto

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A wire is a Transport for tests: it reads what it is given, in pieces, and keeps what is written.
type wire struct {
	in     io.Reader
	pieces func() int // the most bytes the next Read returns; nil for no limit

	mu       sync.Mutex
	out      bytes.Buffer
	writes   int
	deadline time.Time
	fail     error
	block    chan struct{} // if not nil, a Write waits for it to close
	closed   bool
}

func (w *wire) Read(p []byte) (int, error) {
	if w.pieces != nil {
		p = p[:min(len(p), w.pieces())]
	}
	return w.in.Read(p)
}

func (w *wire) Write(p []byte) (int, error) {
	if w.block != nil {
		<-w.block
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	if w.fail != nil {
		return 0, w.fail
	}
	return w.out.Write(p)
}

func (w *wire) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	return nil
}

func (w *wire) Close() error {
	w.closed = true
	return nil
}

func readAll(c *Conn) (frames [][]byte, err error) {
	for {
		batch, err := c.ReadBatch()
		if err != nil {
			return frames, err
		}
		for _, f := range batch {
			frames = append(frames, bytes.Clone(f))
		}
	}
}

// However the stream is cut into reads, the same messages come out in order.
func TestConnFrames(t *testing.T) {
	var want [][]byte
	for _, c := range captured(t) {
		want = append(want, c...)
	}
	longest, err := Append(nil, 1, &EchoRequest{Data: make([]byte, MaxLen-HeaderLen)})
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, longest, want[0], longest, longest, want[1])
	stream := bytes.Join(want, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	for name, pieces := range map[string]func() int{
		"all at once": nil,
		"single bytes": func() int {
			return 1
		},
		"sevens": func() int {
			return 7
		},
		"random": func() int {
			return 1 + rng.IntN(100_000)
		},
	} {
		got, err := readAll(NewConn(&wire{in: bytes.NewReader(stream), pieces: pieces}, ConnOptions{}))
		if err != io.EOF {
			t.Errorf("%s: ended with %v", name, err)
		}
		small, err := readAll(NewConn(&wire{in: bytes.NewReader(stream), pieces: pieces}, ConnOptions{FirstRead: 1}))
		if err != io.EOF || !slices.EqualFunc(small, got, bytes.Equal) {
			t.Errorf("%s: with a buffer that grows from one byte, %d frames, %v; want %d", name, len(small), err, len(got))
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d frames, want %d", name, len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("%s: frame %d is %x, want %x", name, i, got[i], want[i])
			}
		}
	}
}

func TestConnBatches(t *testing.T) {
	stream := bytes.Repeat(unhex(t, "01 02 0008 00000001"), 1000)
	c := NewConn(&wire{in: bytes.NewReader(stream)}, ConnOptions{})
	if batch, err := c.ReadBatch(); err != nil || len(batch) != 1000 {
		t.Errorf("one read of 1000 messages gave %d, %v", len(batch), err)
	}
}

func TestConnStreamEnds(t *testing.T) {
	for _, tt := range []struct {
		name, stream string
		frames       int
		err          error
	}{
		{"empty", "", 0, io.EOF},
		{"between messages", "01 02 0008 00000001", 1, io.EOF},
		{"in a header", "01 02 0008 00000001 01 02 00", 1, io.ErrUnexpectedEOF},
		{"in a body", "01 02 0008 00000001 01 02 0009 00000001", 1, io.ErrUnexpectedEOF},
		{"length 0", "01 02 0008 00000001 01 02 0000 00000001 01 02 0008 00000002", 1, ErrLength},
		{"length 7", "01 02 0007 00000001", 0, ErrLength},
	} {
		c := NewConn(&wire{in: bytes.NewReader(unhex(t, tt.stream))}, ConnOptions{})
		frames, err := readAll(c)
		if len(frames) != tt.frames || !errors.Is(err, tt.err) {
			t.Errorf("%s: %d frames, %v; want %d, %v", tt.name, len(frames), err, tt.frames, tt.err)
		}
		if _, again := c.ReadBatch(); !errors.Is(again, tt.err) {
			t.Errorf("%s: then %v", tt.name, again)
		}
	}
}

func TestConnGathersWrites(t *testing.T) {
	w := &wire{}
	now := time.Unix(1000, 0)
	c := NewConn(w, ConnOptions{WriteTimeout: 5 * time.Second, Now: func() time.Time { return now }})
	if err := c.Flush(); err != nil || w.writes != 0 {
		t.Errorf("Flush of nothing: %v, %d writes", err, w.writes)
	}
	var want []byte
	for xid := range uint32(100) {
		m := &EchoRequest{Data: make([]byte, xid)}
		if err := c.Write(xid, m); err != nil {
			t.Fatal(err)
		}
		want, _ = Append(want, xid, m)
	}
	if w.writes != 0 {
		t.Errorf("%d writes before Flush", w.writes)
	}
	if err := c.Flush(); err != nil || w.writes != 1 || !bytes.Equal(w.out.Bytes(), want) {
		t.Errorf("Flush: %v, %d writes, %d bytes of %d", err, w.writes, w.out.Len(), len(want))
	}
	if want := now.Add(5 * time.Second); !w.deadline.Equal(want) {
		t.Errorf("deadline %v, want %v", w.deadline, want)
	}
}

// Messages from many goroutines are each whole and in their writer's order, over many flushes.
func TestConnConcurrentWrites(t *testing.T) {
	const writers, each = 8, 2000
	w := &wire{}
	c := NewConn(w, ConnOptions{})
	var wg sync.WaitGroup
	for i := range uint32(writers) {
		wg.Go(func() {
			for k := range uint32(each) {
				if err := c.Write(i<<16|k, &EchoRequest{Data: bytes.Repeat([]byte{byte(i)}, int(k%97))}); err != nil {
					t.Error(err)
					return
				}
				if k%50 == 0 {
					if err := c.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	frames, err := readAll(NewConn(&wire{in: &w.out}, ConnOptions{}))
	if err != io.EOF || len(frames) != writers*each {
		t.Fatalf("%d messages, %v; want %d", len(frames), err, writers*each)
	}
	var next [writers]uint32
	for _, f := range frames {
		h, m, err := Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		i, k := h.XID>>16, h.XID&0xffff
		if k != next[i] {
			t.Fatalf("writer %d: message %d after %d", i, k, next[i])
		}
		next[i]++
		if data := m.(*EchoRequest).Data; !bytes.Equal(data, bytes.Repeat([]byte{byte(i)}, int(k%97))) {
			t.Fatalf("writer %d: message %d holds %v", i, k, data)
		}
	}
}

// A receiver that does not read delays nobody who writes, and does not have any number of bytes wait for it: beyond what
// may wait, the Conn has failed.
func TestConnBacklog(t *testing.T) {
	near, far := net.Pipe() // which holds nothing
	defer far.Close()
	const most = 1024
	c := NewConn(near, ConnOptions{MaxPending: most})
	flushed := make(chan error)
	if err := c.Write(0, &EchoRequest{}); err != nil {
		t.Fatal(err)
	}
	go func() { flushed <- c.Flush() }()
	for taken := false; !taken; runtime.Gosched() {
		c.mu.Lock()
		taken = len(c.pending) == 0
		c.mu.Unlock()
	}
	n := 0
	var err error
	for err == nil && n <= most {
		if err = c.Write(uint32(n), &EchoRequest{}); err == nil {
			n += HeaderLen
		}
	}
	if n != most || !errors.Is(err, ErrBacklog) {
		t.Errorf("%d bytes wait, then %v; want %d, then %v", n, err, most, ErrBacklog)
	}
	if err := <-flushed; !errors.Is(err, ErrBacklog) {
		t.Errorf("the Flush that waited: %v, want %v", err, ErrBacklog)
	}
	if err := errors.Join(c.Write(1, &EchoRequest{}), c.Flush()); !errors.Is(err, ErrBacklog) {
		t.Errorf("afterwards: %v, want %v", err, ErrBacklog)
	}
}

// crowdedWire has others fill a Conn while it writes, until the Conn fails.
type crowdedWire struct {
	wire
	c *Conn
}

func (w *crowdedWire) Write(p []byte) (int, error) {
	for w.c.Write(0, &EchoRequest{}) == nil {
	}
	return w.wire.Write(p)
}

// A Conn that fails between two parts of what it writes does not wait for the receiver with the second: the deadline that has
// ended the first stays.
func TestConnBacklogBetweenParts(t *testing.T) {
	w := &crowdedWire{}
	w.c = NewConn(w, ConnOptions{MaxPending: 2 * maxWrite, WriteTimeout: time.Hour, Now: time.Now})
	m := &EchoRequest{Data: make([]byte, 60_000)}
	for n := 0; n < maxWrite; n += len(m.Data) {
		if err := w.c.Write(0, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.c.Flush(); !errors.Is(err, ErrBacklog) {
		t.Errorf("Flush: %v, want %v", err, ErrBacklog)
	}
	if w.writes != 1 || !w.deadline.Before(time.Now()) {
		t.Errorf("%d writes, with the deadline at %v; want one, and a deadline that has passed", w.writes, w.deadline)
	}
}

// A receiver that does but twenty deletions a second, and reads no further, takes some of what it is sent within ten seconds, all the
// time. One that takes nothing is given up by then.
func TestConnTwentyASecond(t *testing.T) {
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) { takesTwentyASecond(t, ConnOptions{Secure: secure}) })
	}
}

func takesTwentyASecond(t *testing.T, o ConnOptions) {
	const allowed = 10 * time.Second
	o.WriteTimeout, o.Now = allowed, time.Now
	near, far := net.Pipe()
	c := NewConn(near, o)
	deletion := &FlowMod{Match: MatchAll, Command: FlowDeleteStrict, BufferID: NoBuffer, OutPort: PortNone}
	const n = 1000
	for xid := range uint32(n) {
		if err := c.Write(xid, deletion); err != nil {
			t.Fatal(err)
		}
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		b := make([]byte, 72)
		for range n {
			if _, err := io.ReadFull(far, b); err != nil {
				return
			}
			time.Sleep(time.Second / 20)
		}
	})
	if err := c.Flush(); err != nil {
		t.Errorf("Flush: %v", err)
	}
	begin := time.Now()
	if err := errors.Join(c.Write(n, deletion), c.Flush()); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != allowed {
		t.Errorf("nobody reads: %v after %v", err, time.Since(begin))
	}
	_ = c.Close()
	reader.Wait()
}

// What a rush needed is written in parts, each with its own time, and is not kept.
func TestConnRush(t *testing.T) {
	w := &wire{}
	c := NewConn(w, ConnOptions{})
	m := &EchoRequest{Data: make([]byte, 60_000)}
	const n = 100
	for range 2 {
		for xid := range uint32(n) {
			if err := c.Write(xid, m); err != nil {
				t.Fatal(err)
			}
		}
		w.writes = 0
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		if size := n * (60_000 + HeaderLen); w.writes != (size+maxWrite-1)/maxWrite {
			t.Errorf("%d bytes in %d writes", size, w.writes)
		}
	}
	if w.out.Len() != 2*n*(60_000+HeaderLen) {
		t.Errorf("%d bytes arrived", w.out.Len())
	}
	if kept := cap(c.pending) + cap(c.spare); kept > 2*maxSpare {
		t.Errorf("%d bytes are kept", kept)
	}
}

func TestConnErrors(t *testing.T) {
	broken := errors.New("broken")
	w := &wire{fail: broken}
	c := NewConn(w, ConnOptions{})
	if err := c.Write(1, &EchoRequest{Data: make([]byte, MaxLen)}); !errors.Is(err, ErrTooLong) {
		t.Errorf("a message too long: %v", err)
	}
	if err := c.Flush(); err != nil || w.writes != 0 {
		t.Errorf("the message too long left something behind: %v, %d writes", err, w.writes)
	}
	if err := c.Write(1, &EchoRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); !errors.Is(err, broken) {
		t.Errorf("Flush: %v", err)
	}
	if err := c.Write(2, &EchoRequest{}); !errors.Is(err, broken) {
		t.Errorf("Write after a failure: %v", err)
	}
	if err := c.Flush(); !errors.Is(err, broken) || w.writes != 1 {
		t.Errorf("Flush after a failure: %v, %d writes", err, w.writes)
	}

	w = &wire{}
	c = NewConn(w, ConnOptions{})
	if err := c.Close(); err != nil || !w.closed {
		t.Errorf("Close: %v, closed %v", err, w.closed)
	}
	if err := c.Write(1, &EchoRequest{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if err := c.Flush(); !errors.Is(err, ErrClosed) {
		t.Errorf("Flush after Close: %v", err)
	}
}

// Close ends a Flush that waits for a receiver who never reads.
func TestConnCloseWhileFlushing(t *testing.T) {
	w := &wire{block: make(chan struct{})}
	c := NewConn(w, ConnOptions{})
	if err := c.Write(1, &EchoRequest{}); err != nil {
		t.Fatal(err)
	}
	flushed := make(chan error)
	go func() { flushed <- c.Flush() }()
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	if err := <-closed; err != nil { // it must not wait for the Flush
		t.Error(err)
	}
	close(w.block)
	<-flushed
}

// FuzzConn feeds any stream in pieces of any size: the frames are the stream, cut where its length fields say.
func FuzzConn(f *testing.F) {
	f.Add([]byte{1, 2, 0, 8, 0, 0, 0, 1, 1, 2, 0, 9, 0, 0, 0, 1, 7, 1, 2, 0, 12, 0, 0, 0, 1, 7, 8, 9, 10}, uint8(11))
	f.Add([]byte{1, 2, 0, 8, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 0, 1}, uint8(3))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		c := NewConn(&wire{in: bytes.NewReader(stream), pieces: func() int { return 1 + int(piece) }}, ConnOptions{})
		frames, err := readAll(c)
		if err == nil {
			t.Fatal("the stream did not end")
		}
		for _, frame := range frames {
			if len(frame) < HeaderLen || int(be.Uint16(frame[2:])) != len(frame) || !bytes.HasPrefix(stream, frame) {
				t.Fatalf("frame %x is not next in %x", frame, stream)
			}
			stream = stream[len(frame):]
		}
		if whole := len(stream) == 0; whole != errors.Is(err, io.EOF) {
			t.Fatalf("%x left over: %v", stream, err)
		}
	})
}
