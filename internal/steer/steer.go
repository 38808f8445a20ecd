// Package steer turns a decided connection, or a pair of hosts, into the rules that carry it: which switch needs which
// match with which rewriting. It only computes; sending is the controller's.
package steer

import (
	"fmt"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// Numbers that matches and actions need.
const (
	etherTypeIPv4 = 0x0800
	etherTypeARP  = 0x0806
	etherTypeLLDP = 0x88cc
	protoTCP      = 6

	// WayBackIdle is the idle timeout in seconds of the rule that restores what a client dialled.
	WayBackIdle = 3600

	wholePacket = 0xffff // max_len of an output to the controller: nothing is buffered on the switch
)

// A Plan is what one connection needs, in the order it must be installed: never a half-path, so the far switches come
// before the client's, and on each the way back before the way there.
type Plan struct {
	Steps []Step // the client's edge switch last
}

// A Step is the rules of one switch.
type Step struct {
	DPID  ofproto.DPID
	Rules []flow.Rule
}

// Edge is the client's own switch, which rewrites.
func (p Plan) Edge() ofproto.DPID { return p.Steps[len(p.Steps)-1].DPID }

// Release is what must be done to the first packet once everything is in place: the same as to all that follow it.
func (p Plan) Release() []ofproto.Action {
	edge := p.Steps[len(p.Steps)-1]
	return edge.Rules[len(edge.Rules)-1].Actions
}

// Session plans both directions of a connection along the path of least delay between its client and its source. Where
// the source is not the address the client dialled, the client's edge switch rewrites the way there and restores the way
// back, so that the dialled addresses never appear twice in the network.
//
// Rules expire in a long silence, the way back on a redirecting switch in a much longer one (WayBackIdle): the first word
// after a silence may be the source's, and bearing the source's own address it would be answered with a reset.
//
// Where client and source are on the same port (one host, or two behind a switch of nobody's), the source would answer the
// client directly, and as itself. So the client's address is rewritten as well: the source takes it for the service, and
// sends its answers here. Two clients there with the same source port cannot be told apart then.
//
// It fails where the client or the source is not on the map or no path leads between them.
func Session(s *stream.Session, snap *topo.Snapshot, idle uint16) (Plan, error) {
	client, ok := place(snap, s.ClientMAC, s.Client)
	if !ok {
		return Plan{}, fmt.Errorf("steer %v: client %v: place unknown", s.Tuple, s.ClientMAC)
	}
	server, ok := place(snap, s.Source.MAC, s.Source.Address)
	if !ok {
		return Plan{}, fmt.Errorf("steer %v: source %s (%v): place unknown", s.Tuple, s.Source.Name, s.Source.MAC)
	}
	hops, ok := snap.Path(client.At, server.At)
	if !ok {
		return Plan{}, fmt.Errorf("steer %v: no path from %v to source %s at %v", s.Tuple, client.At, s.Source.Name, server.At)
	}
	c := connection{*s, s.Redirected() && client.At == server.At}
	c.ClientMAC, c.Source.MAC = client.MAC, server.MAC // unknown to a session rebuilt from a switch's table
	cookie := flow.NewCookie(flow.KindSession, s.Hash())
	plan := Plan{Steps: make([]Step, 0, len(hops))}
	for i := len(hops) - 1; i >= 0; i-- {
		there, back := c.forward(hops[i]), c.backward(hops[i].Reversed())
		if i == 0 {
			there, back = c.dialed(hops[i]), c.restored(hops[i].Reversed())
		}
		rules := []flow.Rule{back, there}
		for j := range rules {
			rules[j].Priority, rules[j].Cookie, rules[j].Idle, rules[j].Notify = flow.PrioritySession, cookie, idle, true
		}
		if i == 0 && s.Redirected() {
			rules[0].Idle = max(idle, WayBackIdle)
		}
		plan.Steps = append(plan.Steps, Step{hops[i].DPID, rules})
	}
	return plan, nil
}

// place finds a host by its hardware address, or by its IPv4 address where a session rebuilt from a switch's table does not
// know the other.
func place(snap *topo.Snapshot, mac ofproto.MAC, ip ofproto.IPv4) (*topo.Host, bool) {
	if mac != (ofproto.MAC{}) {
		return snap.Host(mac)
	}
	return snap.HostByIP(ip)
}

// A connection is a session as its rules see it.
type connection struct {
	stream.Session
	turned bool // its packets go back out of the port they came in by, and must not show who sent them
}

// dialed is the way there on the client's switch: it matches what the client sends and makes it what the source expects.
func (s *connection) dialed(h topo.Hop) flow.Rule {
	r := flow.Rule{Match: matching(h.In, s.Client, s.ClientPort, s.Tuple.Service, s.ServicePort)}
	if s.turned {
		r.Actions = append(r.Actions, ofproto.SetDLSrc{MAC: s.DialedMAC}, ofproto.SetNWSrc{IPv4: s.Tuple.Service})
	}
	if s.Redirected() {
		r.Actions = append(r.Actions, ofproto.SetDLDst{MAC: s.Source.MAC}, ofproto.SetNWDst{IPv4: s.Source.Address})
		if s.Source.Port != s.ServicePort {
			r.Actions = append(r.Actions, ofproto.SetTPDst{Port: s.Source.Port})
		}
	}
	r.Actions = append(r.Actions, output(h))
	return r
}

// restored is the way back on the client's switch: the source's addresses become those the client dialled.
func (s *connection) restored(h topo.Hop) flow.Rule {
	r := flow.Rule{Match: matching(h.In, s.Source.Address, s.Source.Port, s.Client, s.ClientPort)}
	if s.turned {
		r.Match.NWDst = s.Tuple.Service
		r.Actions = append(r.Actions, ofproto.SetDLDst{MAC: s.ClientMAC}, ofproto.SetNWDst{IPv4: s.Client})
	}
	if s.Redirected() {
		r.Actions = append(r.Actions, ofproto.SetDLSrc{MAC: s.DialedMAC}, ofproto.SetNWSrc{IPv4: s.Tuple.Service})
		if s.Source.Port != s.ServicePort {
			r.Actions = append(r.Actions, ofproto.SetTPSrc{Port: s.ServicePort})
		}
	}
	r.Actions = append(r.Actions, output(h))
	return r
}

// forward and backward carry the connection between its edges, where it already has the source's addresses.
func (s *connection) forward(h topo.Hop) flow.Rule {
	return flow.Rule{
		Match:   matching(h.In, s.Client, s.ClientPort, s.Source.Address, s.Source.Port),
		Actions: []ofproto.Action{output(h)},
	}
}

func (s *connection) backward(h topo.Hop) flow.Rule {
	return flow.Rule{
		Match:   matching(h.In, s.Source.Address, s.Source.Port, s.Client, s.ClientPort),
		Actions: []ofproto.Action{output(h)},
	}
}

// output sends out of the hop's port. A switch drops what it is told to send back where it came from, unless told so by
// name (OpenFlow 1.0.0 §5.2.1, OFPP_IN_PORT).
func output(h topo.Hop) ofproto.Action {
	if h.Out == h.In {
		return ofproto.Output{Port: ofproto.PortInPort}
	}
	return ofproto.Output{Port: h.Out}
}

// matching is the match of one direction of one TCP connection on one port.
func matching(in ofproto.Port, src ofproto.IPv4, sport uint16, dst ofproto.IPv4, dport uint16) ofproto.Match {
	m := ofproto.MatchAll
	m.Wildcards &^= ofproto.WildInPort | ofproto.WildDLType | ofproto.WildNWProto |
		ofproto.WildTPSrc | ofproto.WildTPDst
	m.Wildcards = m.Wildcards.WithNWSrcBits(32).WithNWDstBits(32)
	m.InPort, m.DLType, m.NWProto = in, etherTypeIPv4, protoTCP
	m.NWSrc, m.TPSrc, m.NWDst, m.TPDst = src, sport, dst, dport
	return m
}
