package relay

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// A stream's first picture meets a congestion window that has hardly opened, for all that went before it is a handshake and
// some answers, a few segments per round trip. At 600 kb/s and a round trip of 400 ms forty segments are on their way at
// a time; the initial window is ten (RFC 6928), so every frame of the first two round trips would be late.
//
// Linux counts that window in segments, whatever their length. In slow start it opens by one for each segment that is
// acknowledged, as long as more than half of it is in use (tcp_is_cwnd_limited in include/net/tcp.h). So the bytes that
// are sent before the media anyway are sent in as many segments as the window has room for, and the window is open when
// the first picture comes. Nothing changes in what is sent but where segments end, which TCP leaves to the sender.
// A window that is not used shrinks again (tcp_cwnd_restart, tcp_cwnd_application_limited in net/ipv4), which is why a
// viewer that waits for its keyframe is sent a little that means nothing new.
const (
	// warmRate is the stream that the window is opened for, in segments a second: 3 Mb/s in full ones, or 600 kb/s of
	// pictures and sound each in segments of its own, twice. With less than 40 ms of round trip the initial window is
	// enough for that.
	warmRate      = 256
	initialWindow = 10
	// maxWarm bounds the window that is asked for, in segments, and so what may leave at once before the path has been
	// tried with full ones: 92 kB.
	maxWarm = 64
	// warmTime is how long a viewer that waits for a keyframe is kept ready for it. Further keyframes are seldom apart.
	warmTime = 10 * time.Second
)

// pieces returns into how many segments the bytes sent next are best cut: one where the distance wants no more, or where
// there is any sign of congestion. A single retransmission is none: it may be the SYN-ACK's, of a path that is still being
// made.
func pieces(i *unix.TCPInfo) int {
	cwnd, want := int(i.Snd_cwnd), min(maxWarm, int(int64(i.Rtt)*warmRate/1e6))
	if want <= initialWindow || i.Ca_state != 0 || i.Lost > 0 || i.Total_retrans > 1 {
		return 1
	}
	use := want/2 + 1 // keeps it
	if cwnd < want {
		use = max(want-cwnd, cwnd/2+1) // opens it
	}
	return max(1, min(use, cwnd-int(i.Unacked)))
}

// A warmer sends what is small in such a way that the window opens.
type warmer struct {
	raw syscall.RawConn // nil: not TCP, so that there is no window
}

// send sends what make returns for a number of segments, in that many, without waiting. It returns how long the window stays
// as it is and what has not been sent; the caller sends that. A connection that fails will fail again when it does.
func (w warmer) send(fill func(segments int) []byte) (lasts time.Duration, rest []byte) {
	n := 1
	if w.raw == nil {
		return 0, fill(n)
	}
	err := w.raw.Write(func(fd uintptr) bool {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = pieces(info)
			lasts = time.Duration(info.Rto) * time.Microsecond
		}
		rest = sendPieces(fd, fill(n), n)
		return true
	})
	if err != nil && rest == nil {
		rest = fill(1)
	}
	return lasts, rest
}

// sendPieces sends p in n segments, but for the last, which it returns with what the connection does not take.
func sendPieces(fd uintptr, p []byte, n int) []byte {
	for n = min(n, len(p)); n > 1; n-- {
		// The kernel must not join a piece with the next (MSG_EOR), which it does while the network is busy.
		k, errno := sendNow(fd, &p[0], len(p)/n, unix.MSG_EOR)
		if errno != 0 {
			break
		}
		p = p[k:]
	}
	return p
}

// Write writes all of p, and opens the window with it until media is expected.
func (r *receiver) Write(p []byte) (int, error) {
	if !r.opening {
		return r.Conn.Write(p)
	}
	_, rest := warmer{r.raw}.send(func(int) []byte { return p })
	n, err := r.Conn.Write(rest)
	return len(p) - len(rest) + n, err
}

// warm keeps the window open for a viewer that waits for its first keyframe. It appends to bufs what is left to be sent.
func (v *viewer) warm(bufs net.Buffers, now time.Time) net.Buffers {
	if !v.waiting || v.begun || now.Before(v.warmed) || now.After(v.came.Add(warmTime)) {
		return bufs
	}
	lasts, rest := warmer{v.raw}.send(v.filling)
	v.warmed = now.Add(lasts * 3 / 4)
	if len(rest) > 0 {
		bufs = append(bufs, rest)
	}
	return bufs
}

// filling returns what fills a number of segments, as part of what the viewer is sent: a window acknowledgement size (RTMP
// 1.0 §5.4.4), the same as at the beginning, which calls for no answer. It is nothing where one segment is enough.
func (v *viewer) filling(segments int) []byte {
	var b []byte
	for segments > 1 && len(b) < segments {
		b = v.rtmp.Encode(b, rtmp.Control(rtmp.TypeWindowAckSize, rtmp.DefaultWindow))
	}
	v.sent += uint64(len(b))
	return b
}
