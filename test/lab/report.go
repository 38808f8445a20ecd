package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/ofctl-live/ofctl-live/test/lab/figure"
	"github.com/ofctl-live/ofctl-live/test/lab/measure"
)

// Names of the results.
const (
	plotFile    = "delay-plot.png"
	crowdFile   = "crowd-plot.png"
	framesFile  = "frames.csv"
	summaryFile = "summary.json"
)

// report measures every run of a plan, writes the results and shows the table. The error tells what makes them worthless.
func report(p plan, out io.Writer) (measure.Summary, error) {
	var summary measure.Summary
	var failures []error
	for _, r := range p.Runs {
		result, err := analyse(p, r)
		if err == nil {
			err = judge(result)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", r.title(), err))
		}
		if len(result.Viewers) > 0 {
			summary.Runs = append(summary.Runs, result)
		}
	}
	if len(summary.Runs) == 0 {
		return summary, errors.Join(append(failures, errors.New("no run left anything to measure"))...)
	}
	if err := writeResults(p.Out, summary); err != nil {
		return summary, errors.Join(append(failures, err)...)
	}
	table(out, summary)
	fmt.Fprintf(out, "\nDelay of every frame: %s\nFigures: %s, %s\n\n", filepath.Join(p.Out, "*-plot.png"),
		filepath.Join(p.Out, summaryFile), filepath.Join(p.Out, framesFile))
	return summary, errors.Join(failures...)
}

func writeResults(dir string, s measure.Summary) error {
	write := func(name string, content func(io.Writer) error) error {
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		return errors.Join(content(file), file.Close())
	}
	crowds, others := measure.Summary{}, measure.Summary{}
	for _, r := range s.Runs {
		to := &others
		if r.Topology == crowdTopology {
			to = &crowds
		}
		to.Runs = append(to.Runs, r)
	}
	err := errors.Join(write(summaryFile, s.WriteJSON), write(framesFile, s.WriteCSV))
	if len(others.Runs) > 0 {
		err = errors.Join(err, write(plotFile, func(w io.Writer) error { return figure.Delays(w, others) }))
	}
	if len(crowds.Runs) > 0 {
		err = errors.Join(err, write(crowdFile, func(w io.Writer) error { return figure.Crowd(w, crowds) }))
	}
	return err
}

// table shows a line per viewer, and per run the CDN's link.
func table(out io.Writer, s measure.Summary) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\ntopology\tpolicy\tpeer\tviewer\tplayer\tsource\tframes\tlost\ttwice\tbacklog\tfloor\tleast\tmin\tp50\t/least\tp95\tp99\tmax ms\tfirst\tstalls\tCDN in\tout kB\tinstall p50\tp99 ms\t")
	for _, r := range s.Runs {
		for i, v := range r.Viewers {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t%.0f\t%.0f\t%.0f\t%.0f\t%d\t",
				r.Topology, r.Policy, r.Peer, v.Host, v.Player, v.Source, v.Frames.Received, v.Frames.Unmatched, v.Frames.Duplicate,
				v.Match().Counts().Backlog, v.Floor, v.Least, v.Delay.Min, v.Delay.P50, v.Delay.P50/v.Least, v.Delay.P95, v.Delay.P99, v.Delay.Max, v.FirstFrame, v.Stalls)
			if i == 0 {
				fmt.Fprintf(w, "%d\t%d\t%.2f\t%.2f\t", r.CDNLinkBytes.In/1000, r.CDNLinkBytes.Out/1000, r.FlowInstall.P50, r.FlowInstall.P99)
			} else {
				fmt.Fprint(w, "\t\t\t\t")
			}
			fmt.Fprintln(w)
		}
	}
	w.Flush()
	for _, r := range s.Runs {
		for _, e := range r.Edges {
			fmt.Fprintf(out, "%s, %s: %d viewers at %s got %d kB, for which the CDN sent %d kB: offload %.1f%%\n",
				r.Topology, r.Policy, e.Viewers, e.Switch, e.Delivered/1000, e.FromCDN/1000, 100*e.Offload)
		}
	}
}

// judge tells what makes a run's measurement a failure. Frames may be lost where a policy lets the CDN's link
// congest; they may not with one viewer, or under bypass.
func judge(r measure.Run) error {
	var all []error
	for _, v := range r.Viewers {
		fail := func(format string, args ...any) {
			all = append(all, fmt.Errorf("%s: "+format, append([]any{v.Host}, args...)...))
		}
		if n := v.Match().Repeated; n > 0 {
			fail("%d frames of the stream are not unique", n)
		}
		if v.Frames.Received == 0 {
			fail("no frames")
			continue
		}
		if v.Frames.Unmatched > 0 && (len(r.Viewers) == 1 || r.Policy != "direct") {
			fail("%d frames unmatched", v.Frames.Unmatched)
		}
		if v.Frames.Duplicate > 0 {
			fail("%d frames arrived more than once", v.Frames.Duplicate)
		}
		if r.Policy == "direct" && v.Source != "cdn" {
			fail("served from %s, not the CDN", v.Source)
		}
		if v.Delay.Min < v.Floor {
			fail("a delay of %.1f ms is less than the path's %.0f: the measurement is wrong", v.Delay.Min, v.Floor)
		}
	}
	return errors.Join(all...)
}

// promises shows how the results compare to what the project promises, and returns what does not hold.
func promises(s measure.Summary, out io.Writer) error {
	var broken []error
	check := func(holds bool, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if holds {
			fmt.Fprintln(out, "  holds ", text)
		} else {
			fmt.Fprintln(out, "  BROKEN", text)
			broken = append(broken, errors.New(text))
		}
	}
	direct := make(map[string]measure.Run)
	for _, r := range s.Runs {
		if r.Policy == "direct" {
			direct[comparison(r)] = r
		}
	}
	for _, r := range s.Runs {
		if r.Topology == crowdTopology {
			crowdPromises(r, check)
			continue
		}
		d, paired := direct[comparison(r)]
		if r.Policy != "bypass" || r.Topology != "single" || !paired {
			continue
		}
		if n := len(r.Viewers); n == 1 {
			v, w := r.Viewers[0], d.Viewers[0]
			check(v.Delay.P50 <= 1.2*v.Floor, "single, 1 viewer: bypass by %s: p50 %.0f ms is within 20%% of the path's %.0f ms", r.Peer, v.Delay.P50, v.Floor)
			check(w.Delay.P50 >= 3.5*v.Delay.P50, "single, 1 viewer: direct: p50 %.0f ms is at least 3.5 times the %.0f ms by %s", w.Delay.P50, v.Delay.P50, r.Peer)
		} else {
			for _, v := range r.Viewers {
				check(v.Delay.P50 <= 1.3*v.Floor, "single, %d viewers: %s's bypass p50 %.0f ms is within 30%% of the path's %.0f ms", n, v.Host, v.Delay.P50, v.Floor)
			}
			check(r.CDNLinkBytes.Out < r.CDNLinkBytes.In/4, "single, %d viewers: under bypass the CDN's link carries one copy: %d kB in, %d kB out (direct: %d kB out)",
				n, r.CDNLinkBytes.In/1000, r.CDNLinkBytes.Out/1000, d.CDNLinkBytes.Out/1000)
		}
	}
	return errors.Join(broken...)
}

// comparison is what runs must share to be compared.
func comparison(r measure.Run) string {
	return fmt.Sprintf("%s %d", r.Topology, len(r.Viewers))
}
