package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"
)

// A report is what a run of the benchmark found: every result, and for each scenario the medians over the rounds.
type report struct {
	Time         time.Time `json:"time"`
	CPU          string    `json:"cpu"`
	Version      string    `json:"version"` // of ofctl-live
	Buffered     bool      `json:"buffered"`
	Destinations int       `json:"destinations"`
	Rounds       int       `json:"rounds"`
	Seconds      float64   `json:"seconds_per_scenario"`
	Summary      []summary `json:"summary"`
	Results      []result  `json:"results"`
}

// A summary compares the controllers in one scenario. Ratios are of ours to the other's.
type summary struct {
	Scenario    string           `json:"scenario"`
	Controllers map[string]stats `json:"controllers"`
	PerSecond   float64          `json:"ratio_responses_per_second"`
	P50         float64          `json:"ratio_p50,omitempty"`
	P99         float64          `json:"ratio_p99,omitempty"`
	P999        float64          `json:"ratio_p999,omitempty"`
	CPU         float64          `json:"ratio_cpu_per_response"`
	Resident    float64          `json:"ratio_resident"`
}

// stats are medians over rounds.
type stats struct {
	PerSecond    float64 `json:"responses_per_second"`
	Slowest      float64 `json:"slowest_round_responses_per_second"`
	Fastest      float64 `json:"fastest_round_responses_per_second"`
	P50          float64 `json:"p50_us,omitempty"`
	P99          float64 `json:"p99_us,omitempty"`
	P999         float64 `json:"p999_us,omitempty"`
	CPUMicros    float64 `json:"cpu_us_per_response"`
	GeneratorCPU float64 `json:"generator_cpu_us_per_response"`
	Resident     float64 `json:"resident_bytes"`
	ModsPer      float64 `json:"flow_mods_per_response"`
	Lost         uint64  `json:"lost"`
	Wrong        uint64  `json:"wrong"`
}

func median(all []result, of func(*result) float64) float64 {
	v := make([]float64, len(all))
	for i := range all {
		v[i] = of(&all[i])
	}
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

func statsOf(all []result) stats {
	rate := func(r *result) float64 { return r.PerSecond }
	s := stats{
		PerSecond: median(all, rate), Slowest: all[0].PerSecond, Fastest: all[0].PerSecond,
		P50:          median(all, func(r *result) float64 { return r.P50 }),
		P99:          median(all, func(r *result) float64 { return r.P99 }),
		P999:         median(all, func(r *result) float64 { return r.P999 }),
		CPUMicros:    median(all, func(r *result) float64 { return r.CPUMicros }),
		GeneratorCPU: median(all, func(r *result) float64 { return r.GeneratorCPU }),
		Resident:     median(all, func(r *result) float64 { return float64(r.ResidentBytes) }),
		ModsPer:      median(all, func(r *result) float64 { return float64(r.FlowMods) / float64(max(r.Responses, 1)) }),
	}
	for i := range all {
		s.Slowest, s.Fastest = min(s.Slowest, all[i].PerSecond), max(s.Fastest, all[i].PerSecond)
		s.Lost += all[i].Lost
		s.Wrong += all[i].Wrong
	}
	return s
}

// summarize compares, scenario by scenario, ours with theirs.
func summarize(results []result, ours, theirs string) []summary {
	var out []summary
	for _, name := range scenarioNames() {
		sum := summary{Scenario: name, Controllers: map[string]stats{}}
		for _, name := range []string{ours, theirs} {
			var all []result
			for _, r := range results {
				if r.Scenario == sum.Scenario && r.Controller == name {
					all = append(all, r)
				}
			}
			if len(all) > 0 {
				sum.Controllers[name] = statsOf(all)
			}
		}
		a, aOK := sum.Controllers[ours]
		b, bOK := sum.Controllers[theirs]
		if aOK && bOK {
			sum.PerSecond, sum.CPU, sum.Resident = ratio(a.PerSecond, b.PerSecond), ratio(a.CPUMicros, b.CPUMicros), ratio(a.Resident, b.Resident)
			sum.P50, sum.P99, sum.P999 = ratio(a.P50, b.P50), ratio(a.P99, b.P99), ratio(a.P999, b.P999)
		}
		if len(sum.Controllers) > 0 {
			out = append(out, sum)
		}
	}
	return out
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// print writes the summary as a table.
func (r *report) print(w io.Writer, names []string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tresponses/s\trounds\tp50 µs\tp99 µs\tp99.9 µs\tCPU µs each\tload's\tflow mods each\tresident MB\tlost\twrong\t")
	micros := func(v float64) string {
		if v == 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f", v)
	}
	for _, s := range r.Summary {
		fmt.Fprintf(t, "%s\t\t\t\t\t\t\t\t\t\t\t\t\n", s.Scenario)
		for _, name := range names {
			v, ok := s.Controllers[name]
			if !ok {
				continue
			}
			fmt.Fprintf(t, "%s\t%.0f\t%.0f-%.0f\t%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t%.1f\t%d\t%d\t\n", name, v.PerSecond, v.Slowest, v.Fastest,
				micros(v.P50), micros(v.P99), micros(v.P999), v.CPUMicros, v.GeneratorCPU, v.ModsPer, v.Resident/1e6, v.Lost, v.Wrong)
		}
		if s.PerSecond > 0 {
			x := func(v float64) string {
				if v == 0 {
					return "-"
				}
				return fmt.Sprintf("x %.2f", v)
			}
			fmt.Fprintf(t, "ratio\t%s\t\t%s\t%s\t%s\t%s\t\t\t%s\t\t\t\n", x(s.PerSecond), x(s.P50), x(s.P99), x(s.P999), x(s.CPU), x(s.Resident))
		}
	}
	t.Flush()
}

// write writes the report as JSON.
func (r *report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
