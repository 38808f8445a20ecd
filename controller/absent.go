package controller

import (
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A peer that died while the daemon was away is never found again, so that there is nothing to probe. Its viewers' rules tell
// where it should be.

// An absence is what the sessions of an earlier run tell of a source that is not on the map.
type absence struct {
	missed bool // a switch that is up has it at one of its ports, and it is not there
	serves bool // it is there: somebody's session carries something
}

// missPeers declares those peers unwell that three rounds of searches have not found where sessions of an earlier run have
// them.
func (c *Controller) missPeers(snap *topo.Snapshot) {
	var lost []*peer
	for _, p := range c.settings().peers.probed() {
		if _, found := snap.HostByIP(p.Address); !found && p.health.Load() == unprobed {
			lost = append(lost, p)
		}
	}
	if len(lost) == 0 {
		return
	}
	up := make(map[ofproto.DPID]bool)
	for _, d := range c.up() {
		up[d.dpid] = true
	}
	absences := c.adopted.absences(snap, up)
	for _, p := range lost {
		if a := absences[p.endpoint()]; c.probes.absent(p.endpoint(), a.missed && !a.serves) >= probeMisses {
			c.peerIs(p, &health{why: "it is not where it was"})
		}
	}
}

// absences asks the sessions of an earlier run for their sources.
func (a *adoption) absences(snap *topo.Snapshot, up map[ofproto.DPID]bool) map[endpoint]absence {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make(map[endpoint]absence)
	for _, f := range a.found {
		if s := f.session; s != nil {
			s.mu.Lock()
			at := endpointOf(s.Source)
			all := list[at]
			all.missed = all.missed || s.missesSource(snap, up)
			all.serves = all.serves || s.state == active && s.meter.kbps > 0
			list[at] = all
			s.mu.Unlock()
		}
	}
	return list
}

// missesSource reports whether the port where the session's source should sit is down, or the session carries nothing. Ports
// to switches that have not come back yet look like those of hosts: what still carries something may lead over one. Under mu.
func (s *session) missesSource(snap *topo.Snapshot, up map[ofproto.DPID]bool) bool {
	if s.state != active && s.state != parked {
		return false
	}
	still := s.state == parked || s.meter.at > s.meter.moved // counted twice, and equal
	for _, step := range s.plan.Steps {
		sw, ok := snap.Switch(step.DPID)
		if !ok || !up[step.DPID] {
			continue
		}
		for _, r := range step.Rules { // of the way back, which comes in from the source
			if r.Match.NWSrc != s.Source.Address || r.Match.TPSrc != s.Source.Port {
				continue
			}
			if in := sw.Ports[r.Match.InPort]; !in.IsLink() && (!in.Up || still) {
				return true
			}
		}
	}
	return false
}
