package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const enabled = "OFCTL_E2E"

// binary is the program under test, built once by TestMain.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if os.Getenv(enabled) != "1" {
		fmt.Printf("SKIPPED: every end-to-end test; they need root and Open vSwitch: %s=1 go test ./test/e2e, or make test\n", enabled)
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "ofctl-e2e-bin")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "ofctl-live")
	build := exec.Command("go", "build", "-o", binary, "./cmd/ofctl-live")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// root is the top of the repository.
var root = func() string {
	abs, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return abs
}()

// A netns is a network namespace, kept by a process that does nothing.
type netns struct{ holder *process }

// command is a program to be run in the namespace. The process that starts is the program itself.
func (n netns) command(args ...string) *exec.Cmd {
	pid := strconv.Itoa(n.holder.cmd.Process.Pid)
	return exec.Command("nsenter", append([]string{"--net=/proc/" + pid + "/ns/net", "--"}, args...)...)
}

func (n netns) pid() string { return strconv.Itoa(n.holder.cmd.Process.Pid) }

// A lab is a network of switches and hosts of one test. The switches, and the daemon, share one namespace, where the
// controller is 127.0.0.1:6653; each host has its own.
type lab struct {
	t    *testing.T
	dir  string // logs, sockets and databases
	core netns

	ovsdb, vswitchd *process
	switches        int
}

// newLab makes an empty network with Open vSwitch running in it. It skips the test unless end-to-end tests are asked for.
func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Getenv(enabled) != "1" {
		t.Skipf("SKIPPED: %s=1 is not set", enabled)
	}
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root")
	}
	for _, tool := range []string{"ovs-vswitchd", "ovs-vsctl", "nsenter", "ethtool", "ffmpeg", "nginx", "ping"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v; deploy/install-deps.sh installs what the tests need", err)
		}
	}
	dir, err := os.MkdirTemp("", "ofe2e") // short: the path of a unix socket holds 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(dir)
		} else {
			t.Log("logs are in", dir)
		}
	})
	l := &lab{t: t, dir: dir}
	l.core = l.netns("core")
	run(t, l.core.command("ip", "link", "set", "lo", "up"))
	run(t, l.ovs("ovsdb-tool", "create", l.path("conf.db"), "/usr/share/openvswitch/vswitch.ovsschema"))
	l.ovsdb = start(t, dir, "ovsdb-server", l.ovs("ovsdb-server", l.path("conf.db"), "--remote=punix:"+l.path("db.sock")))
	awaitSeen(t, "ovsdb-server listens", patience, func() (any, bool) { // its socket is there before that
		_, err := tryRun(l.ovs("ovs-vsctl", "--db=unix:"+l.path("db.sock"), "--no-wait", "init"))
		return err, err == nil
	})
	l.startVswitchd()
	return l
}

// startVswitchd starts Open vSwitch's switching half, with the bridges that the database has and no flows.
func (l *lab) startVswitchd() {
	l.vswitchd = start(l.t, l.dir, "ovs-vswitchd", l.ovs("ovs-vswitchd", "unix:"+l.path("db.sock"), "--pidfile="+l.path("ovs-vswitchd.pid")))
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lab) netns(name string) netns {
	l.t.Helper()
	cmd := exec.Command("sleep", "infinity")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	return netns{start(l.t, l.dir, "netns-"+name, cmd)}
}

// ovs is one of Open vSwitch's programs, told to keep to the lab's own folder.
func (l *lab) ovs(args ...string) *exec.Cmd {
	cmd := l.core.command(args...)
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+l.dir, "OVS_DBDIR="+l.dir, "OVS_LOGDIR="+l.dir)
	return cmd
}

func (l *lab) vsctl(args ...string) string {
	l.t.Helper()
	return run(l.t, l.ovs(append([]string{"ovs-vsctl", "--timeout=30", "--db=unix:" + l.path("db.sock")}, args...)...))
}

// A vswitch is one Open vSwitch bridge.
type vswitch struct {
	lab   *lab
	name  string
	dpid  string // 16 hex digits
	ports int    // taken, from 1 up
}

// vswitch adds a switch that connects to 127.0.0.1:6653 as Mininet's would: OpenFlow 1.0, fail-mode secure. Between
// attempts it waits 1, 2, 4 and then 8 s: Open vSwitch 3.1 heeds no max_backoff before its connection is up. Datapath ids count from 1.
func (l *lab) vswitch(name string) *vswitch {
	l.t.Helper()
	l.switches++
	s := &vswitch{lab: l, name: name, dpid: fmt.Sprintf("%016x", l.switches)}
	l.vsctl("add-br", name, "--",
		"set", "bridge", name, "datapath_type=netdev", "fail_mode=secure", "protocols=OpenFlow10", "other_config:datapath-id="+s.dpid, "other_config:disable-in-band=true", "--",
		"set-controller", name, "tcp:127.0.0.1:6653")
	return s
}

// attach gives the switch's next port to an interface that stands in the core namespace already.
func (s *vswitch) attach(iface string) (port int) {
	s.lab.t.Helper()
	s.ports++
	run(s.lab.t, s.lab.core.command("ip", "link", "set", iface, "up"))
	s.lab.vsctl("add-port", s.name, iface, "--", "set", "interface", iface, "ofport_request="+strconv.Itoa(s.ports))
	return s.ports
}

// link joins two switches and returns the port on each.
func (l *lab) link(a, b *vswitch) (portA, portB int) {
	l.t.Helper()
	nameA, nameB := fmt.Sprintf("%s-%s", a.name, b.name), fmt.Sprintf("%s-%s", b.name, a.name)
	run(l.t, l.core.command("ip", "link", "add", nameA, "type", "veth", "peer", "name", nameB))
	return a.attach(nameA), b.attach(nameB)
}

// A flow is one line of ovs-ofctl dump-flows, without its counters.
type flow string

// has tells whether the flow's text holds each of the parts between its separators.
func (f flow) has(parts ...string) bool {
	text := "," + strings.NewReplacer(" ", ",", "actions=", "").Replace(strings.TrimSpace(string(f))) + ","
	for _, p := range parts {
		if !strings.Contains(text, ","+p+",") {
			return false
		}
	}
	return true
}

// flows are what is in the switch's table, by its own account.
func (s *vswitch) flows() []flow {
	s.lab.t.Helper()
	out := run(s.lab.t, s.lab.ovs("ovs-ofctl", "-O", "OpenFlow10", "--no-stats", "--no-names", "dump-flows", s.name))
	var all []flow
	for line := range strings.Lines(out) {
		if strings.Contains(line, "actions=") {
			all = append(all, flow(strings.TrimSpace(line)))
		}
	}
	return all
}

// find returns the flows that have all the parts.
func (s *vswitch) find(parts ...string) []flow {
	s.lab.t.Helper()
	var found []flow
	for _, f := range s.flows() {
		if f.has(parts...) {
			found = append(found, f)
		}
	}
	return found
}
