package flow

import (
	"slices"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A Rule is one flow entry as it ought to be.
type Rule struct {
	Match    ofproto.Match
	Priority uint16
	Cookie   Cookie
	Idle     uint16 // seconds; 0: for ever
	Notify   bool   // the switch says so when the entry goes (OFPFF_SEND_FLOW_REM)
	Fin      bool   // it carries a connection: once that ends, Idle falls to FinIdle, on switches that can tell
	Actions  []ofproto.Action
}

// A Key identifies a rule within a table: OpenFlow 1.0.0 §4.6 knows no two entries of equal match and priority.
type Key struct {
	Match    ofproto.Match // normalized
	Priority uint16
}

// Key identifies the rule.
func (r Rule) Key() Key { return Key{r.Match.Normalized(), r.Priority} }

// Same reports whether another rule of one key does the same thing under the same cookie. Timeouts are compared too: a rule
// with a shorter one than wished would expire under its session, unless its connection has ended. Notify is not, for no
// switch reports it back.
func (r Rule) Same(o Rule) bool {
	idle := r.Idle == o.Idle || r.Fin && o.Idle == FinIdle
	return idle && r.Cookie == o.Cookie && r.Fin == o.Fin && slices.EqualFunc(r.Actions, o.Actions, sameAction)
}

// sameAction is ofproto.SameAction, without an allocation where two actions are the same to the bit.
func sameAction(a, b ofproto.Action) bool {
	switch a.(type) {
	case ofproto.VendorAction, ofproto.RawAction: // not comparable
		return ofproto.SameAction(a, b)
	}
	return a == b || ofproto.SameAction(a, b)
}

// Add fills m with the message that installs the rule, but for Fin; an entry of the same key is replaced with its counters.
func (r Rule) Add(m *ofproto.FlowMod) {
	*m = ofproto.FlowMod{
		Match: r.Match, Cookie: uint64(r.Cookie), Command: ofproto.FlowAdd, IdleTimeout: r.Idle, Priority: r.Priority,
		BufferID: ofproto.NoBuffer, OutPort: ofproto.PortNone, Actions: r.Actions,
	}
	if r.Notify {
		m.Flags = ofproto.SendFlowRem
	}
}

// Delete fills m with the message that removes just this entry.
func (k Key) Delete(m *ofproto.FlowMod) {
	*m = ofproto.FlowMod{
		Match: k.Match, Command: ofproto.FlowDeleteStrict, Priority: k.Priority,
		BufferID: ofproto.NoBuffer, OutPort: ofproto.PortNone,
	}
}
