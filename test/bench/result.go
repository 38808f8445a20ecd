package main

import (
	"cmp"
	"fmt"
	"time"
)

// A result is what one scenario measured of one controller in one round.
type result struct {
	Round          int     `json:"round"`
	Scenario       string  `json:"scenario"`
	Controller     string  `json:"controller"`
	Seconds        float64 `json:"seconds"`
	Responses      uint64  `json:"responses"`
	PerSecond      float64 `json:"responses_per_second"`
	P50            float64 `json:"p50_us,omitempty"` // closed loop only, as an open loop measures its own queue
	P99            float64 `json:"p99_us,omitempty"`
	P999           float64 `json:"p999_us,omitempty"`
	FlowMods       uint64  `json:"flow_mods"`
	Lost           uint64  `json:"lost"`      // requests without an answer
	Unmatched      uint64  `json:"unmatched"` // answers to nothing
	Checked        uint64  `json:"checked"`
	Wrong          uint64  `json:"wrong"`
	FirstWrong     string  `json:"first_wrong,omitempty"`
	CPUMicros      float64 `json:"cpu_us_per_response"`           // of the controller
	GeneratorCPU   float64 `json:"generator_cpu_us_per_response"` // of this program
	ResidentBytes  uint64  `json:"resident_bytes"`
	ResidentBefore uint64  `json:"resident_bytes_before,omitempty"` // stream: before there was any session

	latency *histogram // nil in an open loop
}

// totals are counts over all switches at one moment.
type totals struct {
	answers, flowMods, unmatched, checked, wrong uint64
	first                                        error
}

func total(switches []*simSwitch) (t totals) {
	for _, s := range switches {
		t.answers += s.counts.answers.Load()
		t.flowMods += s.counts.flowMods.Load()
		t.unmatched += s.counts.unmatched.Load()
		t.checked += s.counts.checked.Load()
		t.wrong += s.counts.wrong.Load()
		if err := s.counts.firstErr.Load(); err != nil && t.first == nil {
			t.first = *err
		}
	}
	return t
}

func (t totals) since(before totals, d time.Duration) result {
	r := result{
		Seconds: d.Seconds(), Responses: t.answers - before.answers, FlowMods: t.flowMods - before.flowMods,
		Unmatched: t.unmatched - before.unmatched, Checked: t.checked - before.checked, Wrong: t.wrong - before.wrong,
	}
	if t.first != nil && r.Wrong > 0 {
		r.FirstWrong = t.first.Error()
	}
	r.PerSecond = float64(r.Responses) / r.Seconds
	return r
}

// add takes what another measurement of the same saw as if both were one; of memory, the most that either took.
func (r *result) add(o *result) {
	if all := float64(r.Responses + o.Responses); all > 0 {
		mean := func(a, b float64) float64 { return (a*float64(r.Responses) + b*float64(o.Responses)) / all }
		r.CPUMicros, r.GeneratorCPU = mean(r.CPUMicros, o.CPUMicros), mean(r.GeneratorCPU, o.GeneratorCPU)
	}
	r.Seconds += o.Seconds
	r.Responses += o.Responses
	r.FlowMods += o.FlowMods
	r.Lost += o.Lost
	r.Unmatched += o.Unmatched
	r.Checked += o.Checked
	r.Wrong += o.Wrong
	r.PerSecond = float64(r.Responses) / r.Seconds
	r.FirstWrong = cmp.Or(r.FirstWrong, o.FirstWrong)
	r.ResidentBytes, r.ResidentBefore = max(r.ResidentBytes, o.ResidentBytes), max(r.ResidentBefore, o.ResidentBefore)
	r.latency.merge(o.latency)
}

// quantiles fills in the latencies.
func (r *result) quantiles() {
	micros := func(q float64) float64 { return float64(r.latency.quantile(q)) / float64(time.Microsecond) }
	if r.latency != nil && r.latency.n > 0 {
		r.P50, r.P99, r.P999 = micros(0.5), micros(0.99), micros(0.999)
	}
}

// bad tells why a result proves nothing, "" if it does.
func (r *result) bad() string {
	switch {
	case r.Wrong > 0:
		return fmt.Sprintf("%d of %d checked answers are wrong, for one: %s", r.Wrong, r.Checked, r.FirstWrong)
	case r.Responses == 0:
		return "no answer at all"
	case r.Checked == 0:
		return "no answer was checked"
	}
	return ""
}

// connected fails when a switch has lost its connection.
func connected(switches []*simSwitch) error {
	for i, s := range switches {
		select {
		case err := <-s.end:
			s.end <- err
			return fmt.Errorf("switch %d lost its connection: %v", i+1, err)
		default:
		}
	}
	return nil
}
