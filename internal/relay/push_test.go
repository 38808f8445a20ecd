package relay_test

import (
	"bytes"
	"crypto/rand"
	"net"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/relay"
	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// TestPushAnswers pushes to a server that reads slowly and asks for a sign of life all the time: it is answered, and no answer lands
// within a frame.
func TestPushAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := startRelay(t, relay.Options{Push: []string{"rtmp://" + l.Addr().String() + "/live"}})
	p := newPublisher(t, r.address, "a")
	frame := make([]byte, 50_000)
	frame[0], frame[1] = 0x17, 1 // a keyframe
	over := make(chan struct{})
	published := make(chan struct{})
	go func() {
		defer close(published)
		for ms := uint32(0); ; ms += 10 {
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond):
				p.send(ms, frame)
			}
		}
	}()
	defer func() { close(over); <-published }()

	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := rtmp.ServerHandshake(nc, rand.Reader, 0); err != nil {
		t.Fatal(err)
	}
	conn := rtmp.NewConn(nc, nil)
	if _, err := rtmp.Accept(conn, 4096); err != nil {
		t.Fatal(err)
	}
	begin, err := rtmp.Status("status", "NetStream.Publish.Start", "").Message(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(begin); err != nil {
		t.Fatal(err)
	}
	go func() {
		for n := uint32(0); conn.Write(rtmp.UserControl(rtmp.EventPingRequest, n)) == nil; n++ {
			time.Sleep(100 * time.Microsecond)
		}
	}()
	answers, frames := 0, 0
	for began := time.Now(); time.Since(began) < 2*time.Second; time.Sleep(2 * time.Millisecond) {
		ms, err := conn.ReadBatch()
		if err != nil {
			t.Fatalf("after %d frames and %d answers: %v", frames, answers, err)
		}
		for _, m := range ms {
			switch {
			case m.Type == rtmp.TypeUserControl:
				answers++
			case m.Type == rtmp.TypeVideo && len(m.Payload) == len(frame):
				frames++
				if !bytes.Equal(m.Payload, frame) {
					t.Fatalf("frame %d has something else in it", frames)
				}
			}
		}
	}
	if answers == 0 || frames < 20 {
		t.Errorf("%d frames, %d answers", frames, answers)
	}
}
