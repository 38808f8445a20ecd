package api

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts requests. Its labels are bounded: routes are patterns, never paths.
type Metrics struct {
	requests *prometheus.CounterVec
}

// NewMetrics registers the package's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ofctl_http_requests_total",
		Help: "Requests to the HTTP API, by route and status code.",
	}, []string{"route", "code"})}
	reg.MustRegister(m.requests)
	return m
}

// count counts the requests of one route.
func (m *Metrics) count(route string, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		next(rec, r)
		m.requests.WithLabelValues(route, strconv.Itoa(rec.status)).Inc()
	})
}

// A recorder remembers the status that went out.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}
