package flow

import "github.com/ofctl-live/ofctl-live/ofproto"

// FinIdle is the idle timeout in seconds to which that of a rule with Fin falls once a FIN or RST has come by it: the last
// acknowledgements, and a few that are sent again, still pass.
const FinIdle = 5

// fin is what has Open vSwitch do so.
var fin ofproto.Action = ofproto.FinTimeout{Idle: FinIdle}

// AddFin fills m with the message that installs the rule on a switch that is able to do what Fin says. Its actions are in
// room, which is returned, perhaps grown.
func (r Rule) AddFin(m *ofproto.FlowMod, room []ofproto.Action) []ofproto.Action {
	r.Add(m)
	if r.Fin {
		room = append(append(room[:0], fin), r.Actions...)
		m.Actions = room
	}
	return room
}

// Reported is a switch's own report of an entry as a rule.
func Reported(s *ofproto.FlowStat) Rule {
	r := Rule{Match: s.Match, Priority: s.Priority, Cookie: Cookie(s.Cookie), Idle: s.IdleTimeout, Actions: s.Actions}
	if len(r.Actions) > 0 && sameAction(r.Actions[0], fin) {
		r.Fin, r.Actions = true, r.Actions[1:]
	}
	return r
}
