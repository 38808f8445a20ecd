package relay

import (
	"io"
	"net"
	"syscall"
	"unsafe"
)

// A gatherer writes several buffers to a socket with one system call and without waiting. One goroutine can so serve a
// thousand sockets in a row, where a goroutine for each would cost more in switching than in writing.
type gatherer struct {
	conn net.Conn
	raw  syscall.RawConn // nil: not a socket, so only flush works
	iov  []syscall.Iovec
	call func(fd uintptr)

	n     int // result of the last call
	errno syscall.Errno
}

// maxGather is how many buffers one call takes (UIO_MAXIOV); keepGather how many are remembered room for.
const (
	maxGather  = 1024
	keepGather = 32
)

func newGatherer(c net.Conn) *gatherer {
	g := &gatherer{conn: c}
	if tcp, ok := c.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			g.raw = raw
		}
	}
	g.call = func(fd uintptr) {
		for {
			n, errno := writeNow(fd, g.iov)
			if errno == syscall.EINTR {
				continue
			}
			g.n, g.errno = n, errno
			return
		}
	}
	return g
}

// writeNow makes one call. The socket does not block, so the scheduler need not be told of it: RawSyscall. A single
// buffer, the usual case, goes by send, which is the shorter way through the kernel.
func writeNow(fd uintptr, iov []syscall.Iovec) (int, syscall.Errno) {
	if len(iov) == 1 {
		return sendNow(fd, iov[0].Base, int(iov[0].Len), 0)
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&iov[0])), uintptr(len(iov)))
	return int(n), errno
}

func sendNow(fd uintptr, first *byte, length, flags int) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(first)), uintptr(length),
		uintptr(flags|syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL), 0, 0)
	return int(n), errno
}

// try writes as much of bufs as the socket takes at once and takes that off bufs. It returns the number of bytes.
func (g *gatherer) try(bufs *net.Buffers) (int64, error) {
	if g.raw == nil || len(*bufs) == 0 {
		return 0, nil
	}
	g.iov = g.iov[:0]
	for _, b := range (*bufs)[:min(len(*bufs), maxGather)] {
		if len(b) > 0 {
			v := syscall.Iovec{Base: &b[0]}
			v.SetLen(len(b))
			g.iov = append(g.iov, v)
		}
	}
	g.n, g.errno = 0, 0
	// Not Write: it prepares to wait, which this never does, and only one goroutine writes.
	err := g.raw.Control(g.call)
	clear(g.iov)
	if cap(g.iov) > keepGather {
		g.iov = nil
	}
	switch {
	case err != nil:
		return 0, err
	case g.errno == syscall.EAGAIN:
		return 0, nil
	case g.errno != 0:
		return 0, &net.OpError{Op: "write", Net: "tcp", Addr: g.conn.RemoteAddr(), Err: g.errno}
	}
	consume(bufs, g.n)
	return int64(g.n), nil
}

// flush writes all of bufs and waits as long as that takes.
func (g *gatherer) flush(bufs *net.Buffers) (int64, error) { return bufs.WriteTo(io.Writer(g.conn)) }

// consume takes n bytes off the front of bufs.
func consume(bufs *net.Buffers, n int) {
	b := *bufs
	for len(b) > 0 && n >= len(b[0]) {
		n -= len(b[0])
		b[0] = nil
		b = b[1:]
	}
	if n > 0 {
		b[0] = b[0][n:]
	}
	*bufs = b
}
