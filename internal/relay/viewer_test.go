package relay

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// TestOnePokeIsEnough pokes a viewer once that has more before it than one batch holds, in a stream that goes on and in one
// that has ended. Nobody pokes it again, so what that leaves out would never come.
func TestOnePokeIsEnough(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	for name, ended := range map[string]bool{"the stream goes on": false, "the stream has ended": true} {
		t.Run(name, func(t *testing.T) {
			r, err := New(Options{Log: log})
			if err != nil {
				t.Fatal(err)
			}
			const frames = maxBatchEntries + 44
			now := time.Now()
			s := newStream(r, streamID{"live", "a"}, now)
			for i := range frames {
				m := (origin{}).message(2 * i)
				role := rtmp.RoleFrame
				if i == 0 {
					role = rtmp.RoleKey
				}
				s.window.append(m, role, now)
			}
			client, server := loopback(t, net.Dialer{})
			v := newViewer(r.o, server, rtmp.NewConn(server, nil), rtmp.Request{StreamID: servedStream}, nil)
			v.stream = s
			if !s.addViewer(v) {
				t.Fatal("the stream takes no viewer")
			}
			s.ended = ended
			v.poke(now)
			r.work.Wait()

			_ = client.SetReadDeadline(time.Now().Add(5 * time.Second))
			conn := rtmp.NewConn(client, nil)
			got := 0
			for ; ended || got < frames; got++ {
				if _, err := conn.Next(); err != nil {
					if !ended || got <= frames {
						t.Errorf("%d of %d messages came, then: %v", got, frames, err)
					}
					return
				}
			}
		})
	}
}
