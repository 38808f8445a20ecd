package controller

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// The controller has no address in the network it runs. It asks as others would: for a host by ARP from nobody (RFC 5227
// §2.1.1, which any host answers), for a peer's service by a SYN that seems to come from the service the peer stands in for.

// prober remembers what was asked and when. Its zero value is ready.
type prober struct {
	mu       sync.Mutex
	asks     uint32
	hosts    map[ofproto.IPv4]*hostProbe
	peers    map[endpoint]*peerProbe
	searches bucket
	turn     int // whose it is to be searched for, among those whose place is unknown
}

// searchRound asks at all switches for the services and peers whose place nobody knows, and for viewers of an earlier run where
// their rules have them. What was not renewed in time is forgotten.
func (c *Controller) searchRound(now time.Time) {
	c.seconds.Store(now.Unix())
	c.expireRegistrations(c.present.at(now))
	c.streams.Expire(c.present.at(now))
	snap := c.topo.Load()
	c.search(snap, c.settings().lost(snap), c.up(), now)
	c.seekUnseen(snap, now)
	c.missPeers(snap)
	c.forgetFormer(c.settings().peers.former)
}

// probe asks at the switches whose turn it is for the services and peers there: how far they are, and of peers whether they serve.
func (c *Controller) probe(_ time.Time, due func(*datapath) bool) {
	switches := slices.DeleteFunc(c.up(), func(d *datapath) bool { return !due(d) })
	if len(switches) > 0 {
		c.probeThrough(switches)
	}
}

// probeThrough asks for what is at some switches.
func (c *Controller) probeThrough(switches []*datapath) {
	snap, here := c.topo.Load(), make(map[ofproto.DPID]bool, len(switches))
	for _, d := range switches {
		here[d.dpid] = true
	}
	for _, ip := range c.settings().probedHosts() {
		if h, ok := snap.HostByIP(ip); ok && attached(snap, h) && here[h.At.DPID] {
			c.probeHost(h)
		}
	}
	for _, p := range c.settings().peers.probed() {
		if h, ok := snap.HostByIP(p.Address); ok && here[h.At.DPID] {
			c.probePeer(snap, p, c.o.ProbeInterval/2)
		}
	}
	for _, d := range switches {
		// What is measured through a switch is only as good as what is known of the way to it; and a SYN of this round is only known
		// to have been sent out by the answer to what was asked after it.
		d.ping(time.Now())
	}
}

// probedHosts is where services and peers are.
func (s *settings) probedHosts() []ofproto.IPv4 {
	seen := make(map[ofproto.IPv4]bool)
	var list []ofproto.IPv4
	add := func(ip ofproto.IPv4) {
		if !seen[ip] {
			seen[ip] = true
			list = append(list, ip)
		}
	}
	for _, svc := range s.Services {
		add(svc.Address)
	}
	for _, p := range s.peers.probed() {
		add(p.Address)
	}
	return list
}

// attached reports whether the port that a host was seen at is still up. Where it is not, the host may be anywhere.
func attached(snap *topo.Snapshot, h *topo.Host) bool {
	sw, ok := snap.Switch(h.At.DPID)
	return ok && sw.Ports[h.At.Port].Up
}

// forget drops what was asked of addresses and peers that are not asked any more.
func (w *prober) forget(now *settings) {
	asked := make(map[ofproto.IPv4]bool)
	for _, ip := range now.probedHosts() {
		asked[ip] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.hosts, func(ip ofproto.IPv4, _ *hostProbe) bool { return !asked[ip] })
	maps.DeleteFunc(w.peers, func(e endpoint, _ *peerProbe) bool { return !now.peers.probes(e) })
}
