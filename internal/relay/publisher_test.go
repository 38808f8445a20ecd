package relay

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// TestDeafPublisher has a publisher send pings and read no answer. It is not waited for for ever, and its viewers' stream with it.
func TestDeafPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := logrus.New()
		log.SetOutput(io.Discard)
		r, err := New(Options{Log: log})
		if err != nil {
			t.Fatal(err)
		}
		r.ctx, r.cut = context.WithCancel(t.Context())
		defer r.cut()
		client, server := net.Pipe()
		defer client.Close()
		var left time.Time
		go func() {
			r.serve(server, netip.MustParseAddr("127.0.0.1"))
			left = time.Now()
			_ = server.Close()
		}()
		c2, err := rtmp.ClientHandshake(client, rand.Reader, 1)
		if err != nil {
			t.Fatal(err)
		}
		conn := rtmp.NewConn(client, c2)
		if err := rtmp.Open(conn, &rtmp.Request{Publish: true, App: "live", Key: "a"}, 4096); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if synctest.Wait(); !left.IsZero() {
			t.Fatal("it is sent away before it sends pings")
		}
		began := time.Now()
		for err == nil && time.Since(began) < time.Hour {
			_ = client.SetWriteDeadline(time.Now().Add(time.Minute))
			err = conn.Write(rtmp.UserControl(rtmp.EventPingRequest, 1))
		}
		if synctest.Wait(); left.IsZero() || left.Sub(began) > writeTimeout {
			t.Errorf("it is waited for %v", time.Since(began))
		}
	})
}
