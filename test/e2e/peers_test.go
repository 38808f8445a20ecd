package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// relay starts the project's own relay on the host.
func (h *host) relay(args ...string) *process {
	h.lab.t.Helper()
	p := h.start(append([]string{binary, "relay", "--queue=10s"}, args...)...) // a player that the machine leaves waiting loses nothing
	h.listens(1935)
	return p
}

// With the project's own relay as the peer viewers come before the broadcaster or after, leave and come back, and a second
// stream needs nothing done.
func TestComeAndGo(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(2)
	d := n.daemon(bypassConfig)
	d.connected("1")
	n.hs.nginx("deploy/mininet/cdn.conf")
	n.hb.relay("--upstream", "rtmp://10.0.0.2/live", "--push", "rtmp://10.0.0.2/live")
	d.healthy("hb-relay")

	early := n.viewers[0].watch(cdnURL)
	await(t, "the early viewer is redirected", patience, func() bool {
		there, _ := n.redirects(n.viewers[0])
		return len(there) == 1
	})
	p := n.publish()
	early.plays(30)
	leaves := n.viewers[1].watch(cdnURL)
	leaves.plays(30)
	if err := leaves.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	back := n.viewers[1].watch(cdnURL)
	back.plays(30)
	second := n.hb.publish("rtmp://10.0.0.1/live/b")
	other := n.viewers[1].watch("rtmp://10.0.0.2/live/b")
	other.plays(30)

	for _, s := range d.list("/v1/sessions") {
		if client := fmt.Sprint(s["client"]); s["source"] != "hb-relay" && client[:len(n.hb.ip)] != n.hb.ip {
			t.Errorf("not served by the relay: %v", s)
		}
	}
	other.sawAll(second.finish(time.Second))
	sent := p.finish(0)
	early.sawAll(sent)
	back.sawAll(sent)
}

// A peer that vanishes without a word: its viewers' players are told at once, and whoever comes next is served elsewhere.
func TestPeerVanishes(t *testing.T) {
	n := newLab(t).single(2)
	edge := n.host("edge", "10.0.0.9", n.s1)
	d := n.daemon(`
policy: bypass
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
peers:
  - {name: edge, address: 10.0.0.9, port: 1935}
bypass: {strategy: nearest}
`)
	d.connected("1")
	n.hs.nginx("deploy/mininet/cdn.conf")
	edge.nginx("deploy/peer/nginx.conf")
	d.healthy("edge")
	p := n.hs.publish(cdnURL) // on the CDN's own host: a broadcaster elsewhere would be served by the peer as well
	first := n.viewers[0].watch(cdnURL)
	first.plays(30)

	run(t, n.core.command("ip", "link", "set", edge.far, "down"))
	if err := first.wait(time.Second); err != nil {
		t.Errorf("a viewer of the vanished peer was not told within a second: %v", err)
	}
	next := n.viewers[1].watch(cdnURL)
	next.plays(30)
	if there := n.s1.find("nw_src="+n.viewers[1].ip, "mod_nw_dst:"+edge.ip); len(there) > 0 {
		t.Errorf("the next viewer is sent to the vanished peer: %v", there)
	}
	next.sawAll(p.finish(time.Second))
}

// A peer that vanishes while nobody is in control: the next daemon never hears of it, and has its viewers' players end for all that.
func TestPeerVanishesUnseen(t *testing.T) {
	n := newLab(t).single(2)
	d, _, first := n.playing()

	_ = d.stop(syscall.SIGKILL)
	run(t, n.core.command("ip", "link", "set", n.hb.far, "down"))
	d = n.daemon(bypassConfig)
	d.connected("1")
	if err := first.wait(15 * time.Second); err != nil {
		t.Errorf("a viewer of the vanished peer was not told: %v", err)
	}
	if n := d.bySource()["hb-relay"]; n > 0 {
		t.Errorf("%d sessions are with the dead peer", n)
	}
}
