package e2e

import (
	"testing"
	"time"
)

// A viewer's own machine is a peer. Its relay marks what it asks of the CDN, so that it is told from the player beside it,
// who dials the CDN and is served by that relay: out to the switch and back in by the same port. A neighbour is served by
// it too.
func TestOwnRelay(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(2)
	own, neighbour := n.viewers[0], n.viewers[1]
	d := n.daemon(`
policy: bypass
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
peers:
  - {name: own, address: 10.0.0.3, port: 1935, max_viewers: 4, upstream: "dscp:46"}
bypass: {strategy: nearest}
`)
	d.connected("1")
	n.hs.nginx("deploy/mininet/cdn.conf")
	own.relay("--upstream", "rtmp://10.0.0.2/live", "--dscp", "46")
	d.healthy("own")
	p := n.hs.publish(cdnURL)
	players := []*viewer{own.watch(cdnURL), neighbour.watch(cdnURL), own.dump(cdnURL)}
	for _, v := range players {
		v.plays(30)
	}
	before, begun := n.hs.sent(), p.size()

	if got := d.bySource(); got["own"] != 3 || got["cdn"] != 0 {
		t.Errorf("sessions by source: %v, want three of own", got)
	}
	for _, way := range []string{"tp_dst=1935", "tp_src=1935"} {
		turned := n.s1.find(way, "nw_src="+own.ip, "nw_dst="+n.hs.ip, "mod_nw_src:"+n.hs.ip, "mod_nw_dst:"+own.ip, "mod_dl_dst:"+own.mac, "IN_PORT")
		if len(turned) != 2 {
			t.Errorf("%d rules of %s turn the players' two connections around, want 2 in:\n%v", len(turned), way, n.s1.flows())
		}
	}
	if marked := n.s1.find("priority=50000", "nw_src="+own.ip, "nw_dst="+n.hs.ip, "nw_tos=184"); len(marked) != 1 {
		t.Errorf("%d rules let the relay's marked connection pass, want 1 in:\n%v", len(marked), n.s1.flows())
	}
	sent := p.finish(3 * time.Second)
	for _, v := range players {
		v.sawAll(sent)
	}
	carried(t, "the CDN's line", n.hs.sent()-before, p.size()-begun, 1)
}
