package scale

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The daemon of five hundred switches gets four milliseconds of each second for most of a minute, which is less than it needs. It takes
// what it did not come to read for nobody's death: no switch is given up and no link is lost.
func TestStarved(t *testing.T) {
	if os.Getenv("OFCTL_E2E") != "1" {
		t.Skip("SKIPPED: OFCTL_E2E=1 is not set")
	}
	const (
		fleet  = 500
		runs   = 4 * time.Millisecond
		of     = time.Second
		rounds = 40
	)
	n := tree(fleet, 0)
	d := startDaemon(t, "policy: direct\n")
	ctx, end := context.WithCancel(context.Background())
	defer end()
	n.Connect(ctx, d.dial)
	d.reaches("all switches are up", time.Minute, "ofctl_switches_connected", fleet)
	d.reaches("all links are found", time.Minute, "ofctl_links", 2*(fleet-1))
	time.Sleep(10 * time.Second) // what begins ends

	used := d.cpu()
	for range rounds {
		_ = d.cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(of - runs)
		_ = d.cmd.Process.Signal(syscall.SIGCONT)
		time.Sleep(runs)
	}
	used = d.cpu() - used
	time.Sleep(10 * time.Second)
	log, err := os.ReadFile(d.file("log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"switch does not answer", "switch does not confirm", "no answer to a challenge", "switch down", "link down"} {
		if n := strings.Count(string(log), line); n != 0 {
			t.Errorf("%d times: %s", n, line)
		}
	}
	t.Logf("%v of processor in %v", used, rounds*of)
	d.reaches("all links are known", time.Minute, "ofctl_links", 2*(fleet-1))
	n.Check(t)
}
