package measure

import (
	"math"
	"slices"
)

// Quantile returns the value of sorted at quantile q in [0, 1] by the nearest rank, which is one that was measured. It is
// zero for no values.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// A Spread describes a set of durations, in milliseconds.
type Spread struct {
	Min float64 `json:"min"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// SpreadOf returns the spread of the delays of live, rounded to microseconds; zero for none.
func SpreadOf(live []Delivery) Spread {
	ms := make([]float64, len(live))
	for i, d := range live {
		ms[i] = float64(d.Delay().Microseconds()) / 1000
	}
	slices.Sort(ms)
	return Spread{
		Min: Quantile(ms, 0),
		P50: Quantile(ms, 0.5),
		P95: Quantile(ms, 0.95),
		P99: Quantile(ms, 0.99),
		Max: Quantile(ms, 1),
	}
}
