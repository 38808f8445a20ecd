package oftest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// PortMAC returns the address that a simulated switch gives to a port: locally administered, different for each pair of
// the datapath id's low 24 bits and the port number.
func PortMAC(dpid ofproto.DPID, no ofproto.Port) ofproto.MAC {
	m := ofproto.MAC{0x0e, byte(dpid >> 16), byte(dpid >> 8), byte(dpid)}
	binary.BigEndian.PutUint16(m[4:], uint16(no))
	return m
}

func (s *Switch) addPort(no ofproto.Port) *port {
	p := &port{PhyPort: ofproto.PhyPort{
		No:     no,
		HWAddr: PortMAC(s.o.DPID, no),
		Name:   fmt.Sprintf("s%x-eth%d", uint16(s.o.DPID), no),
		Curr:   ofproto.Port10GbFD | ofproto.PortCopper,
	}}
	if no == ofproto.PortLocal {
		p.Name, p.Curr = fmt.Sprintf("s%x", uint16(s.o.DPID)), 0
	}
	s.ports = append(s.ports, p)
	slices.SortFunc(s.ports, func(a, b *port) int { return cmp.Compare(a.No, b.No) })
	return p
}

// AddPort adds a port that is up and reports it.
func (s *Switch) AddPort(no ofproto.Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port(no) != nil {
		panic(fmt.Sprintf("oftest: switch %v has a port %v already", s.o.DPID, no))
	}
	s.reportPort(ofproto.PortAdded, s.addPort(no))
}

// ensurePort adds a port unless it is there, and gives it a link. What it returns reports that, once the caller wants it known.
func (s *Switch) ensurePort(no ofproto.Port) (report func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, reason := s.port(no), ofproto.PortModified
	switch {
	case p == nil:
		p, reason = s.addPort(no), ofproto.PortAdded
	case p.State&ofproto.PortLinkDown != 0:
		p.State &^= ofproto.PortLinkDown
	default:
		return func() {}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reportPort(reason, p)
	}
}

// RemovePort removes a port and reports it.
func (s *Switch) RemovePort(no ofproto.Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mustPort(no)
	s.ports = slices.DeleteFunc(s.ports, func(q *port) bool { return q == p })
	s.reportPort(ofproto.PortDeleted, p)
}

// SetLink gives a port a link or takes it away, and reports a change.
func (s *Switch) SetLink(no ofproto.Port, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.mustPort(no)
	state := p.State &^ ofproto.PortLinkDown
	if !up {
		state |= ofproto.PortLinkDown
	}
	if state != p.State {
		p.State = state
		s.reportPort(ofproto.PortModified, p)
	}
}

// Port returns what the switch tells of a port.
func (s *Switch) Port(no ofproto.Port) ofproto.PhyPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mustPort(no).PhyPort
}

func (s *Switch) mustPort(no ofproto.Port) *port {
	p := s.port(no)
	if p == nil {
		panic(fmt.Sprintf("oftest: switch %v has no port %v", s.o.DPID, no))
	}
	return p
}

func (s *Switch) reportPort(reason ofproto.PortReason, p *port) {
	if s.session != nil {
		s.session.send(0, &ofproto.PortStatus{Reason: reason, Port: p.PhyPort})
	}
}

// portMod executes a PORT_MOD, OpenFlow 1.0.0 §5.3.4.
func (s *Switch) portMod(m *ofproto.PortMod) error {
	p := s.port(m.Port)
	switch {
	case p == nil:
		return BadPort
	case p.HWAddr != m.HWAddr:
		return BadHWAddr
	}
	if config := p.Config&^m.Mask | m.Config&m.Mask; config != p.Config {
		p.Config = config
		s.reportPort(ofproto.PortModified, p)
	}
	return nil
}

func (s *Switch) phyPorts() []ofproto.PhyPort {
	ports := make([]ofproto.PhyPort, len(s.ports))
	for i, p := range s.ports {
		ports[i] = p.PhyPort
	}
	return ports
}

func isFragment(frame []byte) bool {
	var p packet.Peeked
	return packet.Peek(frame, &p) == nil && p.Fragment
}
