package steer

import (
	"slices"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// CopyMAC is the destination of the copies that Overheard sends to the controller: no host has this address, so a copy is never
// taken for a packet that still has to be sent on. A host may send to it all the same: what is no copy is told by where it came in.
// It is locally administered.
var CopyMAC = ofproto.MAC{0x02, 'o', 'f', 'c', 'p', 'y'}

// Overheard is the plan with the client's packets sent to the controller as well: first on their way, so that nothing
// waits, then as a copy under the addresses the client dialled. Installing the plain plan over it ends that.
func (p Plan) Overheard(s *stream.Session) Plan {
	steps := slices.Clone(p.Steps)
	edge := &steps[len(steps)-1]
	edge.Rules = (*Lists)(nil).Overheard(nil, edge.Rules, s)
	return Plan{Steps: steps}
}

// Overheard adds to rules those of the client's own switch, as Plan.Overheard has them.
func (l *Lists) Overheard(rules, edge []flow.Rule, s *stream.Session) []flow.Rule {
	rules = append(rules, edge...)
	there := &rules[len(rules)-1]
	there.Actions = l.overheard(there.Actions, s)
	return rules
}
