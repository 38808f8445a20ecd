package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	keyEvery = 30 // frames, of which there are as many in a second
	// dialled is how long after the fault a keyframe of the next upstream may come and still be missed: the controller is asked
	// for it, it is called, and what it brings is compared with what is there.
	dialled = time.Second
	stall   = 2 * time.Second // how long a relay bears an upstream's silence, by default
	// goesOn is by how much a frame may come later to a viewer of the relay than to one of the upstream it turned to.
	goesOn = 500 * time.Millisecond
)

// An arrival is a frame as a viewer took it.
type arrival struct {
	hash string
	dts  int64 // milliseconds
	at   time.Time
}

// arrivals watches what some viewers take while something is done, and looks every 10 ms.
func arrivals(viewers []*viewer, do func()) [][]arrival {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	came, read := make([][]arrival, len(viewers)), make([]int64, len(viewers))
	for over := false; ; {
		for i, v := range viewers {
			came[i] = append(came[i], v.news(&read[i])...)
		}
		if over {
			return came
		}
		select {
		case <-done:
			over = true
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// news returns the frames that were written behind a place in the viewer's file, and moves that place.
func (v *viewer) news(read *int64) (all []arrival) {
	f, err := os.Open(v.file)
	if err != nil {
		return nil // it has not begun to play
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	n, _ := f.ReadAt(buf, *read)
	now := time.Now()
	for line := range strings.Lines(string(buf[:n])) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		*read += int64(len(line))
		if fields := strings.Split(line, ","); !strings.HasPrefix(line, "#") && len(fields) == 6 {
			dts, err := strconv.ParseInt(strings.TrimSpace(fields[1]), 10, 64)
			if err != nil {
				v.t.Errorf("not a line of framehash: %q", line)
			}
			all = append(all, arrival{hash: strings.TrimSpace(fields[5]), dts: dts, at: now})
		}
	}
	return all
}

// A fault is a moment at which a relay lost its upstream, and what its viewers may notice of it.
type fault struct {
	at      time.Time
	noticed time.Duration // until the relay gave the upstream up
	next    []arrival     // what a viewer of the next upstream took
}

// keyframe returns the number of the first keyframe that the next upstream had when the relay could already have come to
// it, and when that was.
func (f fault) keyframe(t *testing.T, sent []string) (int, time.Time) {
	t.Helper()
	for _, a := range f.next {
		if i := slices.Index(sent, a.hash); i%keyEvery == 0 && a.at.After(f.at.Add(f.noticed+dialled)) {
			return i, a.at
		}
	}
	t.Fatal("the next upstream had no keyframe after the fault")
	return 0, time.Time{}
}

// survived wants a player to have lived through faults: it plays on with the next upstream, at a keyframe or where it was, not
// much later than that one's own viewers, its time never steps back, and frames are missing in no more places than so many.
func (v *viewer) survived(got []arrival, sent []string, faults []fault, gaps int) {
	v.t.Helper()
	if !v.running() {
		v.t.Errorf("%s's player ended: %v", v.host.name, v.err)
	}
	_ = v.stop(syscall.SIGKILL) // of its own accord it waits for more
	if out := strings.ToLower(v.output()); strings.Contains(out, "dts") {
		v.t.Errorf("%s's player complains of the stream's time:\n%s", v.host.name, tail(out, 5))
	}
	lost, froze := 0, time.Duration(0)
	for i := 1; i < len(got); i++ {
		froze = max(froze, got[i].at.Sub(got[i-1].at))
		if got[i].dts < got[i-1].dts {
			v.t.Errorf("%s: time steps back from %d to %d ms", v.host.name, got[i-1].dts, got[i].dts)
		}
		before, now := slices.Index(sent, got[i-1].hash), slices.Index(sent, got[i].hash)
		if now == before+1 {
			continue
		}
		if lost++; now <= before || now%keyEvery != 0 {
			v.t.Errorf("%s: frame %d comes after %d", v.host.name, now, before)
		}
		if passed, want := got[i].dts-got[i-1].dts, int64(now-before)*1000/30; passed < want-100 || passed > want+100 {
			v.t.Errorf("%s: %d ms passed from frame %d to %d, want %d", v.host.name, passed, before, now, want)
		}
	}
	for _, f := range faults {
		key, at := f.keyframe(v.t, sent)
		i := slices.IndexFunc(got, func(a arrival) bool { return a.hash == sent[key] })
		if i < 0 {
			v.t.Errorf("%s: the keyframe %d, by which it should play again, never came", v.host.name, key)
			continue
		}
		if late := got[i].at.Sub(at); late > goesOn {
			v.t.Errorf("%s: the keyframe came %v after the next upstream had it, want at most %v", v.host.name, late, goesOn)
		}
	}
	if lost > gaps {
		v.t.Errorf("%s: frames are missing in %d places, want at most %d", v.host.name, lost, gaps)
	}
	if first := slices.Index(sent, got[0].hash); first < 0 || got[len(got)-1].hash != sent[len(sent)-1] {
		v.t.Errorf("%s saw frames %d to %d, want the last, %d", v.host.name, first, slices.Index(sent, got[len(got)-1].hash), len(sent)-1)
	}
	v.t.Logf("%s had to wait %v for a frame at the longest, and misses frames in %d places", v.host.name, froze, lost)
}

// players has ten play an address, half of them ffmpeg and half rtmpdump, two on each host.
func players(hosts []*host, url string) (all []*viewer) {
	for _, h := range hosts {
		all = append(all, h.watch(url), h.dump(url))
	}
	for _, v := range all {
		v.plays(15)
	}
	return all
}

// A relay's upstream is killed under ten players, and the next one, an nginx-rtmp that stores nothing, falls silent later.
// The players stay, and play on from the next upstream's keyframe.
func TestUpstreamDies(t *testing.T) {
	n := newLab(t).single(5)
	first, second := n.host("up1", "10.0.0.11", n.s1), n.host("up2", "10.0.0.12", n.s1)
	third, edge := n.host("up3", "10.0.0.13", n.s1), n.host("edge", "10.0.0.20", n.s1)
	d := n.daemon(directConfig)
	d.connected("1")
	n.hs.nginx("deploy/mininet/cdn.conf")
	dying := first.relay("--upstream", "rtmp://10.0.0.2/live")
	second.nginx("deploy/peer/nginx.conf")
	third.relay("--upstream", "rtmp://10.0.0.2/live")
	edge.relay("--upstream", "rtmp://10.0.0.11/live", "--upstream", "rtmp://10.0.0.12/live", "--upstream", "rtmp://10.0.0.13/live")
	p := n.hs.publish(cdnURL)
	atSecond, atThird := n.hb.watch("rtmp://10.0.0.12/live/a"), n.hb.watch("rtmp://10.0.0.13/live/a")
	atSecond.plays(15)
	atThird.plays(15)
	all := players(n.viewers, "rtmp://10.0.0.20/live/a")

	killed, silenced := fault{}, fault{noticed: stall}
	var sent []string
	came := arrivals(append(all, atSecond, atThird), func() {
		time.Sleep(time.Second) // of stream, before each fault and after
		killed.at = time.Now()
		_ = dying.stop(syscall.SIGKILL)
		time.Sleep(3 * time.Second)
		silenced.at = time.Now()
		run(t, n.core.command("ip", "link", "set", second.far, "down"))
		sent = p.finish(stall + 3*time.Second)
		time.Sleep(goesOn)
	})
	killed.next, silenced.next = came[len(all)], came[len(all)+1]
	for i, v := range all {
		v.survived(came[i], sent, []fault{killed, silenced}, 2)
	}
}

// In a tree that the controller arranges, a relay in the middle is killed. The one below it is told of another, and its ten
// players play on.
func TestTreeHeals(t *testing.T) {
	const delay = 15 * time.Millisecond
	l := newLab(t)
	s := []*vswitch{l.vswitch("s0"), l.vswitch("s1"), l.vswitch("s2"), l.vswitch("s3")}
	for i := range 3 {
		l.slowLink(s[i], s[i+1], delay)
	}
	cdn := l.host("hs", "10.0.0.2", s[0])
	relays, processes := make(map[string]*host), make(map[string]*process)
	var hosts []*host // in front of each relay
	config := "policy: bypass\nhttp: 0.0.0.0:9653\nbypass: {strategy: nearest, margin: 10ms}\nservices:\n  - {name: cdn, address: 10.0.0.2, port: 1935}\npeers:\n"
	for i := 1; i <= 3; i++ {
		p := l.host(fmt.Sprintf("p%d", i), fmt.Sprintf("10.0.0.%d", 10+i), s[i])
		relays[p.name] = p
		l.manage(p)
		config += fmt.Sprintf("  - {name: %s, address: %s, port: 1935, max_viewers: 20}\n", p.name, p.ip)
		hosts = append(hosts, l.host(fmt.Sprintf("v%d", i), fmt.Sprintf("10.0.0.%d", 20+i), s[i]))
	}
	var below []*host
	for i := range 5 {
		below = append(below, l.host(fmt.Sprintf("w%d", i), fmt.Sprintf("10.0.0.%d", 30+i), s[3]))
	}
	d := l.daemon(config)
	d.connected("4")
	d.linkedBy(6, delay)
	cdn.nginx("deploy/mininet/cdn.conf")
	for name, h := range relays {
		processes[name] = h.relay("--controller", "http://"+daemonAddress+":9653", "--name", name, "--advertise", h.ip)
		d.registered(name)
		d.measured(h)
	}
	p := cdn.publish(cdnURL)
	atFirst, atSecond := hosts[0].watch(cdnURL), hosts[1].watch(cdnURL)
	atFirst.plays(15)
	atSecond.plays(15)
	all := players(below, cdnURL)
	for _, h := range below {
		if got := d.sourceOf(h); got != "p3" {
			t.Fatalf("%s is served by %q, want p3", h.name, got)
		}
	}
	if from := d.copiesOf("a")["p3"]; from != "p2" {
		t.Fatalf("p3 has the stream from %q, want p2: %v", from, d.copiesOf("a"))
	}

	var killed fault
	var sent []string
	came := arrivals(append(all, atFirst), func() {
		time.Sleep(time.Second)
		killed.at = time.Now()
		_ = processes["p2"].stop(syscall.SIGKILL)
		sent = p.finish(4 * time.Second)
		time.Sleep(goesOn)
	})
	killed.next = came[len(all)]
	for i, v := range all {
		v.survived(came[i], sent, []fault{killed}, 0) // what the next relay has stored makes up for all
	}
}
