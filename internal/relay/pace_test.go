package relay

import (
	"io"
	"math"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// loopback is a TCP connection, both of whose ends close with the test.
func loopback(t *testing.T, by net.Dialer) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = by.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

// TestPace sends 300 kB at 300 kB/s, and the same again once the bound is lifted.
func TestPace(t *testing.T) {
	// Segments as on Ethernet: the kernel lets ten go unpaced, and on loopback they have 64 kB.
	short := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return setOption(raw, func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1400) })
	}}
	client, server := loopback(t, short)
	const size = 300_000
	r := newReceiver(server)
	r.opening = false
	pass := func() time.Duration {
		t.Helper()
		begun := time.Now()
		written := make(chan error, 1)
		go func() {
			_, err := r.Write(make([]byte, size))
			written <- err
		}()
		if _, err := io.ReadFull(client, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		return time.Since(begun)
	}
	if r.pace(0) {
		t.Error("no rate is a bound")
	}
	if !r.pace(size) {
		t.Fatal("no bound is set")
	}
	bound := pass()
	if bound < 500*time.Millisecond {
		t.Errorf("%d bytes at as many a second took %v", size, bound)
	}
	if n := r.unsent(); n != 0 {
		t.Errorf("%d bytes unsent when all have arrived", n)
	}
	r.pace(math.MaxUint32)
	if free := pass(); free > bound/2 {
		t.Errorf("without a bound it takes %v, with one %v", free, bound)
	}
}

func TestWindowRate(t *testing.T) {
	w := newWindow(65536, 2*time.Second)
	at := time.Unix(1_700_000_000, 0)
	if w.rate() != 0 {
		t.Error("an empty window has a rate")
	}
	for i := range 61 {
		role := rtmp.RoleFrame
		if i%30 == 0 {
			role = rtmp.RoleKey
		}
		w.append(rtmp.Message{Type: rtmp.TypeVideo, Timestamp: uint32(i) * 50, Payload: make([]byte, 2500)}, role, at)
		if i == 9 && w.rate() != 0 {
			t.Error("less than half a second has a rate")
		}
		at = at.Add(50 * time.Millisecond)
	}
	if r := w.rate(); r < 50_000 || r > 53_000 {
		t.Errorf("2,500 bytes 20 times a second are %.0f a second", r)
	}
}
