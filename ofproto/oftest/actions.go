package oftest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// check refuses actions that no packet could be treated by, as a switch does before it accepts them. TABLE may stand in
// a PACKET_OUT only; NORMAL is optional, and not offered here.
func (s *Switch) check(actions []ofproto.Action, packetOut bool) error {
	for _, a := range actions {
		bad := false
		switch a := a.(type) {
		case ofproto.Output:
			switch a.Port {
			case ofproto.PortInPort, ofproto.PortFlood, ofproto.PortAll, ofproto.PortController, ofproto.PortLocal:
			case ofproto.PortTable:
				if !packetOut {
					return BadOutPort
				}
			default:
				if a.Port == 0 || a.Port >= ofproto.PortMax {
					return BadOutPort
				}
			}
		case ofproto.Enqueue:
			if a.Port != ofproto.PortInPort && (a.Port == 0 || a.Port >= ofproto.PortMax) {
				return BadOutPort
			}
		case ofproto.SetVLANVID:
			bad = a.VID > 0xfff
		case ofproto.SetVLANPCP:
			bad = a.PCP > 7
		case ofproto.SetNWTOS:
			bad = a.TOS&3 != 0
		case ofproto.FinTimeout:
			if s.o.Plain {
				return BadActionVendor
			}
		case ofproto.VendorAction:
			return BadActionVendor
		case ofproto.RawAction:
			return BadActionType
		}
		if bad {
			return BadArgument
		}
	}
	return nil
}

// execute applies actions to a frame that came in by a port, in order, and returns what leaves the switch. The caller
// holds the lock.
func (s *Switch) execute(frame []byte, in ofproto.Port, actions []ofproto.Action) []Egress {
	var out []Egress
	frame = bytes.Clone(frame)
	for _, a := range actions {
		switch a := a.(type) {
		case ofproto.Output:
			out = append(out, s.output(frame, in, a)...)
		case ofproto.Enqueue: // through a queue or not, it is the same frame
			out = append(out, s.output(frame, in, ofproto.Output{Port: a.Port})...)
		default:
			frame = rewrite(frame, a)
		}
	}
	return out
}

// rewrite applies an action that is not an output. Frames that do not have the field stay as they are.
func rewrite(frame []byte, a ofproto.Action) []byte {
	if len(frame) < 14 {
		return frame
	}
	switch a := a.(type) {
	case ofproto.SetVLANVID:
		return packet.SetVLANID(frame, a.VID)
	case ofproto.SetVLANPCP:
		return packet.SetVLANPCP(frame, a.PCP)
	case ofproto.StripVLAN:
		return packet.StripVLAN(frame)
	case ofproto.SetDLDst:
		copy(frame[0:6], a.MAC[:])
	case ofproto.SetDLSrc:
		copy(frame[6:12], a.MAC[:])
	case ofproto.SetNWSrc:
		packet.SetIPv4Src(frame, a.IPv4)
	case ofproto.SetNWDst:
		packet.SetIPv4Dst(frame, a.IPv4)
	case ofproto.SetNWTOS:
		packet.SetDSCP(frame, a.TOS)
	case ofproto.SetTPSrc:
		packet.SetSrcPort(frame, a.Port)
	case ofproto.SetTPDst:
		packet.SetDstPort(frame, a.Port)
	case ofproto.FinTimeout: // is about the entry, not the frame: see table.lower
	default:
		panic(fmt.Sprintf("oftest: action %T passed the check and is not implemented", a))
	}
	return frame
}

// output sends a frame to a port, real or fictitious: OpenFlow 1.0.0 §3.3.
func (s *Switch) output(frame []byte, in ofproto.Port, o ofproto.Output) []Egress {
	switch o.Port {
	case ofproto.PortController:
		s.packetIn(frame, in, ofproto.ReasonAction, o.MaxLen)
		return nil
	case ofproto.PortTable:
		return s.forward(frame, in)
	case ofproto.PortInPort:
		return s.emit(nil, frame, in)
	case ofproto.PortFlood, ofproto.PortAll:
		var out []Egress
		for _, p := range s.ports {
			if p.No != in && p.No < ofproto.PortMax && (o.Port == ofproto.PortAll || p.Config&ofproto.PortNoFlood == 0) {
				out = s.emit(out, frame, p.No)
			}
		}
		return out
	}
	if o.Port == in { // only IN_PORT sends a packet back
		return nil
	}
	return s.emit(nil, frame, o.Port)
}

// emit appends the frame leaving by a port, if the port exists and can carry it.
func (s *Switch) emit(out []Egress, frame []byte, no ofproto.Port) []Egress {
	p := s.port(no)
	switch {
	case p == nil:
		return out
	case !p.Up() || p.Config&ofproto.PortNoFwd != 0:
		p.stats.TxDropped++
		return out
	}
	p.stats.TxPackets++
	p.stats.TxBytes += uint64(len(frame))
	return append(out, Egress{Port: no, Frame: bytes.Clone(frame)})
}

// forward takes a frame through the flow table.
func (s *Switch) forward(frame []byte, in ofproto.Port) []Egress {
	key := keyOf(in, frame)
	e, ambiguous := s.table.lookup(key)
	if e == nil {
		s.packetIn(frame, in, ofproto.ReasonNoMatch, s.missSendLen)
		return nil
	}
	if ambiguous != nil {
		s.complain("two entries of priority %d match the same packet and differ: %s and %s",
			e.mod.Priority, flowOf(e), flowOf(ambiguous))
	}
	e.packets++
	e.bytes += uint64(len(frame))
	e.lastUsed = s.now()
	s.table.lower(e, frame)
	return s.execute(frame, in, e.mod.Actions)
}

// A port is a PhyPort and its counters.
type port struct {
	ofproto.PhyPort
	stats ofproto.PortStat
}

func (s *Switch) port(no ofproto.Port) *port {
	i := slices.IndexFunc(s.ports, func(p *port) bool { return p.No == no })
	if i < 0 {
		return nil
	}
	return s.ports[i]
}
