package controller

import "github.com/prometheus/client_golang/prometheus"

// observed is the gauges that are read off the state when they are scraped. Set at every change, by whichever goroutine
// made it, they could end on the last but one.
type observed struct{ c *Controller }

var (
	linksDesc  = prometheus.NewDesc("ofctl_links", "Links between switches, one a direction.", nil, nil)
	peerUpDesc = prometheus.NewDesc("ofctl_peer_up", "Whether a peer may get new viewers: 1 or 0.", []string{"peer"}, nil)
)

func (observed) Describe(ch chan<- *prometheus.Desc) {
	ch <- linksDesc
	ch <- peerUpDesc
}

func (o observed) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(linksDesc, prometheus.GaugeValue, float64(len(o.c.topo.Load().Links())))
	for _, p := range o.c.settings().peers.order {
		up := 0.0
		if p.health.Load().ok {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(peerUpDesc, prometheus.GaugeValue, up, p.Name)
	}
}
