package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A controller is one of the programs that are compared.
type controller struct {
	name string
	args func(address string, more ...string) []string // the command that listens there
}

const ourName, otherName = "ofctl-live", "ovs-testcontroller"

// controllers are the programs to be compared, the first being ours.
func controllers(binary string) []controller {
	return []controller{
		{ourName, func(address string, more ...string) []string {
			return append([]string{binary, "--listen", address, "--http", freeAddress()}, more...)
		}},
		{otherName, func(address string, _ ...string) []string {
			host, port, _ := net.SplitHostPort(address)
			return []string{"ovs-testcontroller", "--unixctl=none", "-vconsole:err", "-vsyslog:off", "ptcp:" + port + ":" + host}
		}},
	}
}

// A process is a controller that runs.
type process struct {
	cmd     *exec.Cmd
	address string
	stderr  bytes.Buffer
	done    chan struct{}
}

// start starts a controller on one CPU, with more arguments if it is ours, and waits until it listens.
func (c controller) start(ctx context.Context, cpu int, more ...string) (*process, error) {
	p := &process{address: freeAddress(), done: make(chan struct{})}
	args := append([]string{"taskset", "-c", strconv.Itoa(cpu)}, c.args(p.address, more...)...)
	p.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", p.address)
		if err == nil {
			return p, conn.Close()
		}
		select {
		case <-p.done:
			return nil, fmt.Errorf("%s: %v: %s", c.name, p.cmd.ProcessState, p.stderr.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.stop()
			return nil, fmt.Errorf("%s does not listen on %s: %w", c.name, p.address, err)
		}
	}
}

// stop ends the process and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// freeAddress returns an address of the loopback interface that nobody listens on now.
func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// cpuTime returns the processor time a process has used.
func cpuTime(pid int) time.Duration {
	const ticksPerSecond = 100 // USER_HZ, the same on every Linux
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is the name, in parentheses, and may hold anything; utime and stime are the 14th and 15th.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	utime, _ := strconv.Atoi(fields[11])
	stime, _ := strconv.Atoi(fields[12])
	return time.Duration(utime+stime) * time.Second / ticksPerSecond
}

// residentBytes returns how much memory of a process is resident.
func residentBytes(pid int) uint64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
