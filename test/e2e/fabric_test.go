package e2e

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A fabric is a network with two edges: s0 in the middle, with the CDN on it, and s1 and s2 around it, each as far from it as
// delay says.
type fabric struct {
	*lab
	middle *vswitch
	edges  [2]*vswitch
	cdn    *host
	delay  time.Duration
}

func (l *lab) fabric(delay time.Duration) *fabric {
	l.t.Helper()
	f := &fabric{lab: l, middle: l.vswitch("s0"), edges: [2]*vswitch{l.vswitch("s1"), l.vswitch("s2")}, delay: delay}
	for _, e := range f.edges {
		if delay > 0 {
			l.slowLink(f.middle, e, delay)
		} else {
			l.link(f.middle, e)
		}
	}
	f.cdn = l.host("hs", "10.0.0.2", f.middle)
	return f
}

// daemon starts the controller of a fabric, and returns once it knows the links.
func (f *fabric) daemon(config string) *daemon {
	f.t.Helper()
	d := f.lab.daemon(config)
	d.connected("3")
	if f.delay > 0 {
		d.linkedBy(4, f.delay)
	} else {
		d.linked(4)
	}
	return d
}

// daemonAddress is where the daemon is for hosts that have a line to it.
const daemonAddress = "10.0.0.100"

// manage gives hosts a line of their own to the daemon, beside the network that it controls. They call from the address
// that they have in the network.
func (l *lab) manage(hosts ...*host) {
	l.t.Helper()
	run(l.t, l.core.command("ip", "address", "replace", daemonAddress+"/32", "dev", "lo"))
	for _, h := range hosts {
		line := "m-" + h.name
		run(l.t, l.core.command("ip", "link", "add", line, "type", "veth", "peer", "name", "manage", "netns", h.pid()))
		run(l.t, l.core.command("ip", "link", "set", line, "up"))
		run(l.t, l.core.command("ip", "route", "add", h.ip, "dev", line))
		run(l.t, h.command("ip", "link", "set", "manage", "up"))
		run(l.t, h.command("ip", "route", "add", daemonAddress, "dev", "manage", "src", h.ip))
	}
}

// measured waits until the line of a host is known to be as short as it is: on a busy machine not all probes come back at once.
func (d *daemon) measured(h *host) {
	d.t.Helper()
	awaitSeen(d.t, "the line of "+h.name+" is measured", patience, func() (any, bool) {
		all := d.list("/v1/hosts")
		return all, slices.ContainsFunc(all, func(got map[string]any) bool {
			delay, _ := got["delay_ms"].(float64)
			return got["ip"] == h.ip && delay > 0 && delay < 5
		})
	})
}

// dump plays an RTMP address with rtmpdump. What it writes is read by ffmpeg, which only takes the frames' hashes.
func (h *host) dump(url string) *viewer {
	h.lab.t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		h.lab.t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	player := h.command("stdbuf", "-o0", "rtmpdump", "-q", "-v", "-r", url, "-o", "-")
	player.Stdout = w
	p := start(h.lab.t, h.lab.dir, h.name+"-rtmpdump", player)
	h.lab.t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // while it waits for the server it heeds no milder signal
	file := h.lab.path(fmt.Sprintf("seen-%s-%d.txt", h.name, processes.Load()))
	reader := h.command("ffmpeg", "-nostdin", "-loglevel", "warning", "-analyzeduration", "500000", "-f", "flv", "-i", "pipe:0",
		"-map", "0:v", "-c", "copy", "-flush_packets", "1", "-f", "framehash", "-hash", "md5", file)
	reader.Stdin = r
	return &viewer{process: start(h.lab.t, h.lab.dir, h.name+"-hashes", reader), host: h, file: file}
}

// bySource counts the sessions that are not being ended by who serves them.
func (d *daemon) bySource() map[string]int {
	d.t.Helper()
	count := make(map[string]int)
	for _, s := range d.list("/v1/sessions") {
		if s["state"] != "resetting" {
			count[fmt.Sprint(s["source"])]++
		}
	}
	return count
}

// sourceOf is who serves a host's sessions, by its address; "" while it has none.
func (d *daemon) sourceOf(h *host) string {
	d.t.Helper()
	sources := make(map[string]bool)
	for _, s := range d.list("/v1/sessions") {
		if strings.HasPrefix(fmt.Sprint(s["client"]), h.ip+":") && s["state"] != "resetting" {
			sources[fmt.Sprint(s["source"])] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(sources)), ",")
}

// size is how many bytes the publisher has sent.
func (p *publisher) size() uint64 {
	p.t.Helper()
	info, err := os.Stat(p.file)
	if err != nil {
		p.t.Fatal(err)
	}
	return uint64(info.Size())
}

// carried wants a line to have carried a stream, or several, about so many times.
func carried(t *testing.T, line string, bytes, stream uint64, want float64) {
	t.Helper()
	got := float64(bytes) / float64(stream)
	if got < want*0.8 || got > want*1.25+0.05 {
		t.Errorf("%s carried %.2f copies (%d bytes of %d), want %.0f", line, got, bytes, stream, want)
	}
	t.Logf("%s carried %.2f copies", line, got)
}
