package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// checkResponse checks a response in full: that it sends the request's own packet, and only where the destination is.
func checkResponse(message []byte, s *slot, id uint32, buffered bool) error {
	_, m, err := ofproto.Decode(message)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *ofproto.FlowMod:
		return checkFlowMod(m, s.request[frameAt:], s.from.port, s.request[frameAt:], s.to.port)
	case *ofproto.PacketOut:
		want := s.appendRequest(nil, id, buffered)[frameAt:]
		if m.BufferID == ofproto.NoBuffer && !bytes.Equal(m.Data, want) {
			return fmt.Errorf("PACKET_OUT of another frame than the request's: %x, not %x", []byte(m.Data), want)
		}
		if m.InPort != s.from.port {
			return fmt.Errorf("PACKET_OUT from port %v, not %v", m.InPort, s.from.port)
		}
		if want := s.actions(); !slices.Equal(m.Actions, want) {
			return fmt.Errorf("PACKET_OUT does %v, not %v", m.Actions, want)
		}
		return nil
	}
	return fmt.Errorf("%v is no response", m.Type())
}

// actions are what must be done to a slot's packets.
func (s *slot) actions() []ofproto.Action {
	if s.peer == nil {
		return []ofproto.Action{ofproto.Output{Port: s.to.port}}
	}
	return []ofproto.Action{
		ofproto.SetDLDst{MAC: s.peer.mac}, ofproto.SetNWDst{IPv4: s.peer.ip}, ofproto.Output{Port: s.peer.port},
	}
}

// checkFlowMod checks, on a strict flow table, that a rule makes of a frame that comes in by one port another that leaves
// by another.
func checkFlowMod(m *ofproto.FlowMod, in []byte, from ofproto.Port, out []byte, to ofproto.Port) error {
	sw := oftest.NewSwitch(oftest.Options{Ports: switchPorts()})
	rule := *m
	rule.BufferID = ofproto.NoBuffer // this switch has none
	if err := sw.Apply(&rule); err != nil {
		return fmt.Errorf("FLOW_MOD %v: %w", m, err)
	}
	got := sw.Receive(from, in)
	if len(got) != 1 || got[0].Port != to || !bytes.Equal(got[0].Frame, out) {
		return fmt.Errorf("FLOW_MOD %v: a packet to port %v leaves as %v", m, to, got)
	}
	if v := sw.Violations(); v != nil {
		return fmt.Errorf("FLOW_MOD %v: %s", m, v[0])
	}
	return nil
}

// pairRules are rules for all traffic from one host to another.
type pairRules map[pair]*slot

type pair struct{ from, to ofproto.MAC }

func newPairRules(all []slot) pairRules {
	r := pairRules{}
	for i := range all {
		r[pair{all[i].from.mac, all[i].to.mac}] = &all[i]
	}
	return r
}

func (pairRules) hot(w ofproto.Wildcards) bool { return w&(ofproto.WildDLSrc|ofproto.WildDLDst) == 0 }

func (pairRules) lasting() bool { return false } // they expire soon

func (r pairRules) slotOf(m *ofproto.FlowMod) *slot { return r[pair{m.Match.DLSrc, m.Match.DLDst}] }

func (pairRules) checkRule(m *ofproto.FlowMod, s *slot) error {
	return checkFlowMod(m, s.request[frameAt:], s.from.port, s.request[frameAt:], s.to.port)
}

func switchPorts() []ofproto.Port {
	ports := make([]ofproto.Port, servicePort)
	for i := range ports {
		ports[i] = ofproto.Port(i + 1)
	}
	return ports
}
