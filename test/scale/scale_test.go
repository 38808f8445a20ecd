package scale

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

const (
	switches = 2000
	links    = 2 * (switches - 1) // of a tree, one each direction
	fanout   = 8
	cutOff   = 1000 // switches that lose their connection together
)

func TestTwoThousandSwitches(t *testing.T) {
	if os.Getenv("OFCTL_E2E") != "1" {
		t.Skip("SKIPPED: OFCTL_E2E=1 is not set")
	}
	n := tree(switches, 0)
	d := startDaemon(t, "policy: direct\n")
	ctx, end := context.WithCancel(context.Background())
	defer end()

	empty := d.memory()
	n.Connect(ctx, d.dial)
	began := time.Now()
	up := d.reaches("all switches are up", 3*time.Minute, "ofctl_switches_connected", switches)
	d.reaches("all links are found", 3*time.Minute, "ofctl_links", links)
	t.Logf("%d switches up in %v, their %d links found in %v; %v of processor", switches, up, links,
		time.Since(began).Round(10*time.Millisecond), d.cpu())

	time.Sleep(10 * time.Second) // what begins ends
	const idle = 15 * time.Second
	used := d.cpu()
	time.Sleep(idle)
	used = d.cpu() - used
	share := used.Seconds() / idle.Seconds()
	memory := d.memory()
	t.Logf("idle: %.1f %% of one core; %.1f MiB, %.1f KiB a switch", 100*share, mib(memory), float64(memory-empty)/switches/(1<<10))
	if share > 0.5 {
		t.Errorf("the daemon takes %.0f %% of a core for idle switches", 100*share)
	}
	if memory > 512<<20 {
		t.Errorf("the daemon takes %.0f MiB for idle switches", mib(memory))
	}

	all := n.Switches()
	before := flowMods(all)
	var back time.Duration
	for try := 1; try == 1 || back > 10*time.Second && try <= 3; try++ { // whatever else runs only adds to it
		handshakes := d.metric(`ofctl_handshakes_total{result="up"}`)
		for _, sw := range all[:cutOff] {
			sw.Disconnect()
		}
		back = await(t, "all that were cut off are back", time.Minute, func() bool {
			return d.metric(`ofctl_handshakes_total{result="up"}`) >= handshakes+cutOff && d.metric("ofctl_switches_connected") == switches
		})
		t.Logf("%d switches back in %v", cutOff, back)
		d.reaches("all links are known", time.Minute, "ofctl_links", links)
	}
	if back > 10*time.Second {
		t.Errorf("%d switches were back in %v, want within 10 s", cutOff, back)
	}
	if after := flowMods(all); after != before {
		t.Errorf("%d flow mods to switches that had lost nothing", after-before)
	}
	n.Check(t)
}

// tree is a network in which every switch but the first is below one other.
func tree(size int, delay time.Duration) *oftest.Network {
	n := oftest.NewNetwork()
	for i := range size {
		n.AddSwitch(name(i), oftest.Options{DPID: ofproto.DPID(i + 1), Ports: []ofproto.Port{100}})
		if i > 0 {
			n.Join(name((i-1)/fanout), ofproto.Port(2+(i-1)%fanout), name(i), 1, delay)
		}
	}
	return n
}

func name(i int) string { return fmt.Sprintf("s%d", i+1) }

// flowMods is how many flow mods the switches have received.
func flowMods(all []*oftest.Switch) (sum int) {
	for _, sw := range all {
		sum += sw.Received(ofproto.TypeFlowMod)
	}
	return sum
}

func mib(bytes int) float64 { return float64(bytes) / (1 << 20) }
