package e2e

import (
	"fmt"
	"testing"
	"time"
)

// A peer's host is gone from one moment to the next. Its viewers are told within a second, nobody else loses a frame, and
// whoever comes next is served by those that live: no rule and no session leads to the corpse.
func TestPeerKilled(t *testing.T) {
	f := newLab(t).fabric(0)
	p1, p2 := f.host("p1", "10.0.0.11", f.edges[0]), f.host("p2", "10.0.0.12", f.edges[1])
	var viewers []*host
	for i := range 8 {
		viewers = append(viewers, f.host(fmt.Sprintf("v%d", i+1), fmt.Sprintf("10.0.0.%d", 21+i), f.edges[i/2%2]))
	}
	d := f.daemon(`
policy: bypass
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
peers:
  - {name: p1, address: 10.0.0.11, port: 1935, max_viewers: 20}
  - {name: p2, address: 10.0.0.12, port: 1935, max_viewers: 20}
bypass: {strategy: least-loaded}
`)
	f.cdn.nginx("deploy/mininet/cdn.conf")
	relays := map[string]*process{}
	for _, h := range []*host{p1, p2} {
		relays[h.name] = h.relay("--upstream", "rtmp://10.0.0.2/live")
		d.healthy(h.name)
	}
	p := f.cdn.publish(cdnURL)
	served := make(map[string][]*viewer)
	for _, h := range viewers[:4] {
		v := h.watch(cdnURL)
		v.plays(15)
		source := d.sourceOf(h)
		served[source] = append(served[source], v)
	}
	if len(served["p1"]) != 2 || len(served["p2"]) != 2 {
		t.Fatalf("viewers by source: %v, want two each of p1 and p2", d.bySource())
	}

	run(t, f.core.command("ip", "link", "delete", p1.far)) // first of all, so that the relay's kernel cannot say farewell
	killed := time.Now()                                   // to delete a link takes the kernel its time
	_ = relays["p1"].cmd.Process.Kill()
	_ = p1.holder.cmd.Process.Kill() // the namespace ends with the last process in it
	for _, v := range served["p1"] {
		if err := v.wait(time.Second - time.Since(killed)); err != nil {
			t.Errorf("a viewer of the dead peer was not told within a second: %v", err)
		}
	}
	t.Logf("the dead peer's viewers ended after %v", time.Since(killed))
	var next []*viewer
	for i, h := range viewers[4:] {
		if i%2 == 0 {
			next = append(next, h.watch(cdnURL))
		} else {
			next = append(next, h.dump(cdnURL))
		}
	}
	for _, v := range next {
		v.plays(15)
	}
	for _, h := range viewers[4:] {
		if source := d.sourceOf(h); source != "p2" {
			t.Errorf("%s is served by %q, want p2", h.name, source)
		}
	}
	if n := d.bySource()["p1"]; n > 0 {
		t.Errorf("%d sessions are with the dead peer", n)
	}
	for _, s := range f.edges {
		for _, rule := range append(s.find("mod_nw_dst:"+p1.ip), s.find("nw_src="+p1.ip, "mod_nw_src:"+f.cdn.ip)...) {
			t.Errorf("%s still leads to the dead peer: %s", s.name, rule)
		}
	}
	sent := p.finish(2 * time.Second)
	for _, v := range served["p1"] {
		v.sawRun(sent)
	}
	for _, v := range append(served["p2"], next...) {
		v.sawAll(sent)
	}
}
