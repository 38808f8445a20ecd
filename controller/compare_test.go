package controller

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// randomRule is one of a few keys, with one of a few contents; three of ten are nobody's of ours.
func randomRule(rng *rand.Rand) flow.Rule {
	m := ofproto.MatchAll
	m.Wildcards &^= ofproto.WildInPort | ofproto.WildDLType
	m.InPort, m.DLType = ofproto.Port(1+rng.IntN(12)), 0x0800
	if rng.IntN(2) == 0 {
		m.Wildcards &^= ofproto.WildNWProto
		m.NWProto = 6
	}
	r := flow.Rule{
		Match: m, Priority: uint16(1+rng.IntN(2)) * 10000, Cookie: flow.NewCookie(flow.KindSession, uint32(rng.IntN(2))), Idle: uint16(rng.IntN(2)) * 180,
		Notify: rng.IntN(2) == 0, Actions: []ofproto.Action{ofproto.Output{Port: ofproto.Port(20 + rng.IntN(2))}},
	}
	if rng.IntN(10) < 3 {
		r.Cookie = flow.Cookie(rng.IntN(3))
	}
	return r
}

func ours(r flow.Rule) flow.Rule {
	if !r.Cookie.Ours() {
		r.Cookie = flow.NewCookie(flow.KindSession, 1)
	}
	return r
}

// reported is a switch's table as it reports it.
func reported(sw *oftest.Switch) (have entries) {
	for _, f := range sw.Flows() {
		_ = have.add(ofproto.FlowStats{{Match: f.Match, Priority: f.Priority, Cookie: f.Cookie, IdleTimeout: f.IdleTimeout, Actions: f.Actions}})
	}
	return have
}

func tableOf(sw *oftest.Switch) flow.Table {
	t := flow.Table{}
	for _, f := range sw.Flows() {
		r := flow.Rule{Match: f.Match, Priority: f.Priority, Cookie: flow.Cookie(f.Cookie), Idle: f.IdleTimeout, Actions: f.Actions}
		t[r.Key()] = r
	}
	return t
}

// TestCompare sends what compare says to a switch that has anything, and looks what it has then: all that is wished for, of
// ours nothing else, of others' everything but what stood in a wish's place. What was right is not touched.
func TestCompare(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 0))
		sw := oftest.NewSwitch(oftest.Options{DPID: 1})
		have, want := flow.Table{}, flow.Table{}
		table := &installer{}
		var m ofproto.FlowMod
		apply := func() {
			t.Helper()
			if err := sw.Apply(&m); err != nil {
				t.Fatal(err)
			}
		}
		for range rng.IntN(30) {
			r := randomRule(rng)
			have[r.Key()] = r
		}
		for _, r := range have {
			r.Add(&m)
			apply()
		}
		for range rng.IntN(30) {
			r := ours(randomRule(rng))
			if h, ok := have[r.Key()]; ok && rng.IntN(2) == 0 {
				r = ours(h)
			}
			want[r.Key()] = r
			table.rules.put(&installed{rule: r})
		}
		missing, surplus := table.compare(reported(sw).ours)
		for _, k := range surplus {
			k.Delete(&m)
			apply()
		}
		for _, w := range missing {
			if h, ok := have[w.rule.Key()]; ok && h.Same(w.rule) {
				t.Errorf("seed %d: %v is there already", seed, w.rule)
			}
			w.rule.Add(&m)
			apply()
		}
		now := tableOf(sw)
		rest := maps.Clone(now)
		for k, w := range want {
			if got, ok := now[k]; !ok || !got.Same(w) {
				t.Errorf("seed %d: got %v, want %v", seed, got, w)
			}
			delete(rest, k)
		}
		for k, h := range have {
			if _, wished := want[k]; wished || h.Cookie.Ours() {
				continue
			}
			if got, ok := rest[k]; !ok || !got.Same(h) {
				t.Errorf("seed %d: somebody else's %v is now %v", seed, h, got)
			}
			delete(rest, k)
		}
		if len(rest) != 0 {
			t.Errorf("seed %d: too much: %v", seed, rest)
		}
		if missing, surplus := table.compare(reported(sw).ours); len(missing)+len(surplus) != 0 {
			t.Errorf("seed %d: still to do: %v, %v", seed, missing, surplus)
		}
	}
}

// TestTally has rules missing, too many, others' and on their way when a table is audited: the four figures are of one moment, and
// what is desired is present or missing.
func TestTally(t *testing.T) {
	sw := &slowSwitch{t: t, sw: oftest.NewSwitch(oftest.Options{DPID: 1}), takes: make(chan struct{})}
	close(sw.takes)
	table := newInstaller(1, newMetrics(prometheus.NewRegistry()), nil)
	table.connect(sw, nil, false)
	for i := range 10 {
		table.install([]flow.Rule{byPort(i)}, "", nil)
		table.acknowledged(sw.xid, time.Unix(1, 0))
	}
	asked := time.Unix(2, 0)
	have := reported(sw.sw)
	have.ours = have.ours[3:]
	surplus := byPort(99)
	have.ours = append(have.ours, ofproto.FlowStat{Match: surplus.Match, Priority: surplus.Priority, Cookie: uint64(surplus.Cookie)})
	have.foreign = 5
	table.install([]flow.Rule{byPort(20), byPort(21)}, "", nil)
	if got, want := table.repair(have, asked), (tally{desired: 10, present: 7, missing: 3, surplus: 1, foreign: 5}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := table.repair(reported(sw.sw), asked), (tally{desired: 12, present: 12}); got != want {
		t.Errorf("repaired: %+v, want %+v", got, want)
	}
}

// TestTallyGauges changes a table, and looks at what is shown after the next audit, and after the one that follows.
func TestTallyGauges(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.watch("hv1")
		l.Host("hv2").Dial(l.Host("hv1").IP, 80) // a pair, which is not counted
		l.after(l.c.o.AuditInterval)
		shown := func(which string) int { return int(l.series("ofctl_rules", map[string]string{"rules": which})) }
		all := shown("desired")
		if all < 8 || shown("present") != all || shown("missing") != 0 || shown("foreign") != 0 {
			l.t.Errorf("desired %d, present %d, missing %d, foreign %d", all, shown("present"), shown("missing"), shown("foreign"))
		}
		sw := l.Switch("s1")
		for i := range 3 {
			if err := sw.AddFlow(fmt.Sprintf("cookie=0x77,priority=31000,udp,tp_dst=%d,actions=output:1", i)); err != nil {
				l.t.Fatal(err)
			}
		}
		f := l.rules("s1", flow.KindService)[0]
		del := &ofproto.FlowMod{Match: f.Match, Priority: f.Priority, Command: ofproto.FlowDeleteStrict, OutPort: ofproto.PortNone}
		if err := sw.Apply(del); err != nil {
			l.t.Fatal(err)
		}
		for _, missing := range []int{1, 0} {
			l.after(l.c.o.AuditInterval)
			if shown("desired") != all || shown("present") != all-missing || shown("missing") != missing || shown("foreign") != 3 {
				l.t.Errorf("desired %d, present %d, missing %d, foreign %d; want %d, %d missing, 3 foreign",
					shown("desired"), shown("present"), shown("missing"), shown("foreign"), all, missing)
			}
		}
	})
}

// TestForeignEntries has a switch whose table is others' to a large part: they take no memory, and are counted.
func TestForeignEntries(t *testing.T) {
	own := wish(1)
	part := ofproto.FlowStats{{Match: own.Match, Priority: own.Priority, Cookie: uint64(own.Cookie)}}
	for range 999 {
		part = append(part, ofproto.FlowStat{Cookie: 0x77, Actions: []ofproto.Action{ofproto.Output{Port: 1}}})
	}
	var have entries
	const parts = 100
	for range parts {
		if err := have.add(part); err != nil {
			t.Fatal(err)
		}
	}
	if len(have.ours) != parts || cap(have.ours) > 2*parts || have.foreign != 999*parts {
		t.Errorf("%d of ours in room for %d, %d of others; want %d and %d", len(have.ours), cap(have.ours), have.foreign, parts, 999*parts)
	}
	have.ours = make([]ofproto.FlowStat, maxTable)
	if err := have.add(part[:1]); err == nil {
		t.Error("more of ours than any table has are taken")
	}
}
