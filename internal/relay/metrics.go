package relay

import "github.com/prometheus/client_golang/prometheus"

// metrics are what a relay counts. Streams have no series of their own: their names are the world's to choose.
type metrics struct {
	viewers, streams, published prometheus.Gauge
	connections                 prometheus.Gauge
	bytesIn, bytesOut           prometheus.Counter
	messages                    prometheus.Counter
	skipped                     prometheus.Counter
	refused                     *prometheus.CounterVec
	upstreams                   *prometheus.GaugeVec
	dials                       *prometheus.CounterVec
	switches                    *prometheus.CounterVec
	pushes                      prometheus.Gauge
	registered                  prometheus.Gauge
	added                       prometheus.Histogram
	draining                    prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "ofctl_relay_" + name, Help: help})
		r.MustRegister(g)
		return g
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "ofctl_relay_" + name, Help: help})
		r.MustRegister(c)
		return c
	}
	counters := func(name, help, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ofctl_relay_" + name, Help: help}, []string{label})
		r.MustRegister(c)
		return c
	}
	m := &metrics{
		viewers:     gauge("viewers", "Viewers being served."),
		streams:     gauge("streams", "Streams held."),
		published:   gauge("published_streams", "Streams that a publisher brings here."),
		connections: gauge("connections", "Open RTMP connections that were accepted."),
		bytesIn:     counter("received_bytes_total", "Bytes of stream received from publishers and upstreams."),
		bytesOut:    counter("sent_bytes_total", "Bytes of stream sent to viewers."),
		messages:    counter("messages_total", "Messages taken into streams."),
		skipped:     counter("skipped_messages_total", "Messages left out for viewers that lagged behind."),
		refused:     counters("refused_total", "Connections refused, by reason.", "reason"),
		dials:       counters("upstream_dials_total", "Connections tried to upstreams, by result.", "result"),
		switches:    counters("upstream_switches_total", "Changes of a stream's source, by whether both overlapped.", "kind"),
		pushes:      gauge("pushes", "Streams being pushed."),
		registered:  gauge("registered", "1 while the controller knows this relay."),
		draining:    gauge("draining", "1 while the relay takes no new viewers."),
		upstreams: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ofctl_relay_upstream_connections", Help: "Connections to upstreams, by state.",
		}, []string{"state"}),
		added: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "ofctl_relay_added_delay_seconds",
			Help:    "From a message's last byte read to its last byte written, each viewer counted; joins left out.",
			Buckets: []float64{.00002, .00005, .0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}),
	}
	r.MustRegister(m.upstreams, m.added)
	for _, l := range []string{"ok", "failed"} {
		m.dials.WithLabelValues(l)
	}
	for _, l := range []string{"seamless", "keyframe"} {
		m.switches.WithLabelValues(l)
	}
	for _, l := range []string{"dialling", "waiting", "receiving"} {
		m.upstreams.WithLabelValues(l)
	}
	return m
}
