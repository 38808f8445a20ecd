package relay

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// recorder keeps what is read.
type recorder struct {
	net.Conn
	got bytes.Buffer
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.got.Write(p[:n])
	return n, err
}

// TestViewersBytesCanBeLocated takes what a real viewer received, pings included, and finds each of its bytes in the
// stream's window again.
func TestViewersBytesCanBeLocated(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	r, err := New(Options{Listen: []string{"127.0.0.1:0"}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	for !r.ready.Load() {
		time.Sleep(time.Millisecond)
	}
	s := r.stream(streamID{"live", "a"})
	src := &source{name: "test", stop: func() {}}
	s.offer(src)
	bring := func(from, to int) {
		for i := from; i <= to; i++ {
			s.feed(src, []rtmp.Message{origin{}.message(i)}, 40)
		}
	}
	bring(0, 60)

	nc, err := net.Dial("tcp", r.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
	c2, err := rtmp.ClientHandshake(nc, strings.NewReader(strings.Repeat("x", 2000)), 0)
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{Conn: nc} // begins behind the handshake, as the viewer's count does
	conn := rtmp.NewConn(rec, c2)
	if err := rtmp.Open(conn, &rtmp.Request{App: "live", Key: "a"}, 4096); err != nil {
		t.Fatal(err)
	}
	until := func(i int) {
		for {
			m, err := conn.Next()
			if err != nil {
				t.Fatal(err)
			}
			if m.Timestamp == (origin{}).message(i).Timestamp {
				return
			}
		}
	}
	until(60)
	if err := conn.Write(rtmp.UserControl(rtmp.EventPingRequest, 1)); err != nil {
		t.Fatal(err)
	}
	for {
		m, err := conn.Next()
		if err != nil {
			t.Fatal(err)
		}
		if event, _, ok := rtmp.ParseUserControl(m); ok && event == rtmp.EventPingResponse {
			break
		}
	}
	begin := uint64(rec.got.Len()) // what follows is the stretch since the ping was answered
	bring(61, 99)
	until(99)
	s.mu.RLock()
	v := s.viewers[0]
	s.mu.RUnlock()
	all := rec.got.Bytes()
	for at := begin; at < uint64(len(all)); at++ {
		seq, within, ok := s.locate(v, at)
		if !ok {
			t.Fatalf("byte %d of %d is nowhere", at, len(all))
		}
		s.mu.RLock()
		wire := s.window.at(seq).wire[within:]
		s.mu.RUnlock()
		if n := min(len(wire), len(all)-int(at)); !bytes.Equal(wire[:n], all[at:int(at)+n]) {
			t.Fatalf("byte %d is not byte %d of message %d", at, within, seq)
		}
	}
}
