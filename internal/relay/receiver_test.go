package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReceiverReads has a receiver see what a connection can bring: bytes before it looks and after, less and more than
// asked for, no end of waiting, and each kind of end.
func TestReceiverReads(t *testing.T) {
	read := func(t *testing.T, r *receiver, size int, want string, wantErr error) {
		t.Helper()
		p := make([]byte, size)
		n, err := r.Read(p)
		if string(p[:n]) != want || !errors.Is(err, wantErr) || err != nil && strings.Contains(err.Error(), "raw-read") {
			t.Errorf("read %q, %v; want %q, %v", p[:n], err, want, wantErr)
		}
	}
	t.Run("bytes, then the end", func(t *testing.T) {
		client, server := loopback(t, net.Dialer{})
		r := newReceiver(server)
		_, _ = client.Write([]byte("abcd"))
		read(t, r, 3, "abc", nil)
		read(t, r, 3, "d", nil)
		time.AfterFunc(20*time.Millisecond, func() { _, _ = client.Write([]byte("e")); client.Close() })
		read(t, r, 3, "e", nil)
		read(t, r, 0, "", nil)
		read(t, r, 3, "", io.EOF)
	})
	t.Run("a deadline, and on", func(t *testing.T) {
		client, server := loopback(t, net.Dialer{})
		r := newReceiver(server)
		time.AfterFunc(20*time.Millisecond, func() { _ = r.SetDeadline(time.Unix(1, 0)) })
		read(t, r, 3, "", os.ErrDeadlineExceeded)
		_ = r.SetDeadline(time.Time{})
		_, _ = client.Write([]byte("f"))
		read(t, r, 3, "f", nil)
	})
	t.Run("closed here", func(t *testing.T) {
		_, server := loopback(t, net.Dialer{})
		r := newReceiver(server)
		time.AfterFunc(20*time.Millisecond, func() { _ = r.Close() })
		read(t, r, 3, "", net.ErrClosed)
		read(t, r, 3, "", net.ErrClosed)
	})
	t.Run("reset there", func(t *testing.T) {
		client, server := loopback(t, net.Dialer{})
		r := newReceiver(server)
		_ = client.(*net.TCPConn).SetLinger(0)
		_ = client.Close()
		read(t, r, 3, "", syscall.ECONNRESET)
	})
	t.Run("no socket", func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		r := newReceiver(server)
		go func() { _, _ = client.Write([]byte("g")) }()
		read(t, r, 3, "g", nil)
	})
}
