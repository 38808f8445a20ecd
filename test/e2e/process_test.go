package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A process is a program that a test started. It ends with the test, or with the test's own process.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	log  string // file with its output
	done chan struct{}
	err  error // how it ended, once done is closed
}

var processes atomic.Int64 // numbers the logs

// start runs a program in the background. Its output goes to a file in dir, which is shown if the test fails.
func start(t *testing.T, dir, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: name, cmd: cmd, done: make(chan struct{})}
	p.log = filepath.Join(dir, fmt.Sprintf("%02d-%s.log", processes.Add(1), name))
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = out
	}
	cmd.Stderr = out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		if p.running() {
			_ = p.stop(syscall.SIGTERM)
		}
		if t.Failed() {
			t.Logf("the last of %s:\n%s", name, tail(p.output(), 40))
		}
	})
	return p
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// stop sends a signal and waits; after five seconds it kills. It returns how the process ended.
func (p *process) stop(sig syscall.Signal) error {
	_ = p.cmd.Process.Signal(sig) // it may be gone by itself
	if err := p.wait(5 * time.Second); err == nil {
		return p.err
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("%s did not end within 5 s of %v", p.name, sig)
}

// wait waits for the process to end by itself.
func (p *process) wait(patience time.Duration) error {
	select {
	case <-p.done:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s runs on after %v", p.name, patience)
	}
}

// output is what the process wrote so far.
func (p *process) output() string {
	out, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Error(err)
	}
	return string(out)
}

// run runs a program to its end and returns its output; a failure ends the test.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := tryRun(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tryRun runs a program to its end and returns its output; the error has what it wrote.
func tryRun(cmd *exec.Cmd) (string, error) {
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, out, exit.Stderr)
	}
	return string(out), err
}

// patience is how long a test waits for what must come about, where it is not told how soon.
const patience = 30 * time.Second

// await polls until ok; what names the thing that did not come about in time.
func await(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	if !poll(limit, ok) {
		t.Fatalf("%s: not within %v", what, limit)
	}
}

// awaitSeen is await for what can be shown: where it does not come about, it tells what was seen last.
func awaitSeen(t *testing.T, what string, limit time.Duration, look func() (seen any, ok bool)) {
	t.Helper()
	var seen any
	if !poll(limit, func() (ok bool) { seen, ok = look(); return ok }) {
		t.Fatalf("%s: not within %v; last seen: %v", what, limit, seen)
	}
}

func poll(limit time.Duration, ok func() bool) bool {
	for end := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
