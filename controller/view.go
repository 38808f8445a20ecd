package controller

import (
	"cmp"
	"slices"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// SwitchState is a connected switch as it stands.
type SwitchState struct {
	DPID     ofproto.DPID
	Remote   string
	Software string // as it describes itself
	Since    time.Time
	RTT      time.Duration // of the control channel; 0 while unmeasured
	Ports    []topo.Port   // by number
	Rules    int           // of the controller's, acknowledged
}

// SessionState is a session as it stands.
type SessionState struct {
	stream.Session
	State  string         // pending, active, parked or resetting
	Intent *stream.Intent // what its client wants; nil while unknown
	Kbps   float64        // kbit/s that it takes of its source's bandwidth, or is expected to
}

// Topology returns the network as it is known now.
func (c *Controller) Topology() *topo.Snapshot { return c.topo.Load() }

// Switches returns the switches that are up, by datapath id.
func (c *Controller) Switches() []SwitchState {
	snap := c.topo.Load()
	var list []SwitchState
	for _, d := range c.up() {
		s := SwitchState{
			DPID: d.dpid, Remote: d.remote, Software: d.software, Since: d.since,
			RTT: d.echo.roundTrip(), Rules: d.table.count(),
		}
		if sw, ok := snap.Switch(d.dpid); ok {
			for _, p := range sw.Ports {
				s.Ports = append(s.Ports, p)
			}
			slices.SortFunc(s.Ports, func(a, b topo.Port) int { return cmp.Compare(a.No, b.No) })
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b SwitchState) int { return cmp.Compare(a.DPID, b.DPID) })
	return list
}

// Sessions returns the sessions, oldest first. Their sources are called as the peers there are now.
func (c *Controller) Sessions() []SessionState {
	var list []SessionState
	for _, s := range c.sessions.All {
		s.mu.Lock()
		if s.state != ended && s.state != finished {
			now := SessionState{s.Session, s.state.String(), s.intent, s.takes()}
			now.Source.Name = *s.sourceName()
			list = append(list, now)
		}
		s.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b SessionState) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Hash(), b.Hash()))
	})
	return list
}

// Peers returns the peers in the order of the settings.
func (c *Controller) Peers() []stream.Candidate {
	return c.settings().peers.candidates(c.topo.Load(), c.streams.Load())
}

// count is the number of rules that the switch has acknowledged.
func (t *installer) count() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r := range t.rules.all {
		if r.acked {
			n++
		}
	}
	return n
}
