package ofproto

import (
	"errors"
	"io"
	"sync"
	"time"
)

// A Transport carries a Conn's bytes: a net.Conn, plain or TLS.
type Transport interface {
	io.ReadWriteCloser
	SetWriteDeadline(time.Time) error
}

// ConnOptions tune a Conn. The zero value is good for a plain connection without a write deadline.
type ConnOptions struct {
	ReadBuffer   int              // bytes; default and minimum 128 KiB, so that a whole message always fits
	FirstRead    int              // bytes of the read buffer at first; reads that fill it make it grow; default: all of ReadBuffer
	MaxPending   int              // bytes that may wait for a receiver that does not read; default 64 MiB
	WriteTimeout time.Duration    // in which the transport takes something; 0 for none
	Secure       bool             // the transport is TLS, which writes no more after a deadline
	Now          func() time.Time // the clock that WriteTimeout counts from; needed with it
}

const (
	minReadBuffer     = 128 << 10
	defaultMaxPending = 64 << 20
	// maxWrite is the bytes in one write. Where that takes too long, but some were taken, it goes on with the rest and a new deadline.
	maxWrite = 1 << 20
	// maxSecureWrite is the same over TLS, which does not go on after a deadline. Twenty deletions a second are 1440 bytes.
	maxSecureWrite = 8 << 10
	maxSpare       = 1 << 20 // bytes of a buffer that is kept; what a rush needed is given back
)

// A Conn frames OpenFlow messages on a byte stream. One goroutine may read while any number write, flush and close. Only
// Flush waits for the receiver: who writes for others must never be held up by one of them.
type Conn struct {
	t Transport
	o ConnOptions

	in     []byte // in[begin:end] has been read and not handed out
	begin  int
	end    int
	frames [][]byte
	inErr  error // what reading met behind the frames it handed out

	mu       sync.Mutex // guards what follows
	pending  []byte     // whole messages only
	spare    []byte     // the buffer last written, which becomes pending at the next flush; nil for none
	flushing bool       // somebody writes to the transport
	flushed  sync.Cond  // nobody does any longer
	err      error      // the first failure to write, ErrBacklog or ErrClosed: nothing is sent after it
}

// NewConn returns a Conn that owns the transport.
func NewConn(t Transport, o ConnOptions) *Conn {
	o.ReadBuffer = max(o.ReadBuffer, minReadBuffer)
	if o.FirstRead <= 0 || o.FirstRead > o.ReadBuffer {
		o.FirstRead = o.ReadBuffer
	}
	if o.MaxPending <= 0 {
		o.MaxPending = defaultMaxPending
	}
	c := &Conn{t: t, o: o, in: make([]byte, o.FirstRead)}
	c.flushed.L = &c.mu
	return c
}

// ReadBatch returns the messages that the next read brings, at least one, in order; the frames are whole messages,
// header included, and are valid until the next ReadBatch. It checks no more of a header than its length field: a length
// below HeaderLen is a DecodeError, after which the stream has no frames any more. The end of the stream is io.EOF
// between messages and io.ErrUnexpectedEOF within one.
func (c *Conn) ReadBatch() ([][]byte, error) {
	c.frames = c.frames[:0]
	for {
		if err := c.split(); err != nil {
			c.inErr = err
		}
		if len(c.frames) > 0 {
			return c.frames, nil
		}
		if c.inErr == io.EOF && c.begin < c.end {
			c.inErr = io.ErrUnexpectedEOF
		}
		if c.inErr != nil {
			return nil, c.inErr
		}
		c.fill()
	}
}

// split moves whole messages from the buffer to c.frames.
func (c *Conn) split() error {
	for c.end-c.begin >= HeaderLen {
		b := c.in[c.begin:c.end]
		n := int(b[2])<<8 | int(b[3])
		if n < HeaderLen {
			_, err := ParseHeader(b)
			return err
		}
		if n > len(b) {
			return nil
		}
		c.frames = append(c.frames, b[:n:n])
		c.begin += n
	}
	return nil
}

// fill reads once. A buffer that the last read filled grows first. The beginning of a message that is left over moves to the
// buffer's front, so there is always room; it moves but once, however many reads the message takes, growth left out.
func (c *Conn) fill() {
	if c.end == len(c.in) && len(c.in) < c.o.ReadBuffer {
		grown := make([]byte, min(4*len(c.in), c.o.ReadBuffer))
		c.end = copy(grown, c.in[c.begin:c.end])
		c.in, c.begin = grown, 0
	}
	if c.begin > 0 {
		c.end = copy(c.in, c.in[c.begin:c.end])
		c.begin = 0
	}
	n, err := c.t.Read(c.in[c.end:])
	c.end += n
	c.inErr = err
}

// Write appends a message to what is pending. It sends nothing and never waits: where MaxPending bytes wait already, the
// Conn has failed with ErrBacklog, a Flush that waits is ended, and the Conn is to be closed. A message that cannot be encoded
// is an error and leaves nothing behind. After a failure to write, and after Close, every call returns that failure.
func (c *Conn) Write(xid uint32, m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if len(c.pending) >= c.o.MaxPending {
		c.err, c.pending = ErrBacklog, nil
		c.flushed.Broadcast()
		_ = c.t.SetWriteDeadline(time.Unix(1, 0)) // long ago
		return c.err
	}
	out, err := Append(c.pending, xid, m)
	if err == nil {
		c.pending = out
	}
	return err
}

// Flush writes all that is pending, and returns when the transport has taken it.
func (c *Conn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.flushing && c.err == nil {
		c.flushed.Wait()
	}
	if c.err != nil || len(c.pending) == 0 {
		return c.err
	}
	out := c.pending
	c.pending, c.spare, c.flushing = c.spare[:0], nil, true
	c.mu.Unlock()
	err := c.send(out)
	c.mu.Lock()
	c.flushing = false
	c.flushed.Broadcast()
	if c.err == nil {
		c.err = err
	}
	if cap(out) <= maxSpare {
		c.spare = out
	}
	return c.err
}

// mayWrite gives the next write to the transport its time, unless the Conn has failed meanwhile: whoever had it fail has also ended
// the write that waited, and no later one may wait instead.
func (c *Conn) mayWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || c.o.WriteTimeout <= 0 || c.o.Now == nil {
		return c.err
	}
	return c.t.SetWriteDeadline(c.o.Now().Add(c.o.WriteTimeout))
}

// send writes until all is taken, or nothing within the time that a write has.
func (c *Conn) send(out []byte) error {
	most := maxWrite
	if c.o.Secure {
		most = maxSecureWrite
	}
	for len(out) > 0 {
		if err := c.mayWrite(); err != nil {
			return err
		}
		part := out[:min(len(out), most)]
		n, err := c.t.Write(part)
		if err == nil && n < len(part) {
			err = io.ErrShortWrite
		}
		if err != nil && (n == 0 || !isTimeout(err)) {
			return err
		}
		out = out[n:]
	}
	return nil
}

func isTimeout(err error) bool {
	var late interface{ Timeout() bool }
	return errors.As(err, &late) && late.Timeout()
}

// Close closes the transport without writing what is pending: Flush before. It may be called more than once, and ends a
// ReadBatch or Flush that waits.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.err == nil {
		c.err = ErrClosed
	}
	c.flushed.Broadcast()
	c.mu.Unlock()
	return c.t.Close()
}
