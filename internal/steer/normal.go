package steer

import (
	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// Base is what every switch has from the moment it is up: the rules that let the controller see what it must.
func Base(services []stream.Service) []flow.Rule {
	rules := []flow.Rule{
		toController(flow.KindLLDP, flow.PriorityLLDP, func(m *ofproto.Match) {
			m.Wildcards &^= ofproto.WildDLType
			m.DLType = etherTypeLLDP
		}),
		toController(flow.KindARP, flow.PriorityARP, func(m *ofproto.Match) {
			m.Wildcards &^= ofproto.WildDLType
			m.DLType = etherTypeARP
		}),
		toController(flow.KindMiss, flow.PriorityMiss, func(*ofproto.Match) {}),
	}
	for _, s := range services {
		rules = append(rules, toController(flow.KindService, flow.PriorityService, func(m *ofproto.Match) { *m = Service(s) }))
	}
	return rules
}

// Service is the match of all connections to a service.
func Service(s stream.Service) ofproto.Match {
	m := ofproto.MatchAll
	m.Wildcards &^= ofproto.WildDLType | ofproto.WildNWProto | ofproto.WildTPDst
	m.Wildcards = m.Wildcards.WithNWDstBits(32)
	m.DLType, m.NWProto, m.NWDst, m.TPDst = etherTypeIPv4, protoTCP, s.Address, s.Port
	return m
}

func toController(k flow.Kind, priority uint16, match func(*ofproto.Match)) flow.Rule {
	m := ofproto.MatchAll
	match(&m)
	return flow.Rule{
		Match: m, Priority: priority, Cookie: flow.NewCookie(k, 0),
		Actions: []ofproto.Action{ofproto.Output{Port: ofproto.PortController, MaxLen: wholePacket}},
	}
}

// HandsOff is the rule by which a peer's own connections to a service pass one hop of the normal path undecided. dscp is
// the mark that tells the relay's connections from those of a player on the same host, 0 where the host has no player.
func HandsOff(peer ofproto.IPv4, dscp uint8, service stream.Tuple, h topo.Hop, idle uint16) flow.Rule {
	m := ofproto.MatchAll
	m.Wildcards &^= ofproto.WildDLType | ofproto.WildNWProto | ofproto.WildTPDst
	m.Wildcards = m.Wildcards.WithNWSrcBits(32).WithNWDstBits(32)
	m.DLType, m.NWProto, m.NWSrc, m.NWDst, m.TPDst = etherTypeIPv4, protoTCP, peer, service.Service, service.ServicePort
	if dscp != 0 {
		m.Wildcards &^= ofproto.WildNWTOS
		m.NWTOS = dscp << 2
	}
	owner := stream.Tuple{Client: peer, Service: service.Service, ServicePort: service.ServicePort}
	return flow.Rule{
		Match: m, Priority: flow.PriorityHandsOff, Cookie: flow.NewCookie(flow.KindHandsOff, owner.Hash()),
		Idle: idle, Notify: true, Actions: []ofproto.Action{ofproto.Output{Port: outPort(h.In, h.Out)}},
	}
}

// Pair is the match of all traffic from one host to another that no other rule is for.
func Pair(src, dst ofproto.MAC) ofproto.Match {
	m := ofproto.MatchAll
	m.Wildcards &^= ofproto.WildDLSrc | ofproto.WildDLDst
	m.DLSrc, m.DLDst = src, dst
	return m
}

// Probe catches what a peer answers to a SYN that the controller sent it in a service's name.
func Probe(p stream.Peer, svc stream.Service, port uint16) flow.Rule {
	r := toController(flow.KindProbe, flow.PriorityProbe, func(m *ofproto.Match) {
		m.Wildcards &^= ofproto.WildDLType | ofproto.WildNWProto | ofproto.WildTPSrc | ofproto.WildTPDst
		m.Wildcards = m.Wildcards.WithNWSrcBits(32).WithNWDstBits(32)
		m.DLType, m.NWProto = etherTypeIPv4, protoTCP
		m.NWSrc, m.TPSrc, m.NWDst, m.TPDst = p.Address, p.Port, svc.Address, port
	})
	return r
}
