package relay

import (
	"io"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A receiver is a connection that a stream comes in on. It acknowledges every segment at once: senders that leave Nagle's
// algorithm on (nginx-rtmp, ffmpeg) hold a frame's tail back until what went before is acknowledged, and a delayed
// acknowledgement would add up to 40 ms to it.
//
// It reads without telling Go's scheduler of the call, which does not wait. The first call that the scheduler is told of
// after a time of rest wakes its monitor, which then looks every 20 µs whether something hangs: 50 times for each frame, and
// each time the thread that sends the frame out has to give way.
type receiver struct {
	net.Conn
	raw     syscall.RawConn // nil: not a socket
	opening bool            // no media flows yet; see warm.go

	// What follows belongs to whoever reads.
	read  func(fd uintptr) (done bool)
	into  []byte
	n     int // result of the last call
	errno syscall.Errno
}

func newReceiver(c net.Conn) *receiver {
	r := &receiver{Conn: c, raw: rawConn(c), opening: true}
	if r.raw != nil {
		r.read = r.readNow
		_ = setOption(r.raw, func(fd int) error { quickAck(uintptr(fd)); return nil })
	}
	return r
}

// readNow reads what has come; it is not done if that is nothing.
func (r *receiver) readNow(fd uintptr) (done bool) {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&r.into[0])), uintptr(len(r.into)))
		if errno == syscall.EINTR {
			continue
		}
		r.n, r.errno = int(n), errno
		if errno == 0 && n > 0 {
			quickAck(fd)
		}
		return errno != syscall.EAGAIN
	}
}

// quickAck has what comes acknowledged at once. It does not last: the kernel falls back by itself, so it is called again
// after each read. Its failure costs time and nothing else.
func quickAck(fd uintptr) {
	on := int32(1)
	_, _, _ = syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_QUICKACK,
		uintptr(unsafe.Pointer(&on)), unsafe.Sizeof(on), 0)
}

// Read reads what has come, waiting for it, and sees to its acknowledgement.
func (r *receiver) Read(p []byte) (int, error) {
	if r.raw == nil || len(p) == 0 {
		return r.Conn.Read(p)
	}
	r.into, r.n, r.errno = p, 0, 0
	err := r.raw.Read(r.read)
	r.into = nil
	switch {
	case err != nil:
		if op, ok := err.(*net.OpError); ok {
			op.Op = "read" // not "raw-read", which says nothing to who reads the log
		}
		return 0, err
	case r.errno != 0:
		return 0, &net.OpError{Op: "read", Net: "tcp", Addr: r.RemoteAddr(), Err: r.errno}
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// answer writes what the other end has asked for. One that does not read it is not waited for longer than a viewer.
func (r *receiver) answer(encoded []byte) error {
	_ = r.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := r.Write(encoded)
	return err
}

// pace bounds what is sent from now on, in bytes a second; the kernel then puts segments apart itself. Zero, which is no
// rate, changes nothing. It reports whether there is a bound.
func (r *receiver) pace(rate float64) bool {
	if r.raw == nil || rate < 1 {
		return false
	}
	return setOption(r.raw, func(fd int) error {
		return unix.SetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE, uint64(rate))
	}) == nil
}

// unsent returns the bytes that the kernel has taken and not yet sent.
func (r *receiver) unsent() int {
	n := 0
	_ = setOption(r.raw, func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.SIOCOUTQNSD)
		return err
	})
	return n
}
