package scale

import (
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// otherBursts has the crowd dial through Debian's ovs-testcontroller, a learning switch in C that does the least that can be
// done for a new connection: a rule each way by its addresses and ports. It tells what of a connect's delay is Open vSwitch's own.
// Its bursts are from ports that no rule is for.
func otherBursts(t *testing.T, dir string) {
	program, err := exec.LookPath("ovs-testcontroller")
	if err != nil {
		t.Log("SKIPPED: no ovs-testcontroller to compare with")
		return
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
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	for _, args := range [][]string{
		{"ovs-vsctl", "--db=unix:" + filepath.Join(dir, "db.sock"), "set-controller", "s1", "tcp:127.0.0.1:" + port},
		{"ovs-ofctl", "-O", "OpenFlow10", "del-flows", filepath.Join(dir, "s1.mgmt")},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	time.Sleep(3 * time.Second) // the switch's next try to connect
	dialAll(t, bursts)          // it learns where everybody is
	for n := range bursts {
		before := switchTime(t, dir)
		took := dialAll(t, bursts+1+n)
		t.Logf("through ovs-testcontroller: p50 %v, p99 %v, most %v; processor for each, the switch's %v",
			quantile(took, 0.5), quantile(took, 0.99), quantile(took, 1), (switchTime(t, dir)-before)/crowd)
	}
}
