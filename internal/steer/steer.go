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
// On switches that can tell, they expire soon once a FIN or RST has come by them (flow.FinIdle).
//
// Where client and source are on the same port (one host, or two behind a switch of nobody's), the source would answer the
// client directly, and as itself. So the client's address is rewritten as well: the source takes it for the service, and
// sends its answers here. Two clients there with the same source port cannot be told apart then.
//
// It fails where the client or the source is not on the map or no path leads between them.
func Session(s *stream.Session, snap *topo.Snapshot, idle uint16) (Plan, error) {
	return (*Lists)(nil).Session(s, snap, idle, new(Room))
}

// Session is as the function of this name, with lists of actions that other plans have as well, and in a zero Room where there is
// enough.
func (l *Lists) Session(s *stream.Session, snap *topo.Snapshot, idle uint16, room *Room) (Plan, error) {
	client, ok := place(snap, s.ClientMAC, s.Client)
	if !ok {
		return Plan{}, fmt.Errorf("steer %v: client %v: place unknown", s.Tuple, s.ClientMAC)
	}
	server, ok := place(snap, s.Source.MAC, s.Source.Address)
	if !ok {
		return Plan{}, fmt.Errorf("steer %v: source %s (%v): place unknown", s.Tuple, s.Source.Name, s.Source.MAC)
	}
	var few [8]topo.Hop
	hops, ok := snap.AppendPath(few[:0], client.At, server.At)
	if !ok {
		return Plan{}, fmt.Errorf("steer %v: no path from %v to source %s at %v", s.Tuple, client.At, s.Source.Name, server.At)
	}
	var edge passage
	if s.Redirected() {
		edge.dialed = end{s.DialedMAC, s.Tuple.Service, s.ServicePort}
		edge.source = end{server.MAC, s.Source.Address, s.Source.Port}
		if client.At == server.At {
			edge.client = end{mac: client.MAC, ip: s.Client}
		}
	}
	cookie := flow.NewCookie(flow.KindSession, s.Hash())
	plan, all := room.plan(len(hops))
	for i := len(hops) - 1; i >= 0; i-- {
		back, there := &all[0], &all[1]
		plan.Steps = append(plan.Steps, Step{hops[i].DPID, all[:2:2]})
		all = all[2:]
		for _, r := range [...]*flow.Rule{back, there} {
			r.Priority, r.Cookie, r.Idle, r.Notify, r.Fin = flow.PrioritySession, cookie, idle, true, true
		}
		back.Match = matching(hops[i].Out, s.Source.Address, s.Source.Port, s.Client, s.ClientPort)
		if i > 0 { // here it has the source's addresses already
			there.Match = matching(hops[i].In, s.Client, s.ClientPort, s.Source.Address, s.Source.Port)
			back.Actions, there.Actions = l.of(passage{}.by(hops[i]))
			continue
		}
		there.Match = matching(hops[i].In, s.Client, s.ClientPort, s.Tuple.Service, s.ServicePort)
		back.Actions, there.Actions = l.of(edge.by(hops[i]))
		if s.Redirected() {
			back.Idle = max(idle, WayBackIdle)
		}
		if edge.turned() {
			back.Match.NWDst = s.Tuple.Service
		}
	}
	return plan, nil
}

// A Room is memory for a plan over one switch. Who keeps such a plan has it in his own.
type Room struct {
	step  [1]Step
	rules [2]flow.Rule
}

// plan is an empty plan over some switches, and two rules for each.
func (r *Room) plan(switches int) (Plan, []flow.Rule) {
	if switches == 1 {
		return Plan{Steps: r.step[:0]}, r.rules[:]
	}
	return Plan{Steps: make([]Step, 0, switches)}, make([]flow.Rule, 2*switches)
}

// place finds a host by its hardware address, or by its IPv4 address where a session rebuilt from a switch's table does not
// know the other.
func place(snap *topo.Snapshot, mac ofproto.MAC, ip ofproto.IPv4) (*topo.Host, bool) {
	if mac != (ofproto.MAC{}) {
		return snap.Host(mac)
	}
	return snap.HostByIP(ip)
}

// outPort sends out of a port what came in by another. A switch drops what it is told to send back where it came from, unless told
// so by name (OpenFlow 1.0.0 §5.2.1, OFPP_IN_PORT).
func outPort(in, out ofproto.Port) ofproto.Port {
	if out == in {
		return ofproto.PortInPort
	}
	return out
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
