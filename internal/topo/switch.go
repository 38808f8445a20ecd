package topo

import (
	"maps"
	"slices"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A Port is one physical port of a switch as the controller last heard of it.
type Port struct {
	No      ofproto.Port
	MAC     ofproto.MAC
	Name    string
	Up      bool      // administratively up and with link (§5.2.1: neither OFPPC_PORT_DOWN nor OFPPS_LINK_DOWN)
	Settled time.Time // from when broadcasts may use it; a fresh port may still turn out to be a link
	Peer    Point     // far end of the link on this port; the zero Point on an edge port. Invariant: zero unless Up

	delay time.Duration // one way from here to Peer; unmeasured (0) counts as defaultDelay
}

// IsLink reports whether another known switch is on the far end of the port.
func (p Port) IsLink() bool { return p.Peer != Point{} }

// Delay is the one-way delay of the link that leaves by this port, 0 while unmeasured.
func (p Port) Delay() time.Duration { return p.delay }

// keep is the port with what is remembered of it while it stays up.
func (p Port) keep(was Port) Port {
	p.Peer, p.delay, p.Settled = was.Peer, was.delay, was.Settled
	return p
}

// A Switch is one connected datapath. It is immutable; a change makes a new one.
type Switch struct {
	DPID  ofproto.DPID
	Ports map[ofproto.Port]Port // physical ports only, never OFPP_LOCAL

	links []ofproto.Port // the ports that are links, ascending
}

func newSwitch(d ofproto.DPID, ports map[ofproto.Port]Port) *Switch {
	s := &Switch{DPID: d, Ports: ports}
	for no, p := range ports {
		if p.IsLink() {
			s.links = append(s.links, no)
		}
	}
	slices.Sort(s.links)
	return s
}

func (s *Switch) withPort(p Port) *Switch {
	ports := maps.Clone(s.Ports)
	ports[p.No] = p
	return newSwitch(s.DPID, ports)
}

func (s *Switch) withoutPort(no ofproto.Port) *Switch {
	ports := maps.Clone(s.Ports)
	delete(ports, no)
	return newSwitch(s.DPID, ports)
}
