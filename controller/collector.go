package controller

import "github.com/prometheus/client_golang/prometheus"

// A collector reads gauges off the state when they are scraped. Set at every change, by whichever goroutine made it, they
// could end on the last value but one.
type collector struct{ c *Controller }

var (
	linksDesc  = prometheus.NewDesc("ofctl_links", "Links between switches, one a direction.", nil, nil)
	peerUpDesc = prometheus.NewDesc("ofctl_peer_up", "Whether a peer may get new viewers: 1 or 0.", []string{"peer"}, nil)
)

func (collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- linksDesc
	ch <- peerUpDesc
}

func (o collector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(linksDesc, prometheus.GaugeValue, float64(len(o.c.topo.Load().Links())))
	for _, p := range o.c.settings().peers.order {
		up := 0.0
		if p.health.Load().ok {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(peerUpDesc, prometheus.GaugeValue, up, p.Name)
	}
}
