package e2e

import (
	"strings"
	"testing"
	"time"
)

func TestPing(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(1)
	d := n.daemon(directConfig)
	d.connected("1")
	n.viewers[0].mustPing(n.hb)
	n.viewers[0].mustPing(n.hs)
	for _, pair := range [][2]*host{{n.viewers[0], n.hb}, {n.hb, n.viewers[0]}} {
		if found := n.s1.find("priority=10000", "dl_src="+pair[0].mac, "dl_dst="+pair[1].mac); len(found) != 1 {
			t.Errorf("%d rules for %s to %s, want 1 in:\n%v", len(found), pair[0].name, pair[1].name, n.s1.flows())
		}
	}
	if hosts := d.list("/v1/hosts"); len(hosts) != 3 {
		t.Errorf("knows %d hosts, want 3: %v", len(hosts), hosts)
	}
}

// Under policy direct a stream reaches its viewers from the CDN, once for each of them, by rules that rewrite nothing.
func TestStreamDirect(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(2)
	d := n.daemon(directConfig)
	d.connected("1")
	n.servers()
	early := n.viewers[0].watch(cdnURL)
	p := n.publish()
	early.plays(30)
	late := n.viewers[1].watch(cdnURL)
	late.plays(30)

	for _, f := range n.s1.flows() {
		if strings.Contains(string(f), "mod_") {
			t.Errorf("a rule that rewrites: %s", f)
		}
	}
	for _, s := range d.list("/v1/sessions") {
		if s["source"] != "cdn" {
			t.Errorf("not served by the CDN: %v", s)
		}
	}
	sent := p.finish(2 * time.Second)
	early.sawAll(sent)
	late.sawAll(sent)
	if in, out := n.hs.received(), n.hs.sent(); float64(out) < 1.2*float64(in) {
		t.Errorf("the CDN took %d bytes and gave %d, want most of two copies of the stream", in, out)
	}
}

// Under policy bypass the same viewers, who dial the same address, are served by the relay, and the CDN's line carries the
// one copy that the broadcaster pushes.
func TestStreamBypass(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(2)
	d := n.daemon(bypassConfig)
	d.connected("1")
	n.servers()
	d.healthy("hb-relay")
	p := n.publish()
	viewers := []*viewer{n.viewers[0].watch(cdnURL), n.viewers[1].watch(cdnURL)}
	for _, v := range viewers {
		v.plays(30)
	}

	for _, h := range n.viewers {
		if there, back := n.redirects(h); len(there) != 1 || len(back) != 1 {
			t.Errorf("%s: %d rules there and %d back, want 1 each in:\n%v", h.name, len(there), len(back), n.s1.flows())
		}
	}
	sources := map[any]int{}
	for _, s := range d.list("/v1/sessions") {
		sources[s["source"]]++
	}
	if sources["hb-relay"] != 2 {
		t.Errorf("sessions by source: %v, want 2 of hb-relay", sources)
	}
	if got, _ := d.metric(t, `ofctl_sessions{policy="bypass",source="hb-relay"}`); got != "2" {
		t.Errorf("ofctl_sessions for hb-relay is %q, want 2", got)
	}
	d.lint()
	sent := p.finish(2 * time.Second)
	for _, v := range viewers {
		v.sawAll(sent)
	}
	if in, out := n.hs.received(), n.hs.sent(); out > in/5 {
		t.Errorf("the CDN took %d bytes and gave %d, want next to nothing", in, out)
	}
}

// A policy that is changed decides for new connections; those that play stay with their source.
func TestPolicyChange(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(2)
	_, p, first := n.playing()
	run(t, n.core.command(binary, "policy", "set", "direct"))
	second := n.viewers[1].watch(cdnURL)
	second.plays(30)

	if there, back := n.redirects(n.viewers[0]); len(there) != 1 || len(back) != 1 {
		t.Errorf("the running session has %d rules there and %d back, want 1 each", len(there), len(back))
	}
	if there, back := n.redirects(n.viewers[1]); len(there)+len(back) != 0 {
		t.Errorf("the new session is redirected: %v %v", there, back)
	}
	sent := p.finish(2 * time.Second)
	first.sawAll(sent)
	second.sawAll(sent)
}

// Where viewer and relay are on different switches, the viewer's own switch does all the rewriting, and the rest of the
// network sees an ordinary connection to the relay.
func TestBypassAcrossSwitches(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	n := &network{lab: l, s1: l.vswitch("s1")}
	s2, s3 := l.vswitch("s2"), l.vswitch("s3")
	l.link(n.s1, s2)
	l.link(s2, s3)
	n.hb, n.hs = l.host("hb", "10.0.0.1", s3), l.host("hs", "10.0.0.2", s2)
	viewer := l.host("hv1", "10.0.0.3", n.s1)
	d := l.daemon(bypassConfig)
	d.connected("3")
	d.linked(4)
	viewer.mustPing(n.hb)
	viewer.mustPing(n.hs)
	n.servers()
	d.healthy("hb-relay")
	p := n.publish()
	v := viewer.watch(cdnURL)
	v.plays(30)

	rewrites := []string{"mod_dl_dst:" + n.hb.mac, "mod_nw_dst:" + n.hb.ip}
	if found := n.s1.find(append(rewrites, "nw_src="+viewer.ip, "nw_dst="+n.hs.ip)...); len(found) != 1 {
		t.Errorf("%d rules at the viewer's switch send it to the relay, want 1 in:\n%v", len(found), n.s1.flows())
	}
	if found := n.s1.find("mod_nw_src:"+n.hs.ip, "mod_dl_src:"+n.hs.mac, "nw_src="+n.hb.ip, "nw_dst="+viewer.ip); len(found) != 1 {
		t.Errorf("%d rules at the viewer's switch bring the answers back, want 1 in:\n%v", len(found), n.s1.flows())
	}
	for _, s := range []*vswitch{s2, s3} {
		for _, f := range s.flows() {
			if strings.Contains(string(f), "mod_") {
				t.Errorf("%s rewrites: %s", s.name, f)
			}
		}
	}
	v.sawAll(p.finish(2 * time.Second))
}
