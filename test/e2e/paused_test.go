package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// The daemon is stopped for twenty seconds in the middle of a stream, as where its machine is starved or moved. It takes its own
// absence for nobody else's: no viewer is reset, no link is lost, no switch is given up. So it is with switches that wait for it,
// and with those that close such a connection themselves and come back.
func TestPaused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		probe int // milliseconds after which a switch asks for a sign of life
		quiet []string
	}{
		{"switches that wait", 60_000, []string{"switch down", "switch does not answer", "switch does not confirm", "no answer to a challenge"}},
		{"switches that do not", 5000, []string{"switch does not answer", "switch does not confirm"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			var s [3]*vswitch
			for i := range s {
				s[i] = l.vswitch(fmt.Sprintf("s%d", i+1))
			}
			l.link(s[0], s[1])
			l.link(s[1], s[2])
			v1, v2 := l.host("hv1", "10.0.0.3", s[0]), l.host("hv2", "10.0.0.4", s[0])
			hb, hs := l.host("hb", "10.0.0.1", s[1]), l.host("hs", "10.0.0.2", s[2])
			d := l.daemon(bypassConfig)
			d.connected("3")
			for i := range s { // Open vSwitch 3.1 heeds it on a connection that is up, and on none that it makes later
				l.vsctl("set", "controller", s[i].name, fmt.Sprintf("inactivity_probe=%d", tt.probe))
			}
			d.linked(4)
			hs.nginx("deploy/mininet/cdn.conf")
			hb.nginx("deploy/peer/nginx.conf")
			d.healthy("hb-relay")
			p := hb.publish("rtmp://10.0.0.1/live/a")
			one := v1.watch(cdnURL)
			one.plays(30)
			if got := d.sourceOf(v1); got != "hb-relay" {
				t.Fatalf("served by %q", got)
			}

			lines := append(tt.quiet, "link down", "peer is unwell", "session reset", "viewers of a dead peer are reset")
			before := make(map[string]int)
			for _, line := range lines {
				before[line] = len(d.logged(line))
			}
			_ = d.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(20 * time.Second)
			_ = d.cmd.Process.Signal(syscall.SIGCONT)
			d.connected("3")
			time.Sleep(17 * time.Second) // in which whoever is believed to be dead would be given up
			for _, line := range lines {
				if found := d.logged(line)[before[line]:]; len(found) != 0 {
					t.Errorf("after the pause: %v", found)
				}
			}
			if got := d.list("/v1/links"); len(got) != 4 {
				t.Errorf("%d links are known, want 4: %v", len(got), got)
			}
			two := v2.watch(cdnURL)
			two.plays(30)
			if a, b := d.sourceOf(v1), d.sourceOf(v2); a != "hb-relay" || b != "hb-relay" {
				t.Errorf("served by %q and %q, want the relay", a, b)
			}
			sent := p.finish(2 * time.Second)
			one.sawAll(sent)
			two.sawAll(sent)
		})
	}
}
