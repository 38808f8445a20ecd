package steer

import (
	"slices"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// CopyMAC is the destination of the copies that Overheard sends to the controller: no packet from a host has it, so a copy
// is never taken for a packet that still has to be sent on. It is locally administered.
var CopyMAC = ofproto.MAC{0x02, 'o', 'f', 'c', 'p', 'y'}

// Overheard is the plan with the client's packets sent to the controller as well: first on their way, so that nothing
// waits, then as a copy under the addresses the client dialled. Installing the plain plan over it ends that.
func (p Plan) Overheard(s *stream.Session) Plan {
	steps := slices.Clone(p.Steps)
	edge := &steps[len(steps)-1]
	edge.Rules = slices.Clone(edge.Rules)
	there := &edge.Rules[len(edge.Rules)-1]
	there.Actions = append(slices.Clone(there.Actions), ofproto.SetDLDst{MAC: CopyMAC})
	if slices.ContainsFunc(there.Actions, func(a ofproto.Action) bool { return a.Type() == ofproto.ActionSetNWSrc }) {
		there.Actions = append(there.Actions, ofproto.SetNWSrc{IPv4: s.Client})
	}
	if s.Redirected() {
		there.Actions = append(there.Actions, ofproto.SetNWDst{IPv4: s.Tuple.Service})
		if s.Source.Port != s.ServicePort {
			there.Actions = append(there.Actions, ofproto.SetTPDst{Port: s.ServicePort})
		}
	}
	there.Actions = append(there.Actions, ofproto.Output{Port: ofproto.PortController, MaxLen: wholePacket})
	return Plan{Steps: steps}
}
