// Command lab measures the delay of a live stream, frame by frame, through real Mininet networks under the policies of
// ofctl-live. Where the kernel or the caller's rights do not allow that, it does the same in a user-mode kernel.
//
// Results are written to a folder: delay-plot.png, frames.csv, summary.json, and below runs/ what they were made from.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ofctl-live/ofctl-live/test/lab/measure"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		stop()
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{Use: "lab", Short: "Measure stream delay in Mininet", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(runCommand(), insideCommand(), analyseCommand())
	return root
}

func runCommand() *cobra.Command {
	// A relay's GOP cache would buy an earlier first picture with delay from then on, and delay is what is measured here.
	o := options{set: "lab", peer: "relay", relay: []string{"--join=live"}, seconds: 30, out: "results", daemon: "bin/ofctl-live", config: "configs/bypass.yaml"}
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the experiment",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := o.plan()
			if err != nil {
				return err
			}
			out := newScreen(os.Stdout)
			summary, err := perform(c.Context(), p, out)
			return errors.Join(err, promises(summary, out))
		},
	}
	c.Flags().StringVar(&o.set, "set", o.set, "runs: lab for all, demo for the shortest pair, crowd for that with most viewers, or of your own as TOPOLOGY,VIEWERS")
	c.Flags().StringVar(&o.peer, "peer", o.peer, "what serves as peer: nginx or relay")
	c.Flags().StringVar(&o.policy, "policy", "", "only the runs under this policy (default both)")
	c.Flags().StringArrayVar(&o.relay, "relay-flag", o.relay, "further flag of the relay, repeatable")
	c.Flags().IntVar(&o.window, "initcwnd", 0, "first congestion window of the servers' hosts, in segments (default the kernel's 10)")
	c.Flags().IntVar(&o.seconds, "seconds", o.seconds, "length of each stream")
	c.Flags().StringVar(&o.out, "out", o.out, "folder for results")
	c.Flags().StringVar(&o.daemon, "daemon", o.daemon, "the ofctl-live binary")
	c.Flags().StringVar(&o.config, "config", o.config, "its configuration; that of crowd is its own")
	return c
}

// options are the run command's flags.
type options struct {
	set, peer, policy, out, daemon, config string
	relay                                  []string
	seconds, window                        int
}

// plan checks the options and completes them; relative paths become absolute.
func (o options) plan() (plan, error) {
	runs, err := runsOf(o.set, o.peer)
	if err != nil {
		return plan{}, err
	}
	if !slices.Contains(peerNames, o.peer) {
		return plan{}, fmt.Errorf("no peer is called %q: nginx and relay are", o.peer)
	}
	if o.seconds < 5 {
		return plan{}, fmt.Errorf("a stream of %d s is over before a distant viewer has joined: 5 s at least", o.seconds)
	}
	if o.policy != "" {
		if !slices.Contains(policyNames, o.policy) {
			return plan{}, fmt.Errorf("no policy is called %q: direct and bypass are", o.policy)
		}
		runs = slices.DeleteFunc(runs, func(r run) bool { return r.Policy != o.policy })
	}
	p := plan{Seconds: o.seconds, RelayFlags: o.relay, InitialWindow: o.window, Runs: runs}
	if p.Repo, err = repository(); err != nil {
		return p, err
	}
	for _, path := range []struct {
		to   *string
		from string
	}{{&p.Out, o.out}, {&p.Daemon, o.daemon}, {&p.Config, o.config}} {
		if *path.to, err = filepath.Abs(path.from); err != nil {
			return p, err
		}
	}
	for _, file := range []string{p.Daemon, p.Config} {
		if _, err := os.Stat(file); err != nil {
			return p, err
		}
	}
	return p, nil
}

// repository finds the root of the repository, upward from the working directory.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not within the repository: its go.mod is nowhere above")
		}
		dir = parent
	}
}

// perform executes a plan, here or in a user-mode kernel, writes the results and returns them. The error tells what makes
// them worthless.
func perform(ctx context.Context, p plan, out *screen) (measure.Summary, error) {
	var none measure.Summary
	if err := os.MkdirAll(filepath.Join(p.Out, "runs"), 0o755); err != nil {
		return none, err
	}
	if err := encodeClip(ctx, p.clip(), p.Seconds); err != nil {
		return none, err
	}
	if err := p.write(filepath.Join(p.Out, "runs", "plan.json")); err != nil {
		return none, err
	}
	reason := unfit()
	var failed error
	if reason == nil {
		e := experiment{plan: p, out: out}
		failed = e.run(ctx)
	} else {
		fmt.Fprintf(out, "Running in a user-mode kernel, because here: %v.\n", reason)
		status, err := boot(ctx, p, out)
		if err != nil {
			return none, err
		}
		if status != 0 {
			failed = errFailed
		}
	}
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	summary, err := report(p, out)
	return summary, errors.Join(failed, err)
}

// insideCommand is what init.sh calls: the kernel is the right one, and results are written outside.
func insideCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "inside PLAN",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := readPlan(args[0])
			if err != nil {
				return err
			}
			if err := unfit(); err != nil {
				return err
			}
			e := experiment{plan: p, out: os.Stdout}
			err = e.run(c.Context())
			if errors.Is(err, errFailed) {
				os.Exit(1) // without a word: the outside says it
			}
			return err
		},
	}
}

// analyseCommand repeats the measurement on captures that exist.
func analyseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "analyse [RESULTS]",
		Short: "Measure and plot again what a run has captured",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "results"
			if len(args) > 0 {
				dir = args[0]
			}
			p, err := readPlan(filepath.Join(dir, "runs", "plan.json"))
			if err != nil {
				return err
			}
			out := newScreen(os.Stdout)
			summary, err := report(p, out)
			return errors.Join(err, promises(summary, out))
		},
	}
}

// encodeClip makes the stream: moving picture and sound, about 600 kb/s, 30 pictures a second, with noise in both, so
// that no two frames are equal. It is encoded beforehand, so that every run has the same stream and no encoder competes
// with what is measured.
func encodeClip(ctx context.Context, path string, seconds int) error {
	cmd := exec.CommandContext(ctx, "ffmpeg", "-y", "-nostdin", "-loglevel", "error",
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30,noise=alls=12:allf=t",
		"-f", "lavfi", "-i", "anoisesrc=r=44100:a=0.3", "-t", fmt.Sprint(seconds),
		"-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p",
		"-g", "30", "-keyint_min", "30", "-sc_threshold", "0", "-b:v", "530k", "-maxrate", "530k", "-bufsize", "130k",
		"-c:a", "aac", "-b:a", "64k", "-ac", "1", "-f", "flv", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("encode the stream: %w\n%s", err, out)
	}
	return nil
}
