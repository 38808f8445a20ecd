package main

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// daemonMetrics tells what runs and whether it runs on the configuration that was last asked for.
type daemonMetrics struct {
	reloadOK   prometheus.Gauge
	reloadTime prometheus.Gauge
}

func newDaemonMetrics(reg prometheus.Registerer) *daemonMetrics {
	m := &daemonMetrics{
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ofctl_config_last_reload_successful",
			Help: "1 if the configuration was accepted when it was last read, else 0.",
		}),
		reloadTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ofctl_config_last_reload_success_timestamp_seconds",
			Help: "When a configuration was last accepted.",
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "ofctl_build_info",
		Help:        "Always 1; the labels say which build runs.",
		ConstLabels: prometheus.Labels{"version": buildVersion(), "goversion": runtime.Version()},
	})
	info.Set(1)
	reg.MustRegister(m.reloadOK, m.reloadTime, info)
	return m
}

func (m *daemonMetrics) loaded() {
	m.reloadOK.Set(1)
	m.reloadTime.SetToCurrentTime()
}

func (m *daemonMetrics) failed() { m.reloadOK.Set(0) }
