package oftest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// An openVSwitch is a real ovs-vswitchd with ports that exist within the process only (datapath_type dummy), so that it
// needs neither privileges nor a network namespace. Its clock stands still but for the command
// time/warp.
type openVSwitch struct {
	t       *testing.T
	dir     string
	control *json.Encoder
	answers *json.Decoder
	pcap    map[ofproto.Port]*os.File
}

// startOpenVSwitch starts one with a bridge br0 of datapath id 1 and n ports.
func startOpenVSwitch(t *testing.T, n int) *openVSwitch {
	t.Helper()
	if os.Getenv("OFCTL_E2E") != "1" {
		t.Skip("SKIPPED: the comparison with a real Open vSwitch runs only with OFCTL_E2E=1")
	}
	dir, err := os.MkdirTemp("", "ovs") // t.TempDir is too long for a Unix socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	v := &openVSwitch{t: t, dir: dir, pcap: map[ofproto.Port]*os.File{}}
	db := "unix:" + v.path("db.sock")
	v.run("ovsdb-tool", "create", v.path("conf.db"), "/usr/share/openvswitch/vswitch.ovsschema")
	v.start("db.sock", "ovsdb-server", v.path("conf.db"), "--remote=p"+db, "--unixctl="+v.path("db.ctl"))
	v.run("ovs-vsctl", "--db="+db, "--no-wait", "init")
	v.start("vs.ctl", "ovs-vswitchd", db, "--enable-dummy=override", "--disable-system", "--unixctl="+v.path("vs.ctl"))

	args := []string{"--db=" + db, "--timeout=20", "add-br", "br0", "--", "set", "bridge", "br0", "datapath-type=dummy",
		"fail-mode=secure", "protocols=OpenFlow10", "other-config:datapath-id=0000000000000001"}
	for i := 1; i <= n; i++ {
		p := fmt.Sprintf("p%d", i)
		args = append(args, "--", "add-port", "br0", p, "--", "set", "interface", p, "type=dummy",
			fmt.Sprintf("ofport_request=%d", i), "options:tx_pcap="+v.path(p+".pcap"))
	}
	v.run("ovs-vsctl", args...)
	for i := 1; i <= n; i++ {
		f, err := os.Open(v.path(fmt.Sprintf("p%d.pcap", i)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if _, err := f.Seek(24, io.SeekStart); err != nil { // the file's header
			t.Fatal(err)
		}
		v.pcap[ofproto.Port(i)] = f
	}
	conn := v.dial("vs.ctl")
	v.control, v.answers = json.NewEncoder(conn), json.NewDecoder(conn)
	v.call("time/stop")
	return v
}

func (v *openVSwitch) path(name string) string { return filepath.Join(v.dir, name) }

func (v *openVSwitch) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "OVS_RUNDIR="+v.dir, "OVS_DBDIR="+v.dir, "OVS_LOGDIR="+v.dir)
	return c
}

func (v *openVSwitch) run(name string, args ...string) {
	v.t.Helper()
	if out, err := v.command(name, args...).CombinedOutput(); err != nil {
		v.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// start starts a daemon and waits until it answers at its socket, which is there before that.
func (v *openVSwitch) start(socket, name string, args ...string) {
	v.t.Helper()
	c := v.command(name, args...)
	log, err := os.Create(v.path(name + ".log"))
	if err != nil {
		v.t.Fatal(err)
	}
	c.Stderr = log
	if err := c.Start(); err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && v.t.Failed() && testing.Verbose() {
			v.t.Logf("%s says:\n%s", name, text)
		}
	})
	Eventually(v.t, name+" is up", func() bool {
		conn, err := net.Dial("unix", v.path(socket))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func (v *openVSwitch) dial(socket string) net.Conn {
	v.t.Helper()
	conn, err := net.Dial("unix", v.path(socket))
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { conn.Close() })
	return conn
}

// call runs a command of ovs-appctl.
func (v *openVSwitch) call(method string, args ...string) string {
	v.t.Helper()
	if args == nil {
		args = []string{}
	}
	if err := v.control.Encode(map[string]any{"id": 0, "method": method, "params": args}); err != nil {
		v.t.Fatal(err)
	}
	var reply struct{ Result, Error any }
	if err := v.answers.Decode(&reply); err != nil || reply.Error != nil {
		v.t.Fatalf("%s %q: %v %v", method, args, err, reply.Error)
	}
	text, _ := reply.Result.(string)
	return text
}

// settle has the daemon finish what it has begun and forget what it has cached. Two commands are at least one turn of its
// main loop.
func (v *openVSwitch) settle() {
	v.call("revalidator/purge")
	v.call("version")
}

// connect speaks OpenFlow 1.0 with the bridge, past the HELLOs.
func (v *openVSwitch) connect() *peer {
	v.t.Helper()
	p := &peer{t: v.t, conn: ofproto.NewConn(v.dial("br0.mgmt"), ofproto.ConnOptions{}), xid: 100}
	p.send(&ofproto.Hello{})
	p.next()
	return p
}

// receive has frames come in by a port.
func (v *openVSwitch) receive(in ofproto.Port, frame []byte) {
	v.t.Helper()
	v.call("netdev-dummy/receive", fmt.Sprintf("p%d", in), fmt.Sprintf("%x", frame))
	v.settle()
}

// sent returns what has left by the ports since the last call, port by port.
func (v *openVSwitch) sent() map[ofproto.Port][]string {
	v.t.Helper()
	out := map[ofproto.Port][]string{}
	for port, f := range v.pcap {
		for {
			var head [16]byte
			if _, err := io.ReadFull(f, head[:]); err == io.EOF {
				break
			} else if err != nil {
				v.t.Fatal(err)
			}
			frame := make([]byte, binary.NativeEndian.Uint32(head[8:]))
			if _, err := io.ReadFull(f, frame); err != nil {
				v.t.Fatal(err)
			}
			out[port] = append(out[port], fmt.Sprintf("%x", frame))
		}
	}
	return out
}
