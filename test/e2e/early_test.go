package e2e

import (
	"strings"
	"testing"
	"time"
)

// A viewer is there before the broadcaster, whom a peer at the other edge takes. The viewer's own peer waits for the stream
// at the CDN until the controller tells it, within a second, of the one where it is published: the CDN sends next to nothing.
func TestEarlyViewer(t *testing.T) {
	t.Parallel()
	const soon = time.Second
	f := newLab(t).fabric(15 * time.Millisecond)
	p1, p2 := f.host("p1", "10.0.0.11", f.edges[0]), f.host("p2", "10.0.0.12", f.edges[1])
	hb, v := f.host("hb", "10.0.0.31", f.edges[0]), f.host("v", "10.0.0.21", f.edges[1])
	f.manage(p1, p2)
	d := f.daemon(`
policy: bypass
http: 0.0.0.0:9653
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
bypass: {margin: 25ms}
`)
	f.cdn.nginx("deploy/mininet/cdn.conf")
	asks := func(h *host, args ...string) *process {
		return h.relay(append(args, "--controller", "http://"+daemonAddress+":9653", "--name", h.name, "--advertise", h.ip)...)
	}
	asks(p1, "--ingest", "--push", "rtmp://10.0.0.2/live")
	waits := asks(p2)
	d.registered("p1")
	d.registered("p2")
	d.measured(p1)
	d.measured(p2)
	early := v.watch(cdnURL)
	awaitSeen(t, "p2 waits for the stream at the CDN", patience, func() (any, bool) {
		got := d.copiesOf("a")
		return got, got["p2"] == "cdn"
	})
	time.Sleep(1500 * time.Millisecond) // until it has asked for something better too

	gave := f.cdn.sent()
	p := hb.publish(cdnURL)
	began := time.Now()
	await(t, "p2 has the stream from p1", patience, func() bool {
		return strings.Contains(waits.output(), `"source":"rtmp://10.0.0.11:1935/live"`)
	})
	if took := time.Since(began); took > soon {
		t.Errorf("p2 has the stream from p1 %v after it is on air, want at most %v", took, soon)
	} else {
		t.Logf("p2 has the stream from p1 %v after it is on air", took)
	}
	if got := d.sourceOf(hb); got != "p1" {
		t.Errorf("the publisher is served by %q, want p1", got)
	}
	early.plays(30)
	if got := d.copiesOf("a"); got["p2"] != "p1" {
		t.Errorf("p2 has the stream from %q, want p1: %v", got["p2"], got)
	}
	early.sawAll(p.finish(3 * time.Second))
	if sent := f.cdn.sent() - gave; sent > p.size()/10 { // acknowledgements of what p1 pushes, and handshakes
		t.Errorf("the CDN sent %d bytes, of a stream of %d, want none of it", sent, p.size())
	}
}
