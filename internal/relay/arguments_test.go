package relay_test

import (
	"crypto/rand"
	"net"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/relay"
	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// asked is what one connection asked of a server.
func asked(t *testing.T, l net.Listener) rtmp.Request {
	t.Helper()
	if err := l.(*net.TCPListener).SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := rtmp.ServerHandshake(c, rand.Reader, 0); err != nil {
		t.Fatal(err)
	}
	req, err := rtmp.Accept(rtmp.NewConn(c, nil), 4096)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// TestArgumentsArePassedOn gives tokens in either place: behind the stream's name, and behind the application's, where some
// encoders' "server" field puts them. The server behind the relay gets both as they were.
func TestArgumentsArePassedOn(t *testing.T) {
	for _, tt := range []struct {
		name    string
		app     string // in the server's URL at the relay
		publish bool
		want    string
	}{
		{"pull", "", false, "live?auth=1"},
		{"pull from a named application", "/far", false, "far?auth=1"},
		{"pull with a token of the relay's own", "/far?auth=2", false, "far?auth=2"},
		{"push", "", true, "live?auth=1"},
		{"push to a named application", "/far", true, "far?auth=1"},
		{"push with a token of the relay's own", "/far?auth=2", true, "far?auth=2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			url := []string{"rtmp://" + l.Addr().String() + tt.app}
			o := relay.Options{Upstream: url}
			if tt.publish {
				o = relay.Options{Push: url}
			}
			r := startRelay(t, o)
			nc, _ := dialRTMP(t, r.address, &rtmp.Request{App: "live?auth=1", Key: "a?token=x&y=1", Publish: tt.publish})
			defer nc.Close()
			got := asked(t, l)
			if got.App != tt.want || got.Key != "a?token=x&y=1" || got.TcURL != "rtmp://"+l.Addr().String()+"/"+tt.want {
				t.Errorf("asked for %s at %s, by %s", got.Key, got.App, got.TcURL)
			}
		})
	}
}
