package scale

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A daemon is the program as it is shipped, on ports that the kernel chose.
type daemon struct {
	t        *testing.T
	dir      string // the program, its configuration and its log
	cmd      *exec.Cmd
	openflow atomic.Pointer[string] // HOST:PORT
	http     string                 // HOST:PORT
}

// startDaemon builds the program and starts it. It ends with the test.
func startDaemon(t *testing.T, config string) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: t.TempDir()}
	build := exec.Command("go", "build", "-o", d.file("ofctl-live"), "./cmd/ofctl-live")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.WriteFile(d.file("config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.end(syscall.SIGTERM) })
	d.start()
	return d
}

func (d *daemon) file(name string) string { return filepath.Join(d.dir, name) }

// start starts the program, on other ports than before, and returns when it serves.
func (d *daemon) start() {
	d.t.Helper()
	out, err := os.Create(d.file("log"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer out.Close()
	d.cmd = exec.Command(d.file("ofctl-live"), "--config", d.file("config.yaml"), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
		"--log-format", "json")
	d.cmd.Stderr = out
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	await(d.t, "the daemon serves", 10*time.Second, d.addresses)
}

// end ends the program.
func (d *daemon) end(sig os.Signal) {
	_ = d.cmd.Process.Signal(sig) // it may have ended by itself
	_ = d.cmd.Wait()
}

// dial connects to the daemon that runs now.
func (d *daemon) dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", *d.openflow.Load())
}

// addresses reads from the log where the daemon listens.
func (d *daemon) addresses() bool {
	f, err := os.Open(d.file("log"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line struct{ Msg, Listen, HTTP string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			d.openflow.Store(&line.Listen)
			d.http = line.HTTP
			return true
		}
	}
	return false
}

// metric returns the value of a sample, by its name and labels as they are written, or the sum over all labels of one that
// is named without; 0 where there is none.
func (d *daemon) metric(sample string) (sum float64) {
	d.t.Helper()
	resp, err := http.Get("http://" + d.http + "/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		rest, ok := strings.CutPrefix(line, sample)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			d.t.Fatal(err)
		}
		sum += v
	}
	return sum
}

// cpu is how much processor time the daemon has used, and memory how many bytes of it are in memory.
func (d *daemon) cpu() time.Duration {
	d.t.Helper()
	return processorTime(d.t, d.cmd.Process.Pid)
}

// processorTime is how much processor time a process has used.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat := proc(t, pid, "stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	var ticks time.Duration
	for _, f := range fields[11:13] { // utime and stime: proc(5)
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
}

func (d *daemon) memory() int {
	d.t.Helper()
	_, rest, _ := strings.Cut(proc(d.t, d.cmd.Process.Pid, "status"), "VmRSS:")
	var kb int
	if _, err := fmt.Sscanf(rest, "%d kB", &kb); err != nil {
		d.t.Fatal(err)
	}
	return kb << 10
}

func proc(t *testing.T, pid int, file string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// reaches polls a metric until it has a value, and returns how long that took.
func (d *daemon) reaches(what string, limit time.Duration, sample string, want float64) time.Duration {
	d.t.Helper()
	var got float64
	took, ok := poll(limit, func() bool { got = d.metric(sample); return got == want })
	if !ok {
		d.t.Fatalf("%s: not within %v: %s is %v, want %v", what, limit, sample, got, want)
	}
	return took
}

// await polls until ok, and returns how long that took.
func await(t *testing.T, what string, limit time.Duration, ok func() bool) time.Duration {
	t.Helper()
	took, there := poll(limit, ok)
	if !there {
		t.Fatalf("%s: not within %v", what, limit)
	}
	return took
}

func poll(limit time.Duration, there func() bool) (took time.Duration, ok bool) {
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		ok = there()
		if took = time.Since(begin); ok || took > limit {
			return took.Round(10 * time.Millisecond), ok
		}
	}
}
