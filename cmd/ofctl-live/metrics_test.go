package main

import (
	"io"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ofctl-live/ofctl-live/internal/api"
	"github.com/ofctl-live/ofctl-live/internal/config"
)

// All that the daemon exports is named as Prometheus asks for, with the project's prefix, and gathered without a clash.
func TestMetricsLint(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	newDaemonMetrics(reg)
	api.NewMetrics(reg)
	cfg := config.Default()
	if _, err := newController(cfg, newLogger(cfg.Log, io.Discard), reg); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "ofctl_") {
			t.Errorf("%s lacks the prefix ofctl_", f.GetName())
		}
	}
	if len(families) < 5 {
		t.Errorf("%d metrics only", len(families))
	}
}
