package controller

import (
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	smallWrite = 4 << 10 // bytes that the kernel takes in no time
	maxRush    = 8       // reads in a row that find something at once, and of which the scheduler is not told
)

// A socket is a switch's TCP connection that makes little of a message which comes alone, and of its answer.
//
// It reads and writes without telling Go's scheduler of the call, which does not wait. The first call that the scheduler is told
// of after a time of rest wakes its monitor, a thread that then looks every 20 µs whether something hangs; on one core it takes
// turns with the one that answers. Where a connection has always something to read the monitor is needed, for it sees to the
// others: then the scheduler is told, as of long writes.
//
// And it polls before it waits, where a busyPoll says so.
type socket struct {
	net.Conn
	raw    syscall.RawConn
	latest *atomic.Pointer[socket] // of all switches', that read something
	now    func() time.Time

	// What follows belongs to whoever reads.
	look     func(fd uintptr) (done bool)
	into     []byte
	n        int // bytes that came into it
	readFail syscall.Errno
	waited   bool
	rush     int // reads in a row that found something at once
	poll     busyPoll

	// And this to whoever writes; ofproto.Conn sees to it that this is but one.
	put       func(fd uintptr) (done bool)
	from      []byte
	sent      int // bytes of it
	writeFail syscall.Errno
}

// newSocket returns the connection as a socket, or as it is where it is not plain TCP.
func newSocket(nc net.Conn, latest *atomic.Pointer[socket]) net.Conn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nc
	}
	return socketOf(nc, raw, latest, time.Now)
}

func socketOf(nc net.Conn, raw syscall.RawConn, latest *atomic.Pointer[socket], now func() time.Time) *socket {
	s := &socket{Conn: nc, raw: raw, latest: latest, now: now}
	s.look, s.put = s.readOrWait, s.writeOnce
	return s
}

// Read reads what has come, waiting for it.
func (s *socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return s.Conn.Read(p)
	}
	s.into, s.n, s.readFail, s.waited = p, 0, 0, false
	s.rush++
	err := s.raw.Read(s.look)
	s.into = nil
	if s.waited {
		s.poll.slept(s.now(), s.latest.Load() == s)
	}
	switch {
	case err != nil:
		return s.Conn.Read(p) // closed or too late, of which it tells in its own words
	case s.readFail != 0:
		return 0, s.failure("read", s.readFail)
	case s.n == 0:
		return 0, io.EOF
	}
	if s.latest.Load() != s {
		s.latest.Store(s)
	}
	return s.n, nil
}

// readOrWait reads. Where it is not done it is to be called again once something has come.
func (s *socket) readOrWait(fd uintptr) (done bool) {
	if s.readOnce(fd) {
		return true
	}
	s.rush = 0
	if !s.waited && s.poll.begin(s.now()) {
		if runtime.GOMAXPROCS(0) == 1 {
			runtime.Gosched() // to what is ready to run and nobody else would; with more cores this would only wake one in vain
		}
		found := false
		for !found && s.poll.goesOn(s.now()) {
			found = s.readOnce(fd)
		}
		s.poll.end(found)
		if found {
			return true
		}
	}
	s.waited = true
	return false
}

// readOnce reports whether there was anything to read, if only an end or a failure.
func (s *socket) readOnce(fd uintptr) bool {
	for {
		var n uintptr
		var errno syscall.Errno
		if s.rush <= maxRush {
			n, _, errno = syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&s.into[0])), uintptr(len(s.into)))
		} else {
			n, _, errno = syscall.Syscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&s.into[0])), uintptr(len(s.into)))
		}
		switch errno {
		case 0:
			s.n = int(n)
			return true
		case syscall.EAGAIN:
			return false
		case syscall.EINTR:
		default:
			s.readFail = errno
			return true
		}
	}
}

// Write writes all of p.
func (s *socket) Write(p []byte) (int, error) {
	if len(p) == 0 || len(p) > smallWrite {
		return s.Conn.Write(p)
	}
	s.from, s.sent, s.writeFail = p, 0, 0
	_ = s.raw.Write(s.put) // fails as what follows does
	s.from = nil
	switch {
	case s.sent == len(p):
		return s.sent, nil
	case s.writeFail != 0:
		return 0, s.failure("write", s.writeFail)
	}
	n, err := s.Conn.Write(p[s.sent:]) // waits
	return s.sent + n, err
}

// writeOnce writes what the kernel takes without waiting.
func (s *socket) writeOnce(fd uintptr) (done bool) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&s.from[0])), uintptr(len(s.from)))
	switch errno {
	case 0:
		s.sent = int(n)
	case syscall.EAGAIN, syscall.EINTR:
	default:
		s.writeFail = errno
	}
	return true
}

// failure is the error that the net package makes of one of the kernel's.
func (s *socket) failure(op string, errno syscall.Errno) error {
	return &net.OpError{Op: op, Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError(op, errno)}
}
