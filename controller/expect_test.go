package controller

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestMetricsExpected has every series that a fresh controller can come to fill shown at 0.
func TestMetricsExpected(t *testing.T) {
	r := newRig(t)
	if n := testutil.CollectAndCount(r.c.metrics.sessions); n != 2 {
		t.Errorf("%d series of sessions, want the CDN's and the peer's", n)
	}
	if got := testutil.ToFloat64(r.c.metrics.sessions.WithLabelValues("bypass", "hb-relay")); got != 0 {
		t.Errorf("%v sessions at the peer before any began", got)
	}
	if n := testutil.CollectAndCount(r.c.metrics.install); n < 1 {
		t.Error("no histogram of installations yet")
	}
}
