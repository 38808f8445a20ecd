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

// A switch that is restarted has lost its table. Its rules are back with its connection, and a stream goes on within two seconds.
func TestSwitchRestart(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(1)
	d, p, v := n.playing()

	n.restartsTimely(d, func(time.Time) func() bool {
		awaitSeen(t, "the session's rules are back", onward, func() (any, bool) {
			there, back := n.redirects(n.viewers[0])
			return append(there, back...), len(there) == 1 && len(back) == 1
		})
		had := len(v.frames())
		return func() bool { return len(v.frames()) > had }
	})
	v.sawAll(p.finish(2 * time.Second))
}

// onward is how soon a stream goes on once its switch is connected again.
const onward = 2 * time.Second

// restartsTimely restarts the switches and wants the stream to go on in time from the moment of their connection, as goesOn, told
// that moment, has it. TCP doubles its pauses while a way is cut, and may leave it untried for as long again as it was: a restart
// that took so long that a stream could not go on in time tells nothing, and is done again.
func (n *network) restartsTimely(d *daemon, goesOn func(up time.Time) func() bool) {
	n.t.Helper()
	for try := 1; ; try++ {
		down := time.Now()
		_ = n.vswitchd.stop(syscall.SIGKILL)
		d.connected("0")
		n.startVswitchd()
		d.connected("1")
		up := time.Now()
		away := up.Sub(down)
		await(n.t, "the stream goes on", patience, goesOn(up))
		took := time.Since(up)
		n.t.Logf("switch away for %v; the stream went on %v later", away.Round(time.Millisecond), took.Round(time.Millisecond))
		switch {
		case took <= onward:
			return
		case try == 3 || retry(away) <= onward:
			n.t.Errorf("the stream went on %v after the switch was back, want %v", took, onward)
			return
		}
	}
}

// In a ring of switches a broadcast reaches every host once, and a cut link is routed around.
func TestRing(t *testing.T) {
	l := newLab(t)
	switches := []*vswitch{l.vswitch("s1"), l.vswitch("s2"), l.vswitch("s3")}
	links := make(map[int]string) // from the first switch, by port
	for i, s := range switches[1:] {
		port, _ := l.link(switches[0], s)
		links[port] = fmt.Sprintf("s1-s%d", i+2)
	}
	l.link(switches[1], switches[2])
	var hosts []*host
	for i, s := range switches {
		hosts = append(hosts, l.host(fmt.Sprintf("h%d", i+1), fmt.Sprintf("10.0.0.%d", i+1), s))
	}
	d := l.daemon(directConfig)
	d.connected("3")
	d.linked(6)
	hosts[0].mustPing(hosts[1])
	hosts[0].mustPing(hosts[2])

	var heard []*process
	for _, h := range hosts[1:] {
		heard = append(heard, h.start("tcpdump", "-l", "-n", "-i", "eth0", "icmp and ether broadcast"))
		await(t, "tcpdump listens", patience, func() bool { return strings.Contains(heard[len(heard)-1].output(), "listening") })
	}
	_, _ = tryRun(hosts[0].command("ping", "-b", "-n", "-q", "-i", "0.2", "-W", "1", "-c", "5", "10.0.0.255")) // nobody answers
	broadcasts := func(p *process) int { return strings.Count(p.output(), "ICMP echo request") }
	for i, p := range heard {
		awaitSeen(t, fmt.Sprintf("h%d has heard five broadcasts", i+2), patience, func() (any, bool) { return broadcasts(p), broadcasts(p) >= 5 })
	}
	time.Sleep(300 * time.Millisecond) // for any that come twice
	for i, p := range heard {
		if got := broadcasts(p); got != 5 {
			t.Errorf("h%d heard %d broadcasts, want each of 5 once", i+2, got)
		}
	}

	way := func() (port int) { // the link with the least delay, which need not be the direct one
		rules := switches[0].find("dl_src="+hosts[0].mac, "dl_dst="+hosts[1].mac)
		for p := range links {
			if len(rules) == 1 && rules[0].has(fmt.Sprintf("output:%d", p)) {
				return p
			}
		}
		t.Fatalf("h1 reaches h2 by no link: %v", rules)
		return 0
	}
	cut := way()
	hosts[0].keepsReaching(hosts[1], "the cut", func() {
		run(t, l.core.command("ip", "link", "set", links[cut], "down"))
	})
	if way() == cut {
		t.Errorf("h1 reaches h2 by %s, which is cut", links[cut])
	}
}

// A host that moves to another switch is found there, whether it goes on talking or is only talked to.
func TestHostMoves(t *testing.T) {
	l := newLab(t)
	s := [2]*vswitch{l.vswitch("s1"), l.vswitch("s2")}
	l.link(s[0], s[1])
	a, b := l.host("a", "10.0.0.1", s[0]), l.host("b", "10.0.0.2", s[0])
	d := l.daemon(directConfig)
	d.connected("2")
	d.linked(2)
	a.mustPing(b)
	for i, move := range []struct {
		what     string
		from, to *host
	}{{"the talker's move", b, a}, {"the silent one's move", a, b}} {
		at, next := s[i], s[1-i]
		move.from.keepsReaching(move.to, move.what, func() {
			l.vsctl("del-port", at.name, b.far, "--", "add-port", next.name, b.far)
		})
		if !slices.ContainsFunc(d.list("/v1/hosts"), func(h map[string]any) bool {
			port, _ := h["at"].(string)
			return h["ip"] == b.ip && strings.HasPrefix(port, next.dpid)
		}) {
			t.Errorf("b is not on %s: %v", next.name, d.list("/v1/hosts"))
		}
	}
}

// A second switch that claims the datapath id of one that is connected and alive is refused, and the first does not notice: its
// hosts go on finding each other, each pair for the first time, which takes the controller.
func TestSameDatapathID(t *testing.T) {
	n := newLab(t).single(8)
	d := n.daemon(directConfig)
	d.connected("1")
	await(t, "the switch asks the daemon", patience, func() bool { return len(n.s1.find("priority=0")) == 1 })
	hosts := append([]*host{n.hb, n.hs}, n.viewers...)
	asked := d.packetIns(t, n.s1)
	impostor, pairs := (*vswitch)(nil), 0
	for i, from := range hosts {
		if i == 2 {
			impostor = n.vswitch("s2")
			n.vsctl("set", "bridge", impostor.name, "other_config:datapath-id="+n.s1.dpid)
		}
		for _, to := range hosts[i+1:] {
			if err := from.pings(to, 1); err != nil {
				t.Errorf("%s does not reach %s: %v", from.name, to.name, err)
			}
			pairs++
		}
		if i == 2 {
			await(t, "the impostor is refused", patience, func() bool { return len(d.logged("switch refused")) > 0 })
		}
	}
	if asked = d.packetIns(t, n.s1) - asked; asked < 2*pairs {
		t.Errorf("%d packets of %d new pairs came to the controller", asked, pairs)
	}
	if up := d.logged("switch down"); len(up) > 1 || len(up) == 1 && up[0]["dpid"] == n.s1.dpid {
		t.Errorf("the first switch went down: %v", up)
	}
}

// keepsReaching wants the other host's answers to be missed for less than a second when something is done to the network.
func (h *host) keepsReaching(to *host, what string, do func()) {
	h.lab.t.Helper()
	lost := h.pingsWhile(to, 4*time.Second, do)
	if lost >= time.Second {
		h.lab.t.Errorf("%s cost %v of pings, want under a second", what, lost)
	}
	h.lab.t.Logf("%s cost %v", what, lost)
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
