package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// crowdConfig has three peers on a fabric, of which the first has as much room as the other two. How far they are means
// nothing here, so the emptiest is chosen, and a relay takes a stream from another rather than from the CDN.
const crowdConfig = `
policy: bypass
http: 0.0.0.0:9653
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
peers:
  - {name: p1, address: 10.0.0.11, port: 1935, max_viewers: 40}
  - {name: p2, address: 10.0.0.12, port: 1935, max_viewers: 20}
  - {name: p3, address: 10.0.0.13, port: 1935, max_viewers: 20}
bypass: {strategy: least-loaded, margin: 500ms}
`

// Eight viewers over two edges and three peers watch two streams at once, some of them before the publishers are there.
// They spread by the peers' room, see every frame, and the CDN's line carries each stream once.
func TestCrowd(t *testing.T) {
	t.Parallel()
	f := newLab(t).fabric(0)
	peers := []*host{f.host("p1", "10.0.0.11", f.edges[0]), f.host("p2", "10.0.0.12", f.edges[1]), f.host("p3", "10.0.0.13", f.middle)}
	var viewers []*host
	for i := range 8 {
		viewers = append(viewers, f.host(fmt.Sprintf("v%d", i+1), fmt.Sprintf("10.0.0.%d", 21+i), f.edges[i%2]))
	}
	f.manage(peers...)
	d := f.daemon(crowdConfig)
	f.cdn.nginx("deploy/mininet/cdn.conf")
	for _, p := range peers {
		p.relay("--controller", "http://"+daemonAddress+":9653", "--name", p.name, "--advertise", p.ip)
	}
	for _, p := range peers {
		d.registered(p.name)
	}

	var playing []*viewer
	join := func(from, to int) {
		for i, h := range viewers[from:to] {
			url := []string{"rtmp://10.0.0.2/live/a", "rtmp://10.0.0.2/live/b"}[i/2%2] // each on both edges
			if i%4 == 1 || i%4 == 2 {
				playing = append(playing, h.dump(url))
			} else {
				playing = append(playing, h.watch(url))
			}
		}
	}
	join(0, 4)
	awaitSeen(t, "the early viewers are seated", patience, func() (any, bool) {
		got := d.list("/v1/sessions")
		return got, len(got) == 4
	})
	before := f.cdn.sent()
	a, b := f.cdn.publish("rtmp://10.0.0.2/live/a"), f.cdn.publish("rtmp://10.0.0.2/live/b")
	for _, v := range playing {
		v.plays(15)
	}
	join(4, 8)
	for _, v := range playing {
		v.plays(30)
	}

	// A stream that another relay has from a peer takes the place of a viewer there, but not before that relay's first viewer has
	// been decided: so the peers' rooms are as full as each other but for a place or two.
	all, least, most := 0.0, 1.0, 0.0
	for _, p := range d.list("/v1/peers") {
		viewers := p["viewers"].(float64)
		used := (viewers + p["relays"].(float64)) / p["max_viewers"].(float64)
		all, least, most = all+viewers, min(least, used), max(most, used)
	}
	if all != 8 || most-least > 2.0/20 {
		t.Errorf("%v viewers, by source: %v; the fullest peer's room is taken to %v, the emptiest's to %v", all, d.bySource(), most, least)
	}
	for _, key := range []string{"a", "b"} {
		if i := slices.IndexFunc(d.list("/v1/streams"), func(s map[string]any) bool { return s["key"] == key }); i < 0 {
			t.Errorf("stream %s is not listed: %v", key, d.list("/v1/streams"))
		}
	}
	sent := map[string][]string{"a": a.finish(2 * time.Second), "b": b.finish(0)}
	for i, v := range playing {
		v.sawAll(sent[[]string{"a", "b"}[i/2%2]])
	}
	carried(t, "the CDN's line", f.cdn.sent()-before, a.size()+b.size(), 1)
}
