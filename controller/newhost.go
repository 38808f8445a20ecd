package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// askAgain is how soon a host is asked once more of which fewer answers are known than its delay is the least of: the first may be
// late for any reason, and viewers are sent elsewhere for it.
const askAgain = 150 * time.Millisecond

// isNew reports whether an address is asked so often.
func (w *prober) isNew(ip ofproto.IPv4) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	h, ok := w.hosts[ip]
	return ok && !h.rtt.full()
}

// learnSoon asks a host that is new once more, soon. Its answer has it asked again.
func (c *Controller) learnSoon(ip ofproto.IPv4) {
	if !c.probes.isNew(ip) {
		return
	}
	c.later(askAgain, func() {
		snap := c.topo.Load()
		if h, ok := snap.HostByIP(ip); ok && attached(snap, h) && c.probes.isNew(ip) {
			c.probeHost(h)
		}
	})
}
