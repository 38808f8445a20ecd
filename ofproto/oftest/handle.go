package oftest

import (
	"bytes"
	"errors"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// handle executes one message. It returns false when the connection is to end at once.
func (s *Switch) handle(ss *session, frame []byte) bool {
	h, m, err := ofproto.Decode(frame)

	s.mu.Lock()
	ss.messages++
	n, intercept := ss.messages, s.intercept
	if err == nil {
		s.received[h.Type]++
	}
	s.mu.Unlock()
	var v Verdict
	if intercept != nil && err == nil {
		v = intercept(n, h.XID, m)
	}

	s.mu.Lock()
	out, ok := s.execution(ss, frame, h, m, err, v)
	if s.o.Egress == nil {
		s.sent = append(s.sent, out...)
		out = nil
	}
	s.mu.Unlock()
	for _, e := range out {
		s.o.Egress(e)
	}
	return ok
}

// execution is handle under the lock. It returns what leaves the switch.
func (s *Switch) execution(ss *session, frame []byte, h ofproto.Header, m ofproto.Message, err error, v Verdict) (out []Egress, ok bool) {
	if s.session != ss { // replaced or dropped meanwhile
		return nil, false
	}
	switch v.Do {
	case Swallow:
		return nil, true
	case CloseBefore:
		return nil, false
	}
	s.expire()
	earlier := ss.held
	if ss.holding = v.Do == Hold || v.Delay > 0; ss.holding {
		ss.held = nil
	}
	switch {
	case err != nil:
		err = refusalOf(err)
	case v.Do == Refuse:
		err = v.Refusal
	default:
		out, err = s.dispatch(ss, h.XID, m)
	}
	if err != nil {
		s.refuse(ss, h.XID, frame, err)
	}
	if ss.holding {
		replies := ss.held
		ss.held, ss.holding = earlier, false
		if v.Do == Hold {
			ss.held = append(ss.held, replies...)
		} else {
			s.sendAfter(ss, v.Delay, replies)
		}
	}
	return out, v.Do != CloseAfter
}

func (s *Switch) sendAfter(ss *session, d time.Duration, replies []heldReply) {
	time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range replies {
			ss.send(r.xid, r.m)
		}
	})
}

// refuse answers with an ERROR that carries the message at fault, all of it, as Open vSwitch does; OpenFlow 1.0.0 §5.4.4
// asks for 64 bytes.
func (s *Switch) refuse(ss *session, xid uint32, frame []byte, err error) {
	var r Refusal
	if !errors.As(err, &r) {
		panic("oftest: not a refusal: " + err.Error())
	}
	s.refused = append(s.refused, err)
	ss.send(xid, &ofproto.Error{ErrType: r.Type, Code: r.Code, Data: bytes.Clone(frame[:min(len(frame), ofproto.MaxLen-12)])})
	if r.Type == ofproto.HelloFailed {
		ss.closing = true
	}
}

// refusalOf says how a switch refuses what cannot be decoded.
func refusalOf(err error) Refusal {
	var d *ofproto.DecodeError
	switch {
	case errors.Is(err, ofproto.ErrVersion):
		return BadVersion
	case errors.As(err, &d) && (d.Type == ofproto.TypeFlowMod && d.Offset >= 72 || d.Type == ofproto.TypePacketOut && d.Offset >= 16):
		return BadActionLength
	}
	return BadLength
}

// dispatch executes a message. An error is a Refusal.
func (s *Switch) dispatch(ss *session, xid uint32, m ofproto.Message) ([]Egress, error) {
	if !ss.greeted && m.Type() != ofproto.TypeHello {
		s.complain("%v before HELLO", m.Type())
		return nil, Incompatible
	}
	switch m := m.(type) {
	case *ofproto.Hello:
		if ss.greeted {
			s.complain("a second HELLO")
		}
		ss.greeted = true // whatever version it offers, 1.0 is the lower of the two
	case *ofproto.EchoRequest:
		ss.send(xid, &ofproto.EchoReply{Data: bytes.Clone(m.Data)})
	case *ofproto.EchoReply:
		s.complain("ECHO_REPLY that nobody asked for")
	case *ofproto.Error:
		s.complain("the controller sent an ERROR of type %d code %d", m.ErrType, m.Code)
	case *ofproto.FeaturesRequest:
		ss.send(xid, s.features())
	case *ofproto.GetConfigRequest:
		ss.send(xid, &ofproto.GetConfigReply{Flags: s.flags, MissSendLen: s.missSendLen})
	case *ofproto.SetConfig:
		s.flags, s.missSendLen = m.Flags, m.MissSendLen
	case *ofproto.PacketOut:
		return s.packetOut(m)
	case *ofproto.FlowMod:
		return nil, s.flowMod(m)
	case *ofproto.PortMod:
		return nil, s.portMod(m)
	case *ofproto.StatsRequest:
		return nil, s.stats(ss, xid, m)
	case *ofproto.BarrierRequest:
		ss.send(xid, &ofproto.BarrierReply{})
	case *ofproto.QueueGetConfigRequest:
		if p := s.port(m.Port); p == nil || m.Port >= ofproto.PortMax {
			return nil, BadQueuePort
		}
		ss.send(xid, &ofproto.QueueGetConfigReply{Port: m.Port})
	default: // extensions, messages of later versions, and what only a switch sends
		if m.Type() == ofproto.TypeVendor {
			return nil, BadVendor
		}
		return nil, BadType
	}
	return nil, nil
}

func (s *Switch) features() *ofproto.FeaturesReply {
	return &ofproto.FeaturesReply{
		DatapathID:   s.o.DPID,
		NTables:      1,
		Capabilities: ofproto.CanFlowStats | ofproto.CanTableStats | ofproto.CanPortStats | ofproto.CanARPMatchIP,
		Actions:      1<<(ofproto.ActionEnqueue+1) - 1,
		Ports:        s.phyPorts(),
	}
}

// flowMod executes a FLOW_MOD, OpenFlow 1.0.0 §5.3.3.
func (s *Switch) flowMod(m *ofproto.FlowMod) error {
	if m.Flags&ofproto.Emergency != 0 {
		return Unsupported
	}
	if err := s.check(m.Actions, false); err != nil {
		return err
	}
	if m.Match.Wildcards&ofproto.WildInPort == 0 && outputsTo(m.Actions, m.Match.InPort) {
		s.complain("FLOW_MOD outputs to port %v, where its packets come from, which only IN_PORT does", m.Match.InPort)
	}
	if m.Command == ofproto.FlowAdd && m.OutPort != ofproto.PortNone && m.OutPort != 0 {
		s.complain("FLOW_MOD adds with out_port %v, which means nothing", m.OutPort)
	}
	now := s.now()
	gone, complaint, err := s.table.apply(m, now)
	if complaint != "" {
		s.complain("%s", complaint)
	}
	for _, r := range gone {
		s.reportRemoved(r, now)
	}
	if err == nil && m.BufferID != ofproto.NoBuffer && m.Command != ofproto.FlowDelete && m.Command != ofproto.FlowDeleteStrict {
		err = UnknownBuffer // the entry stands nevertheless
	}
	return err
}

// packetOut executes a PACKET_OUT, OpenFlow 1.0.0 §5.3.6.
func (s *Switch) packetOut(m *ofproto.PacketOut) ([]Egress, error) {
	if m.BufferID != ofproto.NoBuffer {
		return nil, UnknownBuffer
	}
	if err := s.check(m.Actions, true); err != nil {
		return nil, err
	}
	switch {
	case len(m.Data) < 14:
		s.complain("PACKET_OUT of %d bytes, which is no Ethernet frame", len(m.Data))
		return nil, nil
	case m.InPort == 0 || m.InPort >= ofproto.PortMax && m.InPort != ofproto.PortNone && m.InPort != ofproto.PortLocal &&
		m.InPort != ofproto.PortController:
		s.complain("PACKET_OUT from port %v, where no packet comes from", m.InPort)
		return nil, nil
	case m.InPort < ofproto.PortMax && outputsTo(m.Actions, m.InPort):
		s.complain("PACKET_OUT to port %v, where the packet came from, which only IN_PORT does", m.InPort)
	}
	return s.execute(m.Data, m.InPort, m.Actions), nil
}
