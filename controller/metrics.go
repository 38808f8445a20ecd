package controller

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// metrics is what the controller counts. Labels are bounded: policies and kinds come from the configuration, a switch's
// series go with its connection, and those of a source that has left, which may have registered under any name, once
// nobody is served from there any more.
type metrics struct {
	install    *prometheus.HistogramVec // by policy
	packetIns  *prometheus.CounterVec   // by dpid
	malformed  *prometheus.CounterVec
	rtt        *prometheus.GaugeVec
	switches   prometheus.Gauge
	refused    prometheus.Counter
	handshakes *prometheus.CounterVec // by result
	flowMods   prometheus.Counter
	flowErrors *prometheus.CounterVec // by kind
	sessions   *prometheus.GaugeVec   // by policy, source
	decisions  *prometheus.CounterVec
	bytes      *prometheus.CounterVec // by source
	forged     prometheus.Counter
	conflicts  prometheus.Counter
	repaired   *prometheus.CounterVec
	resets     *prometheus.CounterVec // by source
	ends       *prometheus.CounterVec // by reason
	table      *prometheus.GaugeVec   // by dpid, rules
	dropped    *prometheus.CounterVec // by dpid, port, class
	strained   *prometheus.CounterVec // by dpid

	mu      sync.RWMutex
	served  map[served]*servedMetrics
	sources map[string]struct{}            // that have series
	seconds map[string]prometheus.Observer // of install, by policy
}

// served is a policy and a source that it chose.
type served struct{ policy, source string }

// servedMetrics are the series of a policy and a source, looked up once.
type servedMetrics struct {
	sessions  prometheus.Gauge
	decisions prometheus.Counter
	active    atomic.Int64 // what sessions shows
}

// active counts n sessions more as active. While it does so the series cannot be forgotten.
func (m *metrics) active(policy, source string, n int) {
	for {
		m.mu.RLock()
		s, ok := m.served[served{policy, source}]
		if ok {
			s.active.Add(int64(n))
			s.sessions.Add(float64(n))
		}
		m.mu.RUnlock()
		if ok {
			return
		}
		m.from(policy, source)
	}
}

// forgetSources drops the series of the sources that are not known and serve nobody.
func (m *metrics) forgetSources(known func(source string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	serving := make(map[string]bool)
	for k, s := range m.served {
		if s.active.Load() > 0 {
			serving[k.source] = true
		}
	}
	for source := range m.sources {
		if known(source) || serving[source] {
			continue
		}
		delete(m.sources, source)
		maps.DeleteFunc(m.served, func(k served, _ *servedMetrics) bool { return k.source == source })
		label := prometheus.Labels{"source": source}
		m.sessions.DeletePartialMatch(label)
		m.decisions.DeletePartialMatch(label)
		m.bytes.DeletePartialMatch(label)
		m.resets.DeletePartialMatch(label)
	}
}

// known reports whether sessions may be served from a source that is in the settings.
func (s *settings) known(source string) bool {
	return source == stream.CDN || s.peers.byName[source] != nil
}

func (m *metrics) from(policy, source string) *servedMetrics {
	k := served{policy, source}
	m.mu.RLock()
	s, ok := m.served[k]
	m.mu.RUnlock()
	if ok {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.served[k]; ok {
		return s
	}
	s = &servedMetrics{
		sessions: m.sessions.WithLabelValues(policy, source), decisions: m.decisions.WithLabelValues(policy, source),
	}
	m.served[k] = s
	m.sources[source] = struct{}{}
	return s
}

// carried counts the bytes of a source's session whose rule is gone.
func (m *metrics) carried(source string, bytes uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sources[source] = struct{}{}
	m.bytes.WithLabelValues(source).Add(float64(bytes))
}

// reset counts a session of a source that was ended from outside.
func (m *metrics) reset(source string) {
	m.ends.WithLabelValues("reset").Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sources[source] = struct{}{}
	m.resets.WithLabelValues(source).Inc()
}

func newMetrics(reg prometheus.Registerer) *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "ofctl", Name: name, Help: help}
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts(opts(name, help)))
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts(opts(name, help)))
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels)
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts(opts(name, help)), labels)
	}
	m := &metrics{
		served: make(map[served]*servedMetrics), sources: make(map[string]struct{}), seconds: make(map[string]prometheus.Observer),
		install: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "ofctl", Name: "flow_install_duration_seconds",
			Help:    "From the barrier written behind flow mods to its reply, which confirms them all.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 2, 18), // 50 us to 6.5 s
		}, []string{"policy"}),
		packetIns:  counters("packet_ins_total", "Packets that switches sent to the controller.", "dpid"),
		malformed:  counters("malformed_messages_total", "Messages that could not be decoded.", "dpid"),
		rtt:        gauges("control_round_trip_seconds", "Least recent round trip of a switch's control channel.", "dpid"),
		switches:   gauge("switches_connected", "Switches that are up."),
		refused:    counter("connections_refused_total", "Half-open connections closed to make room for newer ones."),
		handshakes: counters("handshakes_total", "Handshakes by how they ended.", "result"),
		flowMods:   counter("flow_mods_total", "Flow mods sent, pair rules left out."),
		flowErrors: counters("flow_errors_total", "Flow mods that a switch refused.", "kind"),
		sessions:   gauges("sessions", "Connections to services with rules in place.", "policy", "source"),
		decisions:  counters("decisions_total", "New connections decided.", "policy", "source"),
		bytes:      counters("session_bytes_total", "Bytes that sessions' rules had carried on their client's switch when they went.", "source"),
		forged:     counter("lldp_rejected_total", "Discovery packets that were not ours, not intact or not recent."),
		conflicts:  counter("address_conflicts_total", "Times an IPv4 address was claimed by a second host."),
		repaired:   counters("audit_repairs_total", "Rules that an audit found to differ and repaired.", "what"),
		table:      gauges("rules", "Rules on a switch at its last audit: desired = present + missing, without those on their way and those of host pairs; and foreign, which are others'.", "dpid", "rules"),
		dropped:    counters("packet_ins_dropped_total", "Packets not sent on because their port exceeded its share, or all ports of their switch theirs: port any.", "dpid", "port", "class"),
		strained:   counters("overloads_total", "Times that a switch, or the daemon with its packets, began not to keep up.", "dpid"),
		resets:     counters("session_resets_total", "Sessions ended from outside: a dead source, or a migration.", "source"),
		ends: counters("session_ends_total",
			"Sessions that ended: finished, with a FIN or RST; idle, in a silence from which they may wake; lost, with their client's switch; reset, from outside.", "reason"),
	}
	reg.MustRegister(m.install, m.packetIns, m.malformed, m.rtt, m.switches, m.refused, m.handshakes, m.flowMods,
		m.flowErrors, m.sessions, m.decisions, m.bytes, m.forged, m.conflicts, m.repaired, m.resets, m.ends, m.table,
		m.dropped, m.strained)
	return m
}

// expect shows the series that the settings can give rise to, at 0: an absent one would look like a broken scrape.
func (m *metrics) expect(s *settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, peer := range s.peers.order {
		m.sources[peer.Name] = struct{}{}
	}
	policies := []Policy{s.Policy}
	for _, p := range s.ByService {
		policies = append(policies, p)
	}
	for _, p := range policies {
		m.install.WithLabelValues(p.Name())
		m.sessions.WithLabelValues(p.Name(), stream.CDN)
		for _, peer := range s.peers.order {
			m.sessions.WithLabelValues(p.Name(), peer.Name)
		}
	}
}

// ownPolicy labels what the controller installs for itself.
const ownPolicy = "none"

func (m *metrics) installSeconds(policy string) prometheus.Observer {
	if policy == "" {
		policy = ownPolicy
	}
	m.mu.RLock()
	o, ok := m.seconds[policy]
	m.mu.RUnlock()
	if ok {
		return o
	}
	o = m.install.WithLabelValues(policy)
	m.mu.Lock()
	m.seconds[policy] = o
	m.mu.Unlock()
	return o
}

// switchMetrics are one switch's series, looked up once.
type switchMetrics struct {
	packetIns, malformed, strained prometheus.Counter
	rtt                            prometheus.Gauge
	rules                          func(which string, n int)
	forget                         func()
}

func (m *metrics) of(d ofproto.DPID) *switchMetrics {
	id := d.String()
	return &switchMetrics{
		packetIns: m.packetIns.WithLabelValues(id), malformed: m.malformed.WithLabelValues(id),
		strained: m.strained.WithLabelValues(id),
		rtt:      m.rtt.WithLabelValues(id),
		rules:    func(which string, n int) { m.table.WithLabelValues(id, which).Set(float64(n)) },
		forget: func() {
			m.packetIns.DeleteLabelValues(id)
			m.malformed.DeleteLabelValues(id)
			m.strained.DeleteLabelValues(id)
			m.rtt.DeleteLabelValues(id)
			m.table.DeletePartialMatch(prometheus.Labels{"dpid": id})
			m.dropped.DeletePartialMatch(prometheus.Labels{"dpid": id})
		},
	}
}
