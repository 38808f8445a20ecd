package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// A target is what a scenario is to reach.
type target struct {
	scenario string
	what     string
	of       func(summary) float64 // 0 where it was not measured
	bound    float64
	most     bool // bound is the most it may be, else the least
	format   string
}

// Speed is by the clock, and counts what else the machine did; a ratio has that on both sides.
var targets = []target{
	{scenario: "open 16", what: "responses/s, ratio", of: perSecond, bound: 10, format: "%.1f x"},
	{scenario: "open 16, a rule each", what: "responses/s, ratio", of: perSecond, bound: 10, format: "%.1f x"},
	{scenario: "open 16", what: "responses/s, fastest round", of: fastest, bound: 1.5e6, format: "%.0f"},
	{scenario: "closed 16x1", what: "responses/s, ratio", of: perSecond, bound: 1, format: "%.2f x"},
	{scenario: "closed 1x1", what: "p50, ratio", of: func(s summary) float64 { return s.P50 }, bound: 1, most: true, format: "%.2f x"},
	{scenario: "closed 16x32", what: "p99, ratio", of: func(s summary) float64 { return s.P99 }, bound: 0.5, most: true, format: "%.2f x"},
	{scenario: streamScenario, what: "decisions/s, fastest round", of: fastest, bound: 200e3, format: "%.0f"},
}

func perSecond(s summary) float64 { return s.PerSecond }

func fastest(s summary) float64 { return s.Controllers[ourName].Fastest }

// targets returns a table of what was to be reached and what was, in Markdown.
func (r *report) targets() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| scenario | | target | measured |\n|---|---|---|---|\n")
	for _, t := range targets {
		for _, s := range r.Summary {
			v := t.of(s)
			if s.Scenario != t.scenario || v == 0 {
				continue
			}
			bound, verdict := "at least ", "reached"
			if t.most {
				bound = "at most "
			}
			if v != t.bound && v > t.bound == t.most {
				verdict = "not reached"
			}
			fmt.Fprintf(&b, "| %s | %s | %s"+t.format+" | "+t.format+", %s |\n", t.scenario, t.what, bound, t.bound, v, verdict)
		}
	}
	return b.String()
}

// figures returns the summary as a table in Markdown, ratios below the two they compare.
func (r *report) figures() string {
	var b strings.Builder
	b.WriteString("| scenario | | responses/s | p50 µs | p99 µs | p99.9 µs | CPU µs each | rules each | resident MB |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range r.Summary {
		for _, name := range []string{ourName, otherName} {
			if v, ok := s.Controllers[name]; ok {
				fmt.Fprintf(&b, "| %s | %s | %.0f | %.0f | %.0f | %.0f | %.2f | %.2f | %.0f |\n",
					s.Scenario, name, v.PerSecond, v.P50, v.P99, v.P999, v.CPUMicros, v.ModsPer, v.Resident/1e6)
			}
		}
		if s.PerSecond > 0 {
			fmt.Fprintf(&b, "| | **ratio** | **%.2f** | **%.2f** | **%.2f** | **%.2f** | **%.2f** | | %.1f |\n",
				s.PerSecond, s.P50, s.P99, s.P999, s.CPU, s.Resident)
		}
	}
	return b.String()
}

// Between these lines a document has the tables.
const (
	tablesBegin = "<!-- make bench-doc: begin -->\n"
	tablesEnd   = "<!-- make bench-doc: end -->\n"
)

// updateDocument puts the tables of the results in a file into a document, in place of those it has.
func updateDocument(document, results string) error {
	text, err := os.ReadFile(results)
	if err != nil {
		return err
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%s: %w", results, err)
	}
	old, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(old, []byte(tablesBegin))
	_, after, closed := bytes.Cut(rest, []byte(tablesEnd))
	if !ok || !closed {
		return fmt.Errorf("%s: the lines that the tables belong between are not there:\n%s%s", document, tablesBegin, tablesEnd)
	}
	tables := fmt.Sprintf("Version: %s. Medians of %d rounds of %.1f s for each scenario.\n\n%s\n%s",
		r.Version, r.Rounds, r.Seconds, r.targets(), r.figures())
	return os.WriteFile(document, bytes.Join([][]byte{before, []byte(tablesBegin + "\n" + tables + "\n" + tablesEnd), after}, nil), 0o644)
}
