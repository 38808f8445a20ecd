package scale

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A daemon is the program as it is shipped, on ports that the kernel chose.
type daemon struct {
	t              *testing.T
	cmd            *exec.Cmd
	openflow, http string // HOST:PORT
}

// startDaemon builds the program and starts it. It ends with the test.
func startDaemon(t *testing.T) *daemon {
	t.Helper()
	dir := t.TempDir()
	binary, config, log := filepath.Join(dir, "ofctl-live"), filepath.Join(dir, "config.yaml"), filepath.Join(dir, "log")
	build := exec.Command("go", "build", "-o", binary, "./cmd/ofctl-live")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.WriteFile(config, []byte("policy: direct\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(binary, "--config", config, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-format", "json")
	cmd.Stderr = out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		_ = cmd.Wait()
	})
	d := &daemon{t: t, cmd: cmd}
	await(t, "the daemon serves", 10*time.Second, func() bool { return d.addresses(log) })
	return d
}

// addresses reads from the log where the daemon listens.
func (d *daemon) addresses(log string) bool {
	f, err := os.Open(log)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line struct{ Msg, Listen, HTTP string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			d.openflow, d.http = line.Listen, line.HTTP
			return true
		}
	}
	return false
}

// metric returns the value of a sample, by its name and labels as they are written; 0 where there is none.
func (d *daemon) metric(sample string) float64 {
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
		if value, ok := strings.CutPrefix(line, sample+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				d.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// cpu is how much processor time the daemon has used, and memory how many bytes of it are in memory.
func (d *daemon) cpu() time.Duration {
	d.t.Helper()
	stat := d.proc("stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	var ticks time.Duration
	for _, f := range fields[11:13] { // utime and stime: proc(5)
		n, err := strconv.Atoi(f)
		if err != nil {
			d.t.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
}

func (d *daemon) memory() int {
	d.t.Helper()
	_, rest, _ := strings.Cut(d.proc("status"), "VmRSS:")
	var kb int
	if _, err := fmt.Sscanf(rest, "%d kB", &kb); err != nil {
		d.t.Fatal(err)
	}
	return kb << 10
}

func (d *daemon) proc(file string) string {
	d.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", d.cmd.Process.Pid, file))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

// await polls until ok, and returns how long that took.
func await(t *testing.T, what string, patience time.Duration, ok func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > patience {
			t.Fatalf("%s: not within %v", what, patience)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(begin).Round(10 * time.Millisecond)
}
