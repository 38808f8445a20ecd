package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// modules are what Mininet's networks with delays need of the kernel.
var modules = []string{"openvswitch", "sch_netem", "sch_htb", "veth"}

// unfit tells why the running kernel and user cannot run the experiment, or nil.
func unfit() error {
	if os.Geteuid() != 0 {
		return errors.New("not root")
	}
	for _, m := range modules {
		if _, err := os.Stat(filepath.Join("/sys/module", m)); err == nil {
			continue
		}
		if out, err := exec.Command("modprobe", "--quiet", m).CombinedOutput(); err != nil {
			return fmt.Errorf("this kernel has no %s %s", m, bytes.TrimSpace(out))
		}
	}
	return nil
}

//go:embed init.sh
var initScript []byte

// userModeKernel is Debian's user-mode-linux, an ordinary program.
const userModeKernel = "linux.uml"

// boot runs the plan in a user-mode kernel, with the host's files as its own, read-only but for the plan's output
// folder, and copies what the experiment prints to out. It returns the experiment's exit status.
func boot(ctx context.Context, p plan, out io.Writer) (int, error) {
	kernel, err := exec.LookPath(userModeKernel)
	if err != nil {
		return 0, fmt.Errorf("boot: %w: install Debian's user-mode-linux", err)
	}
	// What runs inside must lie where the inside can see it; `go run` leaves its binary in /tmp, which it cannot.
	work := filepath.Join(p.Out, "runs")
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	lab, script, planFile := filepath.Join(work, "lab"), filepath.Join(work, "init.sh"), filepath.Join(work, "plan.json")
	daemon := filepath.Join(work, "ofctl-live")
	if err := errors.Join(copyProgram(self, lab), copyProgram(p.Daemon, daemon), os.WriteFile(script, initScript, 0o755)); err != nil {
		return 0, fmt.Errorf("boot: %w", err)
	}
	p.Daemon = daemon
	if err := p.write(planFile); err != nil {
		return 0, fmt.Errorf("boot: %w", err)
	}
	for _, path := range []string{p.Repo, p.Out} {
		if strings.ContainsAny(path, " \t,") {
			return 0, fmt.Errorf("boot: %q: the kernel's command line takes no blanks or commas in a path", path)
		}
	}

	cmd := exec.CommandContext(ctx, kernel, "mem=2G", "rootfstype=hostfs", "rootflags=/", "ro", "quiet",
		"init="+script, "con=null", "con0=null,fd:1",
		"LAB_REPO="+p.Repo, "LAB_OUT="+p.Out, "LAB_EXE="+lab, "LAB_PLAN="+planFile)
	// The kernel keeps its memory in a file, at best in one that is memory itself.
	cmd.Env = append(os.Environ(), "TMPDIR="+memoryFolder(work))
	// It is several processes; all of them end with this one, and none takes this terminal's signals by itself.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	console := &console{out: out}
	cmd.Stdout, cmd.Stderr = console, console
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("boot: %w", err)
	}
	// What else the machine does shows as delay; root may ask for precedence, and others go without. Among sessions it is
	// the session's that counts, where the machine's kernel groups by those.
	syscall.Setpriority(syscall.PRIO_PGRP, cmd.Process.Pid, -15)
	os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", cmd.Process.Pid), []byte("-15"), 0)
	pin(cmd.Process.Pid)
	err = cmd.Wait()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if !console.ended {
		return 0, fmt.Errorf("boot: the user-mode kernel ended early (%v); it said:\n%s", err, console.noise.String())
	}
	return console.status, nil
}

// pin keeps a process, and those that it will start, to the last processor that this one may use. A user-mode kernel has
// one processor to offer and changes from process to process with every system call within, which takes three times as
// long where they are on different ones.
func pin(pid int) {
	var may, last unix.CPUSet
	if unix.SchedGetaffinity(0, &may) != nil {
		return
	}
	for n, left := 0, may.Count(); left > 0; n++ {
		if !may.IsSet(n) {
			continue
		}
		if left--; left == 0 {
			last.Set(n)
		}
	}
	unix.SchedSetaffinity(pid, &last) // where it may not, it is merely slower
}

// memoryFolder returns a folder for the kernel's memory: /dev/shm if that can hold it, else the one given.
func memoryFolder(fallback string) string {
	const shm, need = "/dev/shm", 2 << 30
	var s syscall.Statfs_t
	if syscall.Statfs(shm, &s) == nil && s.Bavail*uint64(s.Bsize) > need {
		return shm
	}
	return fallback
}

func copyProgram(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	// Replace rather than overwrite: another experiment may be running the old one.
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// A console passes on the lines that stand between the two marks of init.sh and keeps the rest for an error.
type console struct {
	out    io.Writer
	line   []byte
	noise  bytes.Buffer
	begun  bool
	ended  bool
	status int
}

const (
	beginMark = "=== lab begins ==="
	endMark   = "=== lab ends "
)

// Write takes the kernel's output, in pieces of any size.
func (c *console) Write(p []byte) (int, error) {
	for _, b := range p {
		switch b {
		case '\r': // the console is a terminal and adds these
		case '\n':
			c.take(string(c.line))
			c.line = c.line[:0]
		default:
			c.line = append(c.line, b)
		}
	}
	return len(p), nil
}

func (c *console) take(line string) {
	status, isEnd := strings.CutPrefix(line, endMark)
	switch {
	case !c.begun && line == beginMark:
		c.begun = true
	case c.begun && !c.ended && isEnd:
		c.ended = true
		c.status, _ = strconv.Atoi(strings.TrimRight(status, " ="))
	case c.begun && !c.ended:
		fmt.Fprintln(c.out, line)
	default:
		fmt.Fprintln(&c.noise, line)
	}
}
