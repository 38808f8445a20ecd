package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// A broadcaster dials the CDN with plain ffmpeg. The peer on its own edge is not configured to take publishers, though it would:
// ffmpeg is made to fail before its stream is over, and nobody takes the peer for the stream's. From then on the controller knows
// what the broadcaster is, and sends it to the one that takes them, which has registered by itself: on the other edge, farther than
// the first and than the CDN. That one pushes the stream to the CDN and serves the viewers near it; those of the broadcaster's edge
// are served by their own peer, which pulls it from the CDN once.
func TestIngest(t *testing.T) {
	t.Parallel()
	f := newLab(t).fabric(15 * time.Millisecond)
	p1, p2 := f.host("p1", "10.0.0.11", f.edges[0]), f.host("p2", "10.0.0.12", f.edges[1])
	hb := f.host("hb", "10.0.0.31", f.edges[1])
	var viewers []*host
	for i := range 4 {
		viewers = append(viewers, f.host(fmt.Sprintf("v%d", i+1), fmt.Sprintf("10.0.0.%d", 21+i), f.edges[i/2]))
	}
	f.manage(p1)
	d := f.daemon(`
policy: bypass
http: 0.0.0.0:9653
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
peers:
  - {name: p2, address: 10.0.0.12, port: 1935}
bypass: {margin: 25ms} # more than a link: p1 is that much farther from hb than the CDN
`)
	f.cdn.nginx("deploy/mininet/cdn.conf")
	unasked := p2.relay("--upstream", "rtmp://10.0.0.2/live")
	d.healthy("p2")
	d.measured(p2)
	refused := hb.start("ffmpeg", "-nostdin", "-loglevel", "warning", "-re", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=30:duration=10",
		"-c:v", "libx264", "-preset", "ultrafast", "-f", "flv", cdnURL)
	if err := refused.wait(patience); err != nil || refused.err == nil {
		t.Fatalf("p2 takes no publishers, and ffmpeg ended with: %v %v", err, refused.err)
	}
	await(t, "p2 is rid of it as well", 2*time.Second, func() bool { return strings.Contains(unasked.output(), "publisher lost") })
	if live := d.list("/v1/streams"); len(live) > 0 {
		t.Errorf("of a stream that nobody is to have there is known: %v", live)
	}
	p1.relay("--controller", "http://"+daemonAddress+":9653", "--name", "p1", "--advertise", p1.ip,
		"--push", "rtmp://10.0.0.2/live", "--ingest")
	d.registered("p1")
	d.measured(p1)

	took := f.cdn.received()
	p := hb.publish(cdnURL)
	onCDN := f.cdn.watch("rtmp://127.0.0.1/live/a")
	var playing []*viewer
	for _, edge := range [][]*host{viewers[:2], viewers[2:]} {
		for _, h := range edge {
			playing = append(playing, h.watch(cdnURL))
		}
		for _, v := range playing {
			v.plays(15)
		}
	}
	gave, begun := f.cdn.sent(), p.size()

	for i, want := range []string{"p1", "p1", "p2", "p2"} {
		if got := d.sourceOf(viewers[i]); got != want {
			t.Errorf("%s is served by %q, want %s", viewers[i].name, got, want)
		}
	}
	want := map[string]string{"p1": "published by 10.0.0.31, 2 viewers", "p2": "from cdn, 2 viewers"}
	awaitSeen(t, "the stream is known, and its viewers, whom p1 counts itself", patience, func() (any, bool) {
		live, got := d.list("/v1/streams"), make(map[string]string)
		if len(live) != 1 || live[0]["app"] != "live" || live[0]["key"] != "a" || live[0]["service"] != "cdn" {
			return live, false
		}
		for _, c := range live[0]["copies"].([]any) {
			c := c.(map[string]any)
			from := fmt.Sprintf("from %v", c["from"])
			if c["published"] == true {
				from = fmt.Sprintf("published by %v", c["publisher"])
			}
			got[c["at"].(string)] = fmt.Sprintf("%s, %v viewers", from, c["viewers"])
		}
		return got, maps.Equal(got, want)
	})
	sessions := d.list("/v1/sessions")
	for _, h := range append(viewers, hb) {
		if !slices.ContainsFunc(sessions, func(s map[string]any) bool {
			return strings.HasPrefix(s["client"].(string), h.ip+":") && s["stream"] == "live/a" && s["publish"] == (h == hb)
		}) {
			t.Errorf("no session tells what %s does: %v", h.name, sessions)
		}
	}
	sent := p.finish(3 * time.Second)
	for _, v := range append(playing, onCDN) {
		v.sawAll(sent)
	}
	carried(t, "the line to the CDN", f.cdn.received()-took, p.size(), 1)
	carried(t, "the line from the CDN", f.cdn.sent()-gave, p.size()-begun, 1)
}
