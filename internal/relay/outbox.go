package relay

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// An outbox is what a viewer is sent next. It goes out with one system call that does not wait: one goroutine can so serve
// a thousand sockets in a row, where a goroutine for each would cost more in switching than in writing.
//
// Who writes takes one and uses it for viewer after viewer. It so stays in the processor's cache, from which each viewer's
// own would have been driven out since its last frame; a miss costs as much as a hundred instructions.
type outbox struct {
	entries []*entry
	bufs    net.Buffers // being written
	room    net.Buffers // bufs' memory, to use again
	prefix  []byte      // replies and setup, in bufs
	sends   []time.Time // arrivals of the messages in bufs, to measure the delay added

	iov   []syscall.Iovec
	call  func(fd uintptr)
	n     int // result of the last call
	errno syscall.Errno
}

// maxGather is how many buffers one call takes (UIO_MAXIOV); keepGather how many are remembered room for.
const (
	maxGather  = 1024
	keepGather = 32
)

// outboxes are those that nobody uses.
var outboxes = sync.Pool{New: func() any {
	o := new(outbox)
	o.call = func(fd uintptr) {
		for {
			if o.n, o.errno = writeNow(fd, o.iov); o.errno != syscall.EINTR {
				return
			}
		}
	}
	return o
}}

// release leaves o to others, without what it refers to.
func (o *outbox) release() {
	if cap(o.room) > keepGather || cap(o.prefix) > maxReplies {
		return // it is too large to be kept
	}
	clear(o.entries[:cap(o.entries)])
	clear(o.bufs) // if a connection has failed, some are left
	o.entries, o.bufs, o.sends = o.entries[:0], nil, o.sends[:0]
	outboxes.Put(o)
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

// try writes as much of bufs as the socket takes at once and takes that off bufs. It returns the number of bytes, which is
// zero where raw is nil, since that is no socket.
func (o *outbox) try(raw syscall.RawConn) (int64, error) {
	if raw == nil || len(o.bufs) == 0 {
		return 0, nil
	}
	o.iov = o.iov[:0]
	for _, b := range o.bufs[:min(len(o.bufs), maxGather)] {
		if len(b) > 0 {
			v := syscall.Iovec{Base: &b[0]}
			v.SetLen(len(b))
			o.iov = append(o.iov, v)
		}
	}
	o.n, o.errno = 0, 0
	// Not Write: it prepares to wait, which this never does, and only one goroutine writes.
	err := raw.Control(o.call)
	clear(o.iov)
	switch {
	case err != nil:
		return 0, err
	case o.errno == syscall.EAGAIN:
		return 0, nil
	case o.errno != 0:
		return 0, o.errno
	}
	consume(&o.bufs, o.n)
	return int64(o.n), nil
}

// flush writes all of bufs and waits as long as that takes.
func (o *outbox) flush(c net.Conn) (int64, error) { return o.bufs.WriteTo(io.Writer(c)) }

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
