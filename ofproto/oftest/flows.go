package oftest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// Apply executes a FlowMod as if a controller had sent it: a test's way to have entries there before. It returns a
// Refusal if the switch refuses.
func (s *Switch) Apply(mod *ofproto.FlowMod) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flowMod(mod)
}

// AddFlow is Apply for an entry in the syntax of ovs-ofctl add-flow: "priority=5,in_port=1,actions=output:2".
func (s *Switch) AddFlow(text string) error {
	mod, err := ofproto.ParseFlow(text)
	if err != nil {
		return err
	}
	return s.Apply(mod)
}

// A Flow is one flow entry as it is in the table.
type Flow struct {
	Match       ofproto.Match // normalized
	Priority    uint16
	Cookie      uint64
	IdleTimeout uint16 // seconds
	HardTimeout uint16 // seconds
	Flags       ofproto.FlowModFlags
	Actions     []ofproto.Action
	Packets     uint64
	Bytes       uint64
	Age         time.Duration
}

// String returns the entry in the syntax of ovs-ofctl add-flow, without counters.
func (f Flow) String() string {
	mod := ofproto.FlowMod{
		Match: f.Match, Priority: f.Priority, Cookie: f.Cookie, IdleTimeout: f.IdleTimeout, HardTimeout: f.HardTimeout,
		Flags: f.Flags, BufferID: ofproto.NoBuffer, OutPort: ofproto.PortNone, Actions: f.Actions,
	}
	return mod.String()
}

func flowOf(e *entry) Flow {
	return Flow{
		Match: plain(e.match), Priority: e.mod.Priority, Cookie: e.mod.Cookie, IdleTimeout: e.mod.IdleTimeout,
		HardTimeout: e.mod.HardTimeout, Flags: e.mod.Flags, Actions: slices.Clone(e.mod.Actions),
		Packets: e.packets, Bytes: e.bytes,
	}
}

// Flows returns the flow table by falling priority, entries of one priority in the order in which they were added.
func (s *Switch) Flows() []Flow {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	entries := s.table.choose(ofproto.MatchAll.Normalized(), 0, false, ofproto.PortNone)
	slices.SortStableFunc(entries, func(a, b *entry) int { return b.rank - a.rank })
	flows := make([]Flow, len(entries))
	for i, e := range entries {
		flows[i] = flowOf(e)
		flows[i].Age = s.now().Sub(e.added)
	}
	return flows
}

// DumpFlows returns Flows as text, a line each with its counters, to be shown when a test fails.
func (s *Switch) DumpFlows() string {
	var b strings.Builder
	for _, f := range s.Flows() {
		fmt.Fprintf(&b, "%v (%d packets, %d bytes, %v old)\n", f, f.Packets, f.Bytes, f.Age)
	}
	return b.String()
}
