package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SIGTERM ends the daemon with status 0, and every flow stays.
func TestTerminationLeavesFlows(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(1)
	d, p, v := n.playing()
	n.redirected(n.viewers[0])

	before := sessionRules(n)
	if err := d.stop(syscall.SIGTERM); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	if after := sessionRules(n); len(before) == 0 || !slices.Equal(before, after) {
		t.Errorf("rules before:\n%v\nafter:\n%v", before, after)
	}
	v.sawAll(p.finish(3 * time.Second))
}

// A daemon that is killed costs a running stream no frame. The next one finds the session in the switch's table: it
// rewrites none of its rules, and serves a new viewer at once.
func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(2)
	d, p, v := n.playing()
	n.redirected(n.viewers[0])
	before := sessionRules(n)

	_ = d.stop(syscall.SIGKILL)
	time.Sleep(time.Second) // of stream, with nobody in control
	started := time.Now()
	d = n.daemon(bypassConfig)
	d.connected("1")
	d.healthy("hb-relay")
	second := n.viewers[1].watch(cdnURL)
	second.plays(30)

	there, back := n.redirects(n.viewers[0])
	if after := append(there, back...); !slices.Equal(sorted(after), before) {
		t.Errorf("the session's rules before:\n%v\nafter:\n%v", before, after)
	}
	for _, age := range n.ages("nw_src=" + n.viewers[0].ip + ",nw_dst=" + n.hs.ip) {
		if age < time.Since(started) {
			t.Errorf("a rule of the session is %v old, younger than the daemon: it was written anew", age)
		}
	}
	if there, back := n.redirects(n.viewers[1]); len(there) != 1 || len(back) != 1 {
		t.Errorf("the new viewer has %d rules there and %d back, want 1 each", len(there), len(back))
	}
	sent := p.finish(2 * time.Second)
	v.sawAll(sent)
	second.sawAll(sent)
}

// What is wrong at the start is one line, and status 1.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.daemon(directConfig)
	out, err := l.core.command(binary, "--http", "").CombinedOutput()
	want := "ofctl-live: listen on 0.0.0.0:6653 for switches: the port is in use by another process\n"
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 || string(out) != want {
		t.Errorf("%v:\n%s\nwant status 1 and\n%s", err, out, want)
	}
}

// A switch that speaks another version is told so and refused; the others do not notice.
func TestOtherVersion(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(1)
	d := n.daemon(directConfig)
	d.connected("1")
	other := n.vswitch("s2")
	n.vsctl("set", "bridge", other.name, "protocols=OpenFlow13")
	await(t, "the daemon refuses it", patience, func() bool { return len(d.logged("switch refused")) > 0 })
	if got, _ := d.metric(t, "ofctl_switches_connected"); got != "1" {
		t.Errorf("%s switches are up, want 1", got)
	}
	n.viewers[0].mustPing(n.hb)
}

// sessionRules are the rules of connections to the service, in a stable order.
func sessionRules(n *network) []flow {
	return sorted(n.s1.find("priority=40000"))
}

func sorted(flows []flow) []flow {
	slices.Sort(flows)
	return flows
}

// ages are how long the rules whose match contains the text have been in the table.
func (n *network) ages(match string) []time.Duration {
	n.t.Helper()
	out := run(n.t, n.ovs("ovs-ofctl", "-O", "OpenFlow10", "--no-names", "dump-flows", n.s1.name, "tcp,"+match))
	var ages []time.Duration
	for line := range strings.Lines(out) {
		_, rest, ok := strings.Cut(line, "duration=")
		if !ok {
			continue
		}
		age, err := time.ParseDuration(rest[:strings.IndexByte(rest, ',')])
		if err != nil {
			n.t.Fatal(err)
		}
		ages = append(ages, age)
	}
	if len(ages) == 0 {
		n.t.Errorf("no rule for %s", match)
	}
	return ages
}

// A daemon is killed while the answer to a probe is on its way, and the service's host, which would end what that leaves at the
// peer, takes nothing of it. The next one finds the peer well all the same, and its viewer loses no frame.
func TestKilledWhileProbing(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(1)
	d, p, v := n.playing()
	ofctl := func(command string, args ...string) string {
		return run(t, n.ovs(append([]string{"ovs-ofctl", "-O", "OpenFlow10", command, n.s1.name}, args...)...))
	}
	answers := fmt.Sprintf("tcp,in_port=%d,tp_dst=61535", n.hb.port)
	ofctl("add-flow", fmt.Sprintf("cookie=1,priority=65535,tcp,in_port=%d,tp_src=61535,actions=drop", n.hs.port))
	ofctl("add-flow", "cookie=2,priority=65535,"+answers+",actions=drop")
	await(t, "an answer is lost", patience, func() bool {
		return !strings.Contains(ofctl("dump-aggregate", answers), "packet_count=0")
	})
	_ = d.stop(syscall.SIGKILL)
	ofctl("del-flows", "cookie=2/-1")
	if half := run(t, n.hb.command("ss", "-Htn", "state", "syn-recv", "dport", "=", "61535")); half == "" {
		t.Fatal("the peer has no half connection")
	}

	d = n.daemon(bypassConfig)
	d.connected("1")
	d.healthy("hb-relay")
	time.Sleep(7 * time.Second) // in which probes that go unanswered would tell
	if found := d.logged("peer is unwell"); len(found) != 0 {
		t.Error(found)
	}
	v.sawAll(p.finish(2 * time.Second))
}
