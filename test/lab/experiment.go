package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ofctl-live/ofctl-live/test/lab/measure"
)

// tryAgain is the exit status by which net.py says that Mininet got stuck before anything was measured.
const tryAgain = 75

// debianPython is the one that Debian's Mininet is installed for; another may come first in PATH.
const debianPython = "/usr/bin/python3"

// An event is one line of net.py's output.
type event struct {
	Event  string `json:"event"`
	Error  string `json:"error"`
	Host   string `json:"host"`
	Player string `json:"player"`
}

// An experiment executes a plan on the running kernel.
type experiment struct {
	plan  plan
	out   io.Writer // see screen
	begun time.Time
	took  time.Duration // by the last run
}

// errFailed says that a run failed, of which the reason has been shown.
var errFailed = errors.New("not every run succeeded; see above")

// run executes all runs, one after the other. A run that fails does not keep the next from running; it makes the error
// errFailed.
func (e *experiment) run(ctx context.Context) error {
	if err := startSwitch(ctx); err != nil {
		return err
	}
	e.begun = time.Now()
	e.took = time.Duration(e.plan.Seconds)*time.Second + setup
	var failed error
	for i, r := range e.plan.Runs {
		begun := time.Now()
		if err := e.one(ctx, i, r); err != nil {
			fmt.Fprintf(e.out, "%s: %v\n", r.title(), err)
			failed = errFailed
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e.took = time.Since(begun)
	}
	return failed
}

// minUptime is how long a machine must have run before Open vSwitch is started: earlier, version 3.1 counts no processors
// (its log says "Overriding n-handler-threads to 0" until the machine is ten seconds old), begins with no thread that takes
// packets from the kernel, and never gets those of its first datapath.
const minUptime = 11 * time.Second

// startSwitch makes sure that Open vSwitch runs.
func startSwitch(ctx context.Context) error {
	if exec.CommandContext(ctx, "ovs-vsctl", "--timeout=3", "show").Run() == nil {
		return nil
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &up); err != nil {
		return fmt.Errorf("start Open vSwitch: %w", err)
	}
	select {
	case <-time.After(minUptime - time.Duration(up.Nano())):
	case <-ctx.Done():
		return ctx.Err()
	}
	out, err := exec.CommandContext(ctx, "/usr/share/openvswitch/scripts/ovs-ctl", "--system-id=random", "--no-monitor", "start").CombinedOutput()
	if err != nil {
		return fmt.Errorf("start Open vSwitch: %w\n%s", err, out)
	}
	return nil
}

// one executes one run and tells what came of it.
func (e *experiment) one(ctx context.Context, index int, r run) (err error) {
	folder := e.plan.folder(r)
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o755)); err != nil {
		return err
	}
	d, err := startDaemon(ctx, e.plan, r, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	err = e.network(ctx, index, r, folder)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == tryAgain {
		fmt.Fprintf(e.out, "%s: %v; trying again\n", r.title(), err)
		err = e.network(ctx, index, r, folder)
	}
	if err != nil {
		return err
	}
	page, err := d.metrics(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "metrics.txt"), []byte(page), 0o644); err != nil {
		return err
	}
	result, err := analyse(e.plan, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%-34s %s\n", r.title(), describe(result))
	return nil
}

// describe tells a run's outcome in a line.
func describe(r measure.Run) string {
	var delays []string
	for _, v := range r.Viewers {
		delays = append(delays, fmt.Sprintf("%s %.0f ms from %s", v.Host, v.Delay.P50, v.Source))
	}
	return "p50 " + strings.Join(delays, ", ")
}

// network runs net.py, which does the run, and shows how far it is.
func (e *experiment) network(ctx context.Context, index int, r run, folder string) error {
	spec := struct { // what net.py reads
		run
		Seconds    int      `json:"seconds"`
		Drain      int      `json:"drain_s"` // longest wait for what is queued at the end of the stream
		Folder     string   `json:"folder"`
		Clip       string   `json:"clip"`
		Daemon     string   `json:"daemon"`
		Topologies string   `json:"topologies"`
		CDNConfig  string   `json:"cdn_config"`
		PeerConfig string   `json:"peer_config"`
		RelayFlags []string `json:"relay_flags"`
		Window     int      `json:"initcwnd"`
	}{
		run: r, RelayFlags: append([]string{}, e.plan.RelayFlags...), Window: e.plan.InitialWindow, Seconds: e.plan.Seconds, Drain: e.plan.Seconds, Folder: folder, Clip: e.plan.clip(), Daemon: e.plan.Daemon,
		Topologies: filepath.Join(e.plan.Repo, "deploy/mininet/livestream.py"),
		CDNConfig:  filepath.Join(e.plan.Repo, "deploy/mininet/cdn.conf"),
		PeerConfig: filepath.Join(e.plan.Repo, "deploy/peer/nginx.conf"),
	}
	text, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(folder, "spec.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(folder, "net.log"))
	if err != nil {
		return err
	}
	defer log.Close()

	cmd := exec.CommandContext(ctx, debianPython, "-B", filepath.Join(e.plan.Repo, "test/lab/net.py"), file)
	cmd.Stderr = log
	// It has a network to take down.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	events := make(chan event)
	go func() {
		defer close(events)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var v event
			if json.Unmarshal(lines.Bytes(), &v) == nil {
				events <- v
			}
			fmt.Fprintln(log, lines.Text())
		}
	}()
	failure := e.follow(index, r, events)
	if err := cmd.Wait(); err != nil {
		if failure == "" {
			failure = "the run did not end as it should"
		}
		return fmt.Errorf("%s (%w): see %s", failure, err, folder)
	}
	return nil
}

// follow shows progress while a run goes on, and returns what it says went wrong.
func (e *experiment) follow(index int, r run, events <-chan event) (failure string) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	runBegun, doing := time.Now(), "building the network"
	for {
		left := max(0, e.took-time.Since(runBegun)) + time.Duration(len(e.plan.Runs)-index-1)*e.took
		fmt.Fprintf(e.out, "%srun %d of %d: %s: %s; %s elapsed, about %s remaining\n", transient,
			index+1, len(e.plan.Runs), r.title(), doing, clock(time.Since(e.begun)), clock(left))
		select {
		case <-tick.C:
		case v, open := <-events:
			if !open {
				return failure
			}
			switch v.Event {
			case "built":
				doing = "starting servers"
			case "publishing":
				doing = "streaming"
			case "published":
				doing = "draining"
			case "failed":
				failure = v.Error
			}
		}
	}
}

// clock is a duration as minutes and seconds.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
