package scale

import (
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// startOther starts Debian's ovs-testcontroller, a learning switch in C that does the least that can be done for a new connection:
// a rule each way by its addresses and ports. It tells what of a connect's delay is Open vSwitch's own. The target is what a switch
// is told to connect to, empty where there is no such program.
func startOther(t *testing.T) (target string) {
	t.Helper()
	program, err := exec.LookPath("ovs-testcontroller")
	if err != nil {
		t.Log("SKIPPED: no ovs-testcontroller to compare with")
		return ""
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	other := exec.Command(program, "--unixctl=none", "-vconsole:err", "-vsyslog:off", "ptcp:"+port+":127.0.0.1")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	return "tcp:127.0.0.1:" + port
}

// control gives the switch another controller, and nothing of the one before.
func control(t *testing.T, dir, target string) {
	t.Helper()
	db := "--db=unix:" + filepath.Join(dir, "db.sock")
	for _, args := range [][]string{
		{"ovs-vsctl", db, "del-controller", "s1"},
		{"ovs-ofctl", "-O", "OpenFlow10", "del-flows", filepath.Join(dir, "s1.mgmt")},
		{"ovs-vsctl", db, "set-controller", "s1", target},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	time.Sleep(time.Second) // until the switch has connected, and looked through the thousands of flows that were there
}

var flowCount = regexp.MustCompile(`flow_count=(\d+)`)

// sessionRules is how many rules of sessions the switch has, by their cookie.
func sessionRules(t *testing.T, dir string) int {
	t.Helper()
	out, err := exec.Command("ovs-ofctl", "-O", "OpenFlow10", "dump-aggregate", filepath.Join(dir, "s1.mgmt"),
		"cookie=0x0f1e070000000000/0xffffff0000000000").CombinedOutput()
	found := flowCount.FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("ovs-ofctl dump-aggregate: %v\n%s", err, out)
	}
	n, _ := strconv.Atoi(string(found[1])) // it is digits
	return n
}
