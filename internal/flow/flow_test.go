package flow

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

func TestCookie(t *testing.T) {
	for k := KindForeign; k <= KindPair; k++ {
		for _, owner := range []uint32{0, 1, 0xdeadbeef, 0xffffffff} {
			c := NewCookie(k, owner)
			if !c.Ours() || c.Kind() != k || c.Owner() != owner {
				t.Errorf("%v of %x: ours %v, kind %v, owner %x", k, owner, c.Ours(), c.Kind(), c.Owner())
			}
		}
	}
	for _, tt := range []struct {
		cookie Cookie
		ours   bool
		kind   Kind
		text   string
	}{
		{0, false, KindForeign, "0x0"},
		{^Cookie(0), false, KindForeign, "0xffffffffffffffff"},
		{0x0f1e << 32, false, KindForeign, "0xf1e00000000"},
		{0x0f1f070000000001, false, KindForeign, "0xf1f070000000001"},
		{0x0f1e070000000001, true, KindSession, "0xf1e070000000001"},
		{0x0f1eff0000000001, true, Kind(0xff), "0xf1eff0000000001"}, // of a later version
	} {
		if tt.cookie.Ours() != tt.ours || tt.cookie.Kind() != tt.kind || tt.cookie.String() != tt.text {
			t.Errorf("%s: ours %v, kind %v, text %v", tt.text, tt.cookie.Ours(), tt.cookie.Kind(), tt.cookie)
		}
	}
	if got := Kind(0xff).String(); got != "unknown" {
		t.Error(got)
	}
}

// The numbers of kinds are in the tables of switches, and outlive the program that put them there.
func TestKindsStay(t *testing.T) {
	want := []string{"foreign", "miss", "lldp", "arp", "service", "probe", "hands-off", "session", "pair"}
	for i, name := range want {
		if Kind(i).String() != name {
			t.Errorf("kind %d is %v, was %s", i, Kind(i), name)
		}
	}
	if len(kindNames) < len(want) {
		t.Error("a kind is gone")
	}
}

// The order of the priorities is the meaning of the table (design: flow table).
func TestPrioritiesAreOrdered(t *testing.T) {
	order := []uint16{
		PriorityLLDP, PriorityProbe, PriorityHandsOff, PrioritySession, PriorityService, PriorityARP, PriorityPair, PriorityMiss,
	}
	for i := range len(order) - 1 {
		if order[i] <= order[i+1] {
			t.Errorf("priority %d is not above %d", order[i], order[i+1])
		}
	}
	if order[len(order)-1] != 0 {
		t.Error("the table miss is not the lowest there is")
	}
}

func TestSame(t *testing.T) {
	rule := func(f func(*Rule)) Rule {
		m, _ := ofproto.ParseMatch("tcp,in_port=1,nw_dst=10.0.0.2,tp_dst=1935")
		r := Rule{
			Match: m, Priority: PrioritySession, Cookie: NewCookie(KindSession, 7), Idle: 180, Notify: true,
			Actions: []ofproto.Action{ofproto.SetNWDst{IPv4: ofproto.IPv4{10, 0, 0, 1}}, ofproto.Output{Port: 3}},
		}
		f(&r)
		return r
	}
	base := rule(func(*Rule) {})
	for _, tt := range []struct {
		name string
		r    Rule
		same bool
	}{
		{"itself", base, true},
		{"nobody reports whether it notifies", rule(func(r *Rule) { r.Notify = false }), true},
		{"max_len means nothing but for the controller", rule(func(r *Rule) { r.Actions[1] = ofproto.Output{Port: 3, MaxLen: 99} }), true},
		{"another owner", rule(func(r *Rule) { r.Cookie++ }), false},
		{"a shorter timeout", rule(func(r *Rule) { r.Idle-- }), false},
		{"no timeout", rule(func(r *Rule) { r.Idle = 0 }), false},
		{"another port", rule(func(r *Rule) { r.Actions[1] = ofproto.Output{Port: 4} }), false},
		{"another order", rule(func(r *Rule) { slices.Reverse(r.Actions) }), false},
		{"fewer actions", rule(func(r *Rule) { r.Actions = r.Actions[:1] }), false},
		{"drop", rule(func(r *Rule) { r.Actions = nil }), false},
		{"raw bytes", rule(func(r *Rule) { r.Actions[0] = ofproto.RawAction{ActionType: 99, Data: []byte{1}} }), false},
	} {
		if base.Same(tt.r) != tt.same || tt.r.Same(base) != tt.same {
			t.Errorf("%s: %v", tt.name, !tt.same)
		}
	}
	raw := func() Rule {
		return Rule{Actions: []ofproto.Action{ofproto.VendorAction{Vendor: 1, Data: make([]byte, 4)}}}
	}
	if !raw().Same(raw()) {
		t.Error("equal bytes are not the same")
	}
}

// TestKey: what a switch reports differs from what it was told in fields that do not count, and is the same rule.
func TestKey(t *testing.T) {
	m := ofproto.MatchAll
	m.NWSrc, m.TPDst = ofproto.IPv4{9, 9, 9, 9}, 80 // wildcarded
	a, b := Rule{Match: m, Priority: 5}, Rule{Match: ofproto.MatchAll, Priority: 5}
	if a.Key() != b.Key() {
		t.Errorf("%v is not %v", a.Key(), b.Key())
	}
	b.Priority = 6
	if a.Key() == b.Key() {
		t.Error("priority does not count")
	}
	if table := NewTable(a, Rule{Match: ofproto.MatchAll, Priority: 5, Idle: 9}); len(table) != 1 || table[a.Key()].Idle != 9 {
		t.Errorf("%v", table)
	}
}

// TestAdd installs a rule, puts another in its place and removes it.
func TestAdd(t *testing.T) {
	sw := oftest.NewSwitch(oftest.Options{DPID: 1, Ports: []ofproto.Port{1, 2, 3}})
	r := Rule{Match: ofproto.MatchAll, Priority: 7, Cookie: NewCookie(KindPair, 1), Idle: 60, Notify: true, Actions: []ofproto.Action{ofproto.Output{Port: 2}}}
	var m ofproto.FlowMod
	r.Add(&m)
	if m.BufferID != ofproto.NoBuffer || m.Flags != ofproto.SendFlowRem || m.OutPort != ofproto.PortNone {
		t.Errorf("%+v", m)
	}
	for range 2 {
		if err := sw.Apply(&m); err != nil {
			t.Fatal(err)
		}
		sw.Receive(1, make([]byte, 60))
		r.Actions = []ofproto.Action{ofproto.Output{Port: 3}}
		r.Add(&m)
	}
	if f := sw.Flows(); len(f) != 1 || f[0].Packets != 1 || fmt.Sprint(f[0].Actions) != fmt.Sprint(r.Actions) {
		t.Errorf("%v", f)
	}
	r.Key().Delete(&m)
	if err := sw.Apply(&m); err != nil || len(sw.Flows()) != 0 {
		t.Errorf("%v, %v", err, sw.Flows())
	}
}
