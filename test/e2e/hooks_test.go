package e2e

import (
	"testing"
	"time"
)

// A stream published to an nginx-rtmp host that posts its callbacks is served from there, and taken from there by the other
// such host: the CDN gets its copy and gives none.
func TestHooksOfPublisher(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(2)
	edge := n.host("edge", "10.0.0.9", n.s1)
	n.manage(n.hb, edge)
	d := n.daemon(`
policy: bypass
http: 0.0.0.0:9653
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
peers:
  - {name: hb-relay, address: 10.0.0.1, port: 1935, max_viewers: 60} # the copies that the CDN and edge have from it are room taken
  - {name: edge, address: 10.0.0.9, port: 1935, max_viewers: 20}
bypass: {strategy: least-loaded, margin: 100ms}
`)
	d.connected("1")
	n.hs.nginx("deploy/mininet/cdn.conf")
	for name, h := range map[string]*host{"hb-relay": n.hb, "edge": edge} {
		h.nginx("deploy/peer/nginx-hooks.conf")
		d.healthy(name)
	}
	took, gave := n.hs.received(), n.hs.sent()
	p := n.publish()
	awaitSeen(t, "the CDN has the stream", patience, func() (any, bool) { // nginx-rtmp calls it once the stream is here, and begins at a keyframe
		got := n.hs.received() - took
		return got, got > 30_000
	})
	took, begun := n.hs.received(), p.size()
	var playing []*viewer
	for _, h := range n.viewers {
		v := h.watch(cdnURL)
		v.plays(15)
		playing = append(playing, v)
	}

	if got := d.bySource(); got["hb-relay"] != 1 || got["edge"] != 1 {
		t.Errorf("viewers by source: %v, want one of each peer", got)
	}
	if from := d.copiesOf("a"); from["edge"] != "hb-relay" {
		t.Errorf("the edge has the stream from %q, want hb-relay; all: %v", from["edge"], from)
	}
	if who := d.publisherOf("a", "hb-relay"); who != n.hb.ip {
		t.Errorf("hb-relay has the stream of publisher %q, want %s", who, n.hb.ip)
	}
	sent := p.finish(2 * time.Second)
	for _, v := range playing {
		v.sawAll(sent)
	}
	carried(t, "the line to the CDN", n.hs.received()-took, p.size()-begun, 1)
	if out := n.hs.sent() - gave; out > p.size()/5 {
		t.Errorf("the CDN gave %d bytes, want next to nothing", out)
	}
	await(t, "the stream is known to have ended", patience, func() bool { return d.publisherOf("a", "hb-relay") == "" })
}

// publisherOf is who publishes a stream to a source, "" for nobody.
func (d *daemon) publisherOf(key, at string) string {
	d.t.Helper()
	for _, s := range d.list("/v1/streams") {
		for _, c := range s["copies"].([]any) {
			if c := c.(map[string]any); s["key"] == key && c["at"] == at && c["published"] == true {
				return c["publisher"].(string)
			}
		}
	}
	return ""
}
