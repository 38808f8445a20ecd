package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A switch that is restarted has lost its table. Its rules are back with its connection, and a stream goes on.
func TestSwitchRestart(t *testing.T) {
	n := newLab(t).single(1)
	d := n.daemon(bypassConfig)
	d.connected("1")
	n.servers()
	d.healthy("hb-relay")
	p := n.publish(16)
	v := n.viewers[0].watch(cdnURL)
	v.plays(30)

	_ = n.vswitchd.stop(syscall.SIGTERM)
	d.connected("0")
	n.startVswitchd()
	d.connected("1")
	await(t, "the session's rules are back", 2*time.Second, func() bool {
		there, back := n.redirects(n.viewers[0])
		return len(there) == 1 && len(back) == 1
	})
	had := len(v.frames())
	await(t, "the stream goes on", 4*time.Second, func() bool { return len(v.frames()) > had }) // TCP tries again at its own pace
	v.sawAll(p.finish(20 * time.Second))
}

// In a ring of switches a broadcast reaches every host once, and a cut link is routed around.
func TestRing(t *testing.T) {
	l := newLab(t)
	switches := []*vswitch{l.vswitch("s1"), l.vswitch("s2"), l.vswitch("s3")}
	direct, _ := l.link(switches[0], switches[1])
	l.link(switches[1], switches[2])
	l.link(switches[2], switches[0])
	var hosts []*host
	for i, s := range switches {
		hosts = append(hosts, l.host(fmt.Sprintf("h%d", i+1), fmt.Sprintf("10.0.0.%d", i+1), s))
	}
	d := l.daemon(directConfig)
	d.connected("3")
	await(t, "the links are found", 15*time.Second, func() bool { return len(d.list("/v1/links")) == 6 })
	hosts[0].mustPing(hosts[1])
	hosts[0].mustPing(hosts[2])

	var heard []*process
	for _, h := range hosts[1:] {
		heard = append(heard, h.start("tcpdump", "-l", "-n", "-i", "eth0", "icmp and ether broadcast"))
		await(t, "tcpdump listens", 5*time.Second, func() bool { return strings.Contains(heard[len(heard)-1].output(), "listening") })
	}
	_, _ = tryRun(hosts[0].command("ping", "-b", "-n", "-q", "-i", "0.2", "-W", "1", "-c", "5", "10.0.0.255")) // nobody answers
	time.Sleep(300 * time.Millisecond)
	for i, p := range heard {
		if got := strings.Count(p.output(), "ICMP echo request"); got != 5 {
			t.Errorf("h%d heard %d broadcasts, want each of 5 once", i+2, got)
		}
	}

	way := func() []flow { return switches[0].find("dl_src="+hosts[0].mac, "dl_dst="+hosts[1].mac) }
	if rules := way(); len(rules) != 1 || !rules[0].has(fmt.Sprintf("output:%d", direct)) {
		t.Fatalf("h1 does not reach h2 by the link that is to be cut: %v", rules)
	}
	lost := hosts[0].pingsWhile(hosts[1], 4*time.Second, func() {
		run(t, l.core.command("ip", "link", "set", "s1-s2", "down"))
	})
	if lost >= time.Second {
		t.Errorf("the cut cost %v of pings, want under a second", lost)
	}
	if rules := way(); len(rules) != 1 || rules[0].has(fmt.Sprintf("output:%d", direct)) {
		t.Errorf("h1 reaches h2 by the link that is cut: %v", rules)
	}
	t.Logf("the cut cost %v", lost)
}

// A host that moves to another switch is found there.
func TestHostMoves(t *testing.T) {
	l := newLab(t)
	s1, s2 := l.vswitch("s1"), l.vswitch("s2")
	l.link(s1, s2)
	a, b := l.host("a", "10.0.0.1", s1), l.host("b", "10.0.0.2", s1)
	d := l.daemon(directConfig)
	d.connected("2")
	await(t, "the link is found", 15*time.Second, func() bool { return len(d.list("/v1/links")) == 2 })
	a.mustPing(b)
	lost := b.pingsWhile(a, 4*time.Second, func() {
		l.vsctl("del-port", s1.name, b.far, "--", "add-port", s2.name, b.far)
	})
	if lost >= time.Second {
		t.Errorf("the move cost %v of pings, want under a second", lost)
	}
	if !slices.ContainsFunc(d.list("/v1/hosts"), func(h map[string]any) bool {
		at, _ := h["at"].(string)
		return h["ip"] == b.ip && strings.HasPrefix(at, s2.dpid)
	}) {
		t.Errorf("b is not on s2: %v", d.list("/v1/hosts"))
	}
	t.Logf("the move cost %v", lost)
}

// A second switch that claims the datapath id of one that is connected and alive is refused, and the first does not notice.
func TestSameDatapathID(t *testing.T) {
	n := newLab(t).single(1)
	d := n.daemon(directConfig)
	d.connected("1")
	n.viewers[0].mustPing(n.hb)
	var impostor *vswitch
	lost := n.viewers[0].pingsWhile(n.hb, 4*time.Second, func() {
		impostor = n.vswitch("s2")
		n.vsctl("set", "bridge", impostor.name, "other_config:datapath-id="+n.s1.dpid)
		await(t, "the impostor is refused", 10*time.Second, func() bool { return len(d.logged("switch refused")) > 0 })
	})
	if lost > 0 {
		t.Errorf("it cost the first switch's hosts %v of pings", lost)
	}
	if up := d.logged("switch down"); len(up) > 1 || len(up) == 1 && up[0]["dpid"] == n.s1.dpid {
		t.Errorf("the first switch went down: %v", up)
	}
}

// pingsWhile pings another host twenty times a second, has something done to the network meanwhile, and returns how long no
// answers came.
func (h *host) pingsWhile(to *host, whole time.Duration, do func()) (lost time.Duration) {
	h.lab.t.Helper()
	const every = 50 * time.Millisecond
	count := int(whole / every)
	p := h.start("ping", "-n", "-q", "-i", "0.05", "-W", "1", "-c", strconv.Itoa(count), to.ip)
	time.Sleep(whole / 4)
	do()
	if err := p.wait(2*whole + 5*time.Second); err != nil {
		h.lab.t.Fatal(err)
	}
	m := regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`).FindStringSubmatch(p.output())
	if m == nil {
		h.lab.t.Fatalf("not ping's words: %s", p.output())
	}
	sent, _ := strconv.Atoi(m[1])
	received, _ := strconv.Atoi(m[2])
	return time.Duration(sent-received) * every
}
