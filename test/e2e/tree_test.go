package e2e

import (
	"fmt"
	"testing"
	"time"
)

// treeConfig has a peer on each of three switches in a row, each with so much room.
const treeConfig = `
policy: bypass
http: 0.0.0.0:9653
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
peers:
  - {name: p1, address: 10.0.0.11, port: 1935, max_viewers: %[1]d}
  - {name: p2, address: 10.0.0.12, port: 1935, max_viewers: %[1]d}
  - {name: p3, address: 10.0.0.13, port: 1935, max_viewers: %[1]d}
bypass: {strategy: least-loaded, margin: 500ms}
`

// nginx-rtmp hosts that only post their callbacks form a tree three deep, as each has room for two, one viewer and one relay:
// the CDN's line carries one copy, and so does that of each peer but for its own viewers.
func TestTreeOfCallbacks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.tree(2, func(_ *daemon, h *host) { h.nginx("deploy/peer/nginx-hooks.conf") })
}

// The project's own relays, which ask for an upstream, form the same tree with any room: each takes the stream from the nearest.
func TestTreeOfRelays(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.tree(100, func(d *daemon, h *host) {
		h.relay("--controller", "http://"+daemonAddress+":9653", "--name", h.name, "--advertise", h.ip)
		d.registered(h.name)
	})
}

// tree lets peers serve a row of switches, each a slow link farther from the CDN than the one before it.
func (l *lab) tree(room int, serve func(*daemon, *host)) {
	t := l.t
	t.Helper()
	const delay = 15 * time.Millisecond
	s := []*vswitch{l.vswitch("s0"), l.vswitch("s1"), l.vswitch("s2"), l.vswitch("s3")}
	for i := range 3 {
		l.slowLink(s[i], s[i+1], delay)
	}
	cdn := l.host("hs", "10.0.0.2", s[0])
	var peers, viewers []*host
	for i := 1; i <= 3; i++ {
		peers = append(peers, l.host(fmt.Sprintf("p%d", i), fmt.Sprintf("10.0.0.%d", 10+i), s[i]))
		for j := range 2 {
			viewers = append(viewers, l.host(fmt.Sprintf("v%d%d", i, j), fmt.Sprintf("10.0.0.%d", 10+10*i+j), s[i]))
		}
	}
	l.manage(peers...)
	d := l.daemon(fmt.Sprintf(treeConfig, room))
	d.connected("4")
	d.linkedBy(6, delay)
	cdn.nginx("deploy/mininet/cdn.conf")
	for _, p := range peers {
		serve(d, p)
	}
	for _, p := range peers {
		d.healthy(p.name)
		d.measured(p)
	}

	p := cdn.publish(cdnURL)
	var playing []*viewer
	for i, want := range []string{"p1", "p2", "p3"} {
		v := viewers[2*i].watch(cdnURL)
		v.plays(5)
		playing = append(playing, v)
		if got := d.sourceOf(viewers[2*i]); got != want {
			t.Errorf("%s is served by %q, want %s", viewers[2*i].name, got, want)
		}
	}
	second := viewers[5].watch(cdnURL) // the second player of the stream anywhere
	second.plays(5)
	playing = append(playing, second)

	var gave []uint64
	for _, h := range append([]*host{cdn}, peers...) {
		gave = append(gave, h.sent())
	}
	begun := p.size()
	copies := d.copiesOf("a")
	for at, want := range map[string]string{"p1": "cdn", "p2": "p1", "p3": "p2"} {
		if copies[at] != want {
			t.Errorf("%s has the stream from %q, want %s; all: %v", at, copies[at], want, copies)
		}
	}
	for at := range copies {
		for i, up := 0, at; up != "cdn"; i++ {
			if up = copies[up]; up == "" || i > len(copies) {
				t.Errorf("%s does not have the stream from the CDN: %v", at, copies)
				break
			}
		}
	}
	sent := p.finish(4 * time.Second)
	for _, v := range playing {
		v.sawAll(sent)
	}
	counts := map[string]float64{"hs": 1, "p1": 2, "p2": 2, "p3": 1}
	counts[d.sourceOf(second.host)]++
	for i, h := range append([]*host{cdn}, peers...) {
		carried(t, "the line of "+h.name, h.sent()-gave[i], p.size()-begun, counts[h.name])
	}
}

// copiesOf is which source each source has a stream from.
func (d *daemon) copiesOf(key string) map[string]string {
	d.t.Helper()
	from := make(map[string]string)
	for _, s := range d.list("/v1/streams") {
		if s["key"] != key {
			continue
		}
		for _, c := range s["copies"].([]any) {
			c := c.(map[string]any)
			if up, ok := c["from"].(string); ok {
				from[c["at"].(string)] = up
			}
		}
	}
	return from
}
