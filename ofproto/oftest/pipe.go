package oftest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeBuffer is how many bytes each direction of a Pipe holds before a writer waits, like a socket's.
const pipeBuffer = 256 << 10

// Pipe returns the two ends of a connection within the process, buffered as a socket is, with deadlines. It is made of
// nothing but Go's own synchronization, so that a test under testing/synctest runs in no time.
func Pipe() (net.Conn, net.Conn) {
	ab, ba := newStream(), newStream()
	return &pipeEnd{in: ba, out: ab}, &pipeEnd{in: ab, out: ba}
}

type pipeEnd struct{ in, out *stream }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

func (p *pipeEnd) Read(b []byte) (int, error)  { return p.in.read(b) }
func (p *pipeEnd) Write(b []byte) (int, error) { return p.out.write(b) }
func (p *pipeEnd) LocalAddr() net.Addr         { return pipeAddr{} }
func (p *pipeEnd) RemoteAddr() net.Addr        { return pipeAddr{} }

// Close lets the other end read what is still in the buffer, and then io.EOF.
func (p *pipeEnd) Close() error {
	p.out.close(false)
	p.in.close(true)
	return nil
}

func (p *pipeEnd) SetDeadline(t time.Time) error {
	p.in.setDeadline(&p.in.readBy, t)
	p.out.setDeadline(&p.out.writeBy, t)
	return nil
}

func (p *pipeEnd) SetReadDeadline(t time.Time) error {
	p.in.setDeadline(&p.in.readBy, t)
	return nil
}

func (p *pipeEnd) SetWriteDeadline(t time.Time) error {
	p.out.setDeadline(&p.out.writeBy, t)
	return nil
}

// A stream is one direction.
type stream struct {
	mu       sync.Mutex
	changed  *sync.Cond
	data     []byte
	eof      bool // the writer has closed
	deserted bool // the reader has closed
	readBy   limit
	writeBy  limit
}

// A limit is a deadline, with the timer that wakes those who wait.
type limit struct {
	at    time.Time
	timer *time.Timer
}

func newStream() *stream {
	s := new(stream)
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (l *limit) passed() bool { return !l.at.IsZero() && !time.Now().Before(l.at) }

func (s *stream) read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.deserted:
			return 0, io.ErrClosedPipe
		case s.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case len(s.data) > 0:
			n := copy(b, s.data)
			if s.data = s.data[n:]; len(s.data) == 0 {
				s.data = nil
			}
			s.changed.Broadcast()
			return n, nil
		case s.eof:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

func (s *stream) write(b []byte) (done int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.eof, s.deserted:
			return done, io.ErrClosedPipe
		case s.writeBy.passed():
			return done, os.ErrDeadlineExceeded
		case done == len(b):
			return done, nil
		}
		if room := pipeBuffer - len(s.data); room > 0 {
			n := min(room, len(b)-done)
			s.data = append(s.data, b[done:done+n]...)
			done += n
			s.changed.Broadcast()
			continue
		}
		s.changed.Wait()
	}
}

func (s *stream) close(reader bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reader {
		s.deserted = true
	} else {
		s.eof = true
	}
	s.setTimer(&s.readBy, time.Time{})
	s.setTimer(&s.writeBy, time.Time{})
	s.changed.Broadcast()
}

func (s *stream) setDeadline(l *limit, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setTimer(l, at)
	s.changed.Broadcast()
}

func (s *stream) setTimer(l *limit, at time.Time) {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.at = at
	if !at.IsZero() {
		l.timer = time.AfterFunc(time.Until(at), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed.Broadcast()
		})
	}
}
