package controller

import (
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// What a peer sends is more than its sessions show: other relays take streams from it, and players dial it themselves. Its
// switch counts all of that on its port.

// uplinkMemory is how long what a peer sent is believed.
const uplinkMemory = 3 * meterInterval

// An uplink is what is known of a peer's traffic into the network. Its zero value has measured nothing.
type uplink struct {
	mu    sync.Mutex
	at    topo.Point
	meter meter
}

// sent takes the port's count of bytes from the peer.
func (u *uplink) sent(at topo.Point, bytes uint64, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at != at {
		u.at, u.meter = at, meter{}
	}
	u.meter.measured(bytes, now)
}

// kbps is what the peer sent over the last interval, 0 where that is not known or long ago.
func (u *uplink) kbps(now time.Time) float64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.meter.at.ago(now) > uplinkMemory {
		return 0
	}
	return float64(u.meter.kbps)
}

// meterUplinks asks for the counters of the ports where peers are, on the switches whose turn it is.
func (c *Controller) meterUplinks(due func(*datapath) bool) {
	own := c.ports.Load()
	if own == nil {
		return
	}
	for at := range *own {
		if d, ok := c.datapath(at.DPID); ok && due(d) {
			_ = d.conn.Write(d.nextXID(), &ofproto.StatsRequest{Body: ofproto.PortStatsRequest{Port: at.Port}})
			d.kick()
		}
	}
}

// ownPorts is the peers that have a port to themselves. Where others share it, nobody can tell who sent what.
func (c *Controller) ownPorts() map[topo.Point]*peer {
	snap := c.topo.Load()
	own := make(map[topo.Point]*peer)
	shared := make(map[topo.Point]int)
	for _, p := range c.settings().peers.order {
		if h, ok := snap.HostByIP(p.Address); ok {
			if own[h.At] != nil {
				shared[h.At]++
			}
			own[h.At] = p
		}
	}
	snap.Hosts(func(h *topo.Host) bool {
		if own[h.At] != nil {
			shared[h.At]++
		}
		return true
	})
	for at := range own {
		if shared[at] > 1 {
			delete(own, at)
		}
	}
	return own
}

// uplinksCounted handles the counters of ports.
func (d *datapath) uplinksCounted(counts ofproto.PortStats) {
	own, now := d.c.ports.Load(), time.Now()
	if own == nil {
		return
	}
	for _, s := range counts {
		at := topo.Point{DPID: d.dpid, Port: s.Port}
		if p := (*own)[at]; p != nil && s.RxBytes != ^uint64(0) { // which says that the switch does not count
			p.uplink.sent(at, s.RxBytes, now)
		}
	}
}
