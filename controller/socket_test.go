package controller

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// overTCP returns the two ends of a TCP connection, the near one as a socket.
func overTCP(t *testing.T, latest *atomic.Pointer[socket]) (near *socket, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return newSocket(b, latest).(*socket), a.(*net.TCPConn)
}

// A script is a connection's descriptor and the clock it is read by: each look at the clock takes a while, and as a message's time
// comes it is sent.
type script struct {
	t      *testing.T
	far    *net.TCPConn
	time   time.Time
	due    time.Time
	sleeps int
	looks  int // at the clock, since the last sleep
}

const clockStep = shortSilence / 50

func (s *script) now() time.Time {
	s.looks++
	s.pass(clockStep)
	return s.time
}

func (s *script) pass(d time.Duration) {
	s.time = s.time.Add(d)
	if !s.due.IsZero() && !s.time.Before(s.due) {
		s.due = time.Time{}
		if _, err := s.far.Write([]byte("message.")); err != nil {
			s.t.Fatal(err)
		}
	}
}

// A scripted is a raw connection in whose sleep the script's time passes.
type scripted struct {
	syscall.RawConn
	*script
}

func (s scripted) Read(f func(fd uintptr) bool) error {
	return s.RawConn.Read(func(fd uintptr) bool {
		if f(fd) {
			return true
		}
		s.sleeps++
		if !s.due.IsZero() {
			s.pass(s.due.Sub(s.time))
		}
		return false
	})
}

// TestSocketPolls has messages come one by one, each some time after the one before was read.
func TestSocketPolls(t *testing.T) {
	const messages = 200
	for name, tt := range map[string]struct {
		gap         time.Duration
		others      bool // something is read elsewhere meanwhile
		least, most int  // sleeps
	}{
		"in quick succession":             {gap: shortSilence / 4, least: messages / 10, most: messages / 5},
		"slower than a poll lasts":        {gap: 2 * shortSilence, least: messages, most: messages},
		"in quick succession, as another": {gap: shortSilence / 4, others: true, least: messages, most: messages},
	} {
		t.Run(name, func(t *testing.T) {
			var latest atomic.Pointer[socket]
			tcp, far := overTCP(t, &latest)
			at := &script{t: t, far: far, time: time.Unix(1, 0)}
			s := socketOf(tcp.Conn, scripted{tcp.raw, at}, &latest, at.now)
			buf := make([]byte, 100)
			for range messages {
				at.due = at.time.Add(tt.gap)
				if tt.others {
					latest.Store(tcp)
				}
				if n, err := s.Read(buf); err != nil || string(buf[:n]) != "message." {
					t.Fatalf("read %q, %v", buf[:n], err)
				}
			}
			if at.sleeps < tt.least || at.sleeps > tt.most {
				t.Errorf("slept %d times for %d messages, want %d to %d", at.sleeps, messages, tt.least, tt.most)
			}
		})
	}
}

// A poll that nothing comes of ends, and the message that comes after all is read.
func TestSocketPollEnds(t *testing.T) {
	var latest atomic.Pointer[socket]
	tcp, far := overTCP(t, &latest)
	at := &script{t: t, far: far, time: time.Unix(1, 0)}
	s := socketOf(tcp.Conn, scripted{tcp.raw, at}, &latest, at.now)
	buf := make([]byte, 100)
	for _, gap := range []time.Duration{shortSilence / 4, shortSilence / 4, shortSilence / 4, 10 * shortSilence} {
		at.due, at.looks = at.time.Add(gap), 0
		if n, err := s.Read(buf); err != nil || n != len("message.") {
			t.Fatalf("read %d bytes, %v", n, err)
		}
	}
	if at.sleeps != 3 || at.looks < 10 || at.looks > int(shortSilence/clockStep)+5 {
		t.Errorf("%d sleeps, and %d looks at the clock at the last; want polls for the third and fourth message, and the third found by its own", at.sleeps, at.looks)
	}
}

// TestSocketCarriesAll sends much in pieces of all sizes both ways, more than the kernel takes at once.
func TestSocketCarriesAll(t *testing.T) {
	near, far := overTCP(t, new(atomic.Pointer[socket]))
	_ = near.Conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(i * 7919 >> 8)
	}
	go func() { // what comes goes back, by pieces of all sizes
		if _, err := io.Copy(far, far); err != nil {
			t.Error(err)
		}
		_ = far.CloseWrite()
	}()
	go func() {
		for rest, size := data, 1; len(rest) > 0; size = size*3%(3*smallWrite) + 1 {
			n, err := near.Write(rest[:min(size, len(rest))])
			if err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
		_ = near.Conn.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(near)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(data), err)
	}
}

// A socket fails as the connection it is would.
func TestSocketFailures(t *testing.T) {
	hello := []byte("hello")
	for _, tt := range []struct {
		name  string
		make  func(near *socket, far *net.TCPConn)
		read  error
		write error
	}{
		{"the end", func(_ *socket, far *net.TCPConn) { far.CloseWrite() }, io.EOF, nil},
		{"closed", func(near *socket, _ *net.TCPConn) { near.Close() }, net.ErrClosed, net.ErrClosed},
		{"late", func(near *socket, _ *net.TCPConn) { near.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{"late while it waits", func(near *socket, _ *net.TCPConn) { near.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) }, os.ErrDeadlineExceeded, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			near, far := overTCP(t, new(atomic.Pointer[socket]))
			tt.make(near, far)
			if n, err := near.Read(make([]byte, 10)); n != 0 || !errors.Is(err, tt.read) {
				t.Errorf("Read: %d, %v, want %v", n, err, tt.read)
			}
			if _, err := near.Write(hello); !errors.Is(err, tt.write) {
				t.Errorf("Write: %v, want %v", err, tt.write)
			}
		})
	}
	for _, first := range []string{"read", "write"} {
		t.Run("reset before the first "+first, func(t *testing.T) {
			near, far := overTCP(t, new(atomic.Pointer[socket]))
			reset(t, near, far)
			var err error
			if first == "read" {
				_, err = near.Read(make([]byte, 10))
			} else {
				_, err = near.Write(hello)
			}
			if op := new(net.OpError); !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &op) || op.Op != first {
				t.Errorf("%v, want a %s reset", err, first)
			}
		})
	}
}

// reset has the far end reset the connection, and waits until the near one has heard.
func reset(t *testing.T, near *socket, far *net.TCPConn) {
	t.Helper()
	if err := far.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	far.Close()
	const closed = 7 // TCP_CLOSE in linux/tcp_states.h
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		var info *unix.TCPInfo
		var err error
		_ = near.raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
		if err != nil || time.Now().After(end) {
			t.Fatal("no reset: ", err)
		}
		if info.State == closed {
			return
		}
	}
}

// A message and its answer cost no allocation.
func TestSocketAllocatesNothing(t *testing.T) {
	near, far := overTCP(t, new(atomic.Pointer[socket]))
	message, buf := []byte("message."), make([]byte, 100)
	if n := testing.AllocsPerRun(200, func() {
		_, _ = far.Write(message)
		n, _ := near.Read(buf)
		_, _ = near.Write(buf[:n])
		_, _ = far.Read(buf)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
