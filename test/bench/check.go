package main

import (
	"bytes"
	"fmt"

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
		return checkFlowMod(m, s)
	case *ofproto.PacketOut:
		want := s.appendRequest(nil, id, buffered)[frameAt:]
		if m.BufferID == ofproto.NoBuffer && !bytes.Equal(m.Data, want) {
			return fmt.Errorf("PACKET_OUT of another frame than the request's: %x, not %x", []byte(m.Data), want)
		}
		if m.InPort != s.from.port {
			return fmt.Errorf("PACKET_OUT from port %v, not %v", m.InPort, s.from.port)
		}
		if len(m.Actions) == 1 {
			if o, ok := m.Actions[0].(ofproto.Output); ok && o.Port == s.to.port {
				return nil
			}
		}
		return fmt.Errorf("PACKET_OUT does %v, not output:%v", m.Actions, s.to.port)
	}
	return fmt.Errorf("%v is no response", m.Type())
}

// checkFlowMod checks that a flow mod takes the slot's packets where their destination is, on a strict flow table.
func checkFlowMod(m *ofproto.FlowMod, s *slot) error {
	sw := oftest.NewSwitch(oftest.Options{Ports: switchPorts()})
	rule := *m
	rule.BufferID = ofproto.NoBuffer // this switch has none
	if err := sw.Apply(&rule); err != nil {
		return fmt.Errorf("FLOW_MOD %v: %w", m, err)
	}
	frame := s.request[frameAt:]
	out := sw.Receive(s.from.port, frame)
	if len(out) != 1 || out[0].Port != s.to.port || !bytes.Equal(out[0].Frame, frame) {
		return fmt.Errorf("FLOW_MOD %v: a packet to port %v leaves as %v", m, s.to.port, out)
	}
	if v := sw.Violations(); v != nil {
		return fmt.Errorf("FLOW_MOD %v: %s", m, v[0])
	}
	return nil
}

func switchPorts() []ofproto.Port {
	ports := make([]ofproto.Port, destPort)
	for i := range ports {
		ports[i] = ofproto.Port(i + 1)
	}
	return ports
}
