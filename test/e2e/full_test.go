package e2e

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// A switch's table is full of the rules of host pairs when a viewer dials. The switch refuses his rules; pairs make room, and
// he goes to the service's own node at once. The next viewer, for whom there is room, goes to the peer again.
func TestTableFull(t *testing.T) {
	n := newLab(t).single(4)
	names := func(name byte) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := c.Write([]byte{name}); err == nil {
				_, _ = c.Read(make([]byte, 1))
			}
		}
	}
	n.hb.accepts(1935, names('p'))
	n.hs.accepts(1935, names('c'))
	d := n.daemon(bypassConfig)
	d.connected("1")
	d.healthy("hb-relay")
	for i, v := range n.viewers {
		v.mustPing(n.viewers[(i+1)%len(n.viewers)])
		v.mustPing(n.hs)
		v.mustPing(n.hb)
	}
	rules := len(n.s1.flows())
	n.vsctl("--", "--id=@full", "create", "Flow_Table", fmt.Sprintf("flow_limit=%d", rules), "overflow_policy=refuse",
		"--", "set", "bridge", n.s1.name, "flow_tables:0=@full")

	dialled := time.Now()
	by, err := n.viewers[0].servedBy(t, "10.0.0.2:1935")
	if took := time.Since(dialled); err != nil || by != 'c' || took > 500*time.Millisecond {
		t.Errorf("the first viewer is served by %c after %v (%v), want c for the CDN, at once", by, took, err)
	}
	if source := d.sourceOf(n.viewers[0]); source != "cdn" {
		t.Errorf("his source is %q", source)
	}
	if there, back := n.redirects(n.viewers[0]); len(there)+len(back) > 0 {
		t.Errorf("left of the decision that was given up: %v %v", there, back)
	}
	refused, _ := d.metric(t, `ofctl_flow_errors_total{kind="session"}`)
	if refused != "2" {
		t.Errorf("%s rules of sessions were refused, want 2: the way back and the way there", refused)
	}
	if len(d.logged("rules of host pairs make room")) == 0 {
		t.Error("nobody is told that pairs make room")
	}
	by, err = n.viewers[1].servedBy(t, "10.0.0.2:1935")
	if err != nil || by != 'p' {
		t.Errorf("the next viewer is served by %c (%v), want p for the peer", by, err)
	}
	if now := len(n.s1.flows()); now > rules {
		t.Errorf("%d rules, more than the %d there may be", now, rules)
	}
	n.viewers[2].mustPing(n.viewers[3]) // those that made room go on by the controller
	if again, _ := d.metric(t, `ofctl_flow_errors_total{kind="session"}`); again != refused {
		t.Errorf("%s refused by now: it is tried again and again", again)
	}
}
