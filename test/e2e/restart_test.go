package e2e

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	tickService = "10.0.0.2:1935"
	halt        = 500 * time.Millisecond // without a tick: what TCP makes of more than one packet lost in a row
)

// ticking is a network whose service and peer send ticks, with one viewer who watches.
func ticking(t *testing.T, viewers int) (*network, *daemon, *ticker) {
	t.Helper()
	n := newLab(t).single(viewers)
	n.hs.accepts(1935, sendTicks)
	n.hb.accepts(1935, sendTicks)
	d := n.daemon(bypassConfig)
	d.connected("1")
	d.healthy("hb-relay")
	w := n.viewers[0].watchTicks(tickService)
	n.redirected(n.viewers[0])
	return n, d, w
}

// What the daemon's death and return mean on the wire: the stream does not halt, the switch is sent nothing about its
// session, and the next viewer has his first byte within a second of the switch's return.
func TestKillUnseen(t *testing.T) {
	n, d, w := ticking(t, 2)
	snoop := start(t, n.dir, "snoop", n.ovs("ovs-ofctl", "snoop", n.s1.name))
	time.Sleep(200 * time.Millisecond)

	_ = d.stop(syscall.SIGKILL)
	time.Sleep(500 * time.Millisecond) // with nobody in control
	d = n.daemon(bypassConfig)
	d.connected("1")
	up := time.Now()
	sent, _ := d.metric(t, "ofctl_flow_mods_total")
	second := n.viewers[1].watchTicks(tickService)
	await(t, "the new viewer is served", patience, func() bool { _, ok := second.since(up); return ok })
	first, _ := second.since(up)
	if took := first.Sub(up); took > time.Second {
		t.Errorf("the new viewer was served %v after the switch was back", took)
	} else {
		t.Logf("the new viewer was served after %v; flow mods before him: %s", took.Round(time.Millisecond), sent)
	}

	mods := func(viewer *host) (found []string) {
		for line := range strings.Lines(snoop.output()) {
			if strings.Contains(line, "OFPT_FLOW_MOD") && (strings.Contains(line, "nw_src="+viewer.ip+",") || strings.Contains(line, "nw_dst="+viewer.ip+",")) {
				found = append(found, strings.TrimSpace(line))
			}
		}
		return found
	}
	await(t, "the new viewer's rules are seen", patience, func() bool { return len(mods(n.viewers[1])) >= 2 })
	if told := mods(n.viewers[0]); len(told) > 0 {
		t.Errorf("the switch was told of the session that went on:\n%s", strings.Join(told, "\n"))
	}
	if gap := w.sound(t); gap > halt {
		t.Errorf("the stream halted for %v", gap)
	} else {
		t.Logf("longest time without a tick: %v of %v", gap.Round(time.Millisecond), tick)
	}
	second.sound(t)
}

// A switch whose table is lost has its rules and its streams back within two seconds of its return.
func TestSwitchRestartTimely(t *testing.T) {
	n, d, w := ticking(t, 1)
	before := n.wished()
	n.restartsTimely(d, func(up time.Time) func() bool {
		return func() bool { _, ok := w.since(up); return ok }
	})
	if after := n.wished(); len(before) < 7 || !slices.Equal(after, before) {
		t.Errorf("rules before:\n%v\nafter:\n%v", before, after)
	}
	w.sound(t)
}

// retry is how long after its return a TCP connection may leave a way untried that was cut for so long: it doubles its pauses.
func retry(away time.Duration) time.Duration { return away + 500*time.Millisecond }

// wished are the rules that the daemon keeps in the first switch's table: all but those of pairs of hosts, which come and go.
func (n *network) wished() []flow {
	return sorted(slices.DeleteFunc(n.s1.flows(), func(f flow) bool { return f.has("priority=10000") }))
}

// Whoever claims a connected switch's datapath id, again and again, is refused each time, and the switch does not notice.
func TestImpostors(t *testing.T) {
	n, d, w := ticking(t, 1)
	id, err := strconv.ParseUint(n.s1.dpid, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := d.metric(t, "ofctl_flow_mods_total")
	for i := range 20 {
		r, err := d.rogue()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.shakeHands(ofproto.DPID(id)); err != nil {
			t.Fatalf("impostor %d: %v", i, err)
		}
		if _, _, err := r.await(ofproto.TypeFlowMod); err == nil {
			t.Errorf("impostor %d was sent a flow mod", i)
		}
		r.Close()
	}
	if got, _ := d.metric(t, `ofctl_handshakes_total{result="duplicate"}`); got != "20" {
		t.Errorf("%s connections were refused as duplicates, want 20", got)
	}
	if got := d.logged("switch down"); len(got) > 0 {
		t.Errorf("a switch went down: %v", got)
	}
	if after, _ := d.metric(t, "ofctl_flow_mods_total"); after != before {
		t.Errorf("flow mods went from %s to %s", before, after)
	}
	if gap := w.sound(t); gap > halt {
		t.Errorf("the stream halted for %v", gap)
	}
}
