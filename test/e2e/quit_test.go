package e2e

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// soon is how long the session of a connection that has been closed may still be there: its rules expire 5 s after its last
// packet, of which the switch keeps account to within some seconds.
const soon = 10 * time.Second

// Players quit, as they should and by being killed. Their sessions and rules are gone within seconds, and their places at the
// peer are free; who goes on watching loses nothing.
func TestQuit(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(3)
	d := n.daemon(bypassConfig + "controller: {audit_interval: 1s}\n")
	d.connected("1")
	n.servers()
	d.healthy("hb-relay")
	p := n.publish()
	var all []*viewer
	for _, h := range n.viewers {
		v := h.watch(cdnURL)
		v.plays(15)
		all = append(all, v)
	}
	for i, how := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		h := n.viewers[i]
		_ = all[i].stop(how)
		quit := time.Now()
		await(t, h.name+"'s session is gone", soon, func() bool { return d.sourceOf(h) == "" })
		t.Logf("%v: gone after %v", how, time.Since(quit).Round(100*time.Millisecond))
		awaitSeen(t, fmt.Sprint(how, ": its rules are gone"), time.Second, func() (any, bool) {
			left := append(n.s1.find("tcp", "nw_src="+h.ip), n.s1.find("tcp", "nw_dst="+h.ip)...)
			return left, len(left) == 0
		})
	}
	if got, _ := d.metric(t, `ofctl_session_ends_total{reason="finished"}`); got != "2" {
		t.Errorf("%s sessions finished, want 2", got)
	}
	for _, peer := range d.list("/v1/peers") {
		if peer["viewers"] != 1.0 {
			t.Errorf("viewers counted: %v", peer)
		}
	}
	all[2].sawAll(p.finish(time.Second))
	if got, _ := d.metric(t, "ofctl_audit_repairs_total"); got != "" {
		t.Errorf("repairs: %s", got)
	}
}

// A viewer closes his own end only, and watches on: nothing of that is seen for as long as the stream goes on.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	n, d, w := ticking(t, 1)
	if err := w.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(soon)
	if gap := w.sound(t); gap > halt {
		t.Errorf("%v without a tick", gap)
	}
	if got := d.sourceOf(n.viewers[0]); got != "hb-relay" {
		t.Errorf("served by %q", got)
	}
	if _, still := w.since(time.Now().Add(-halt)); !still {
		t.Error("the stream has ended")
	}
	w.conn.Close()
	await(t, "the session is gone", soon, func() bool { return d.sourceOf(n.viewers[0]) == "" })
}
