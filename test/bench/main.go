package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// pinned in the environment says that this process runs on its own CPU already.
const pinned = "OFCTL_BENCH_PINNED"

func run() error {
	binary := flag.String("binary", "bin/ofctl-live", "the ofctl-live to measure")
	out := flag.String("out", "results/bench.json", "where to write the results")
	document := flag.String("document", "", "measure nothing; put the tables of the results at -out into this document")
	rounds := flag.Int("rounds", 3, "rounds, each with every controller started anew")
	length := flag.Duration("length", 4*time.Second, "how long each scenario is measured")
	lead := flag.Duration("lead", time.Second, "how long each scenario runs before that")
	buffered := flag.Bool("buffered", false, "have the switches buffer packets, as Open vSwitch no longer does")
	dests := flag.Int("destinations", 100, "hosts behind each switch that its 1000 sources send to where each answer is to have a rule, 10 to 200")
	connections := flag.Int("connections", 6250, "new connections behind each of the 16 switches in the stream scenario; 0 leaves it out")
	only := flag.String("only", "", "measure only the controller of this name")
	which := flag.String("scenario", "", "measure only the scenario of this name, "+strings.Join(scenarioNames(), "; "))
	own, other := flag.Int("cpu", 0, "the CPU of the load"), flag.Int("controller-cpu", 1, "the CPU of the controller")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if most := sources * (65535 - firstPort); *connections > most {
		return fmt.Errorf("%d connections: up to %d are possible", *connections, most)
	}
	if *which != "" && !slices.Contains(scenarioNames(), *which) {
		return fmt.Errorf("no scenario %q: there are %s", *which, strings.Join(scenarioNames(), "; "))
	}
	if *document != "" {
		return updateDocument(*document, *out)
	}
	if *dests < few || *dests > 200 {
		return fmt.Errorf("%d destinations: %d to 200 are possible", *dests, few)
	}
	if runtime.NumCPU() < 2 && os.Getenv(pinned) == "" {
		return fmt.Errorf("two CPUs are needed, one for the load and one for the controller")
	}
	if os.Getenv(pinned) == "" {
		return pin(*own)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()

	m := measurement{lead: *lead, length: *length, pairs: allPairs(*dests, *buffered), buffered: *buffered, connections: *connections, only: *which, cpu: *other, progress: progress(time.Now())}
	version, err := exec.Command(*binary, "version").Output()
	if err != nil {
		return fmt.Errorf("%s version: %w", *binary, err)
	}
	rep := report{Time: time.Now(), CPU: cpuModel(), Version: strings.TrimSpace(string(version)), Buffered: *buffered, Destinations: *dests, Rounds: *rounds, Seconds: length.Seconds()}
	all := controllers(*binary)
	order := slices.Clone(all)
	for n := 1; n <= *rounds; n++ {
		if n > 1 {
			slices.Reverse(order)
		}
		for _, c := range order {
			if *only != "" && c.name != *only || *which == streamScenario {
				continue
			}
			results, err := m.round(ctx, c, n)
			rep.Results = append(rep.Results, results...)
			if err != nil {
				return err
			}
		}
		if ours := all[0]; *connections > 0 && (*only == "" || *only == ours.name) && (*which == "" || *which == streamScenario) {
			r, err := m.streamRound(ctx, ours, n)
			if err != nil {
				return err
			}
			rep.Results = append(rep.Results, r)
		}
	}
	rep.Summary = summarize(rep.Results, ourName, otherName)
	rep.print(os.Stdout, []string{ourName, otherName})
	if err := rep.write(*out); err != nil {
		return err
	}
	fmt.Printf("\n%s\nall results: %s; make bench-doc puts the tables into docs/performance.md\n", rep.targets(), *out)
	for i := range rep.Results {
		if r := &rep.Results[i]; r.bad() != "" {
			return fmt.Errorf("round %d, %s, %s: %s", r.Round, r.Controller, r.Scenario, r.bad())
		}
	}
	return nil
}

// pin runs this program again on one CPU.
func pin(cpu int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return fmt.Errorf("taskset is needed, of the package util-linux: %w", err)
	}
	args := append([]string{taskset, "-c", strconv.Itoa(cpu), self}, os.Args[1:]...)
	return syscall.Exec(taskset, args, append(os.Environ(), pinned+"=1"))
}

// progress returns a function that tells what is going on.
func progress(start time.Time) func(string) {
	return func(what string) {
		fmt.Fprintf(os.Stderr, "%6.1f s  %s\n", time.Since(start).Seconds(), what)
	}
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
