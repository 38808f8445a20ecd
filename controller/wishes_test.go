package controller

import (
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

func wish(i int) flow.Rule {
	m := ofproto.MatchAll
	m.Wildcards &^= ofproto.WildTPSrc
	m.TPSrc = uint16(i)
	return flow.Rule{Match: m, Priority: flow.PrioritySession, Cookie: flow.NewCookie(flow.KindSession, uint32(i))}
}

// TestWishes does the same to wishes and to a map. Of every third rule all have one number, so that they are chained.
func TestWishes(t *testing.T) {
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, 0))
	var w wishes
	want := map[flow.Key]*installed{}
	set := func(r *installed, i int) {
		if i%3 == 0 {
			w.set(7, r, w.m[7])
		} else {
			w.put(r)
		}
	}
	get := func(k flow.Key, i int) *installed {
		if i%3 == 0 {
			r, _ := w.at(7, k)
			return r
		}
		return w.get(k)
	}
	for range 20_000 {
		i := rng.IntN(300)
		k := wish(i).Key()
		if got := get(k, i); got != want[k] {
			t.Fatalf("seed %d: rule %d is %v, want %v", seed, i, got, want[k])
		}
		if i%3 != 0 && rng.IntN(2) == 0 {
			if _, there := want[k]; w.remove(k) != there {
				t.Fatalf("seed %d: removal of rule %d, which was there: %v", seed, i, there)
			}
			delete(want, k)
			continue
		}
		r := &installed{rule: wish(i)}
		set(r, i)
		want[k] = r
	}
	got := map[flow.Key]*installed{}
	for r := range w.all {
		got[r.rule.Key()] = r
	}
	if !maps.Equal(got, want) || w.n != len(want) {
		t.Errorf("seed %d: %d rules are shown, n is %d, want %d", seed, len(got), w.n, len(want))
	}
	first := w.m[7].rule.Key()
	w.m[7] = w.without(w.m[7], first)
	if again, _ := w.at(7, first); again != nil || w.n != len(want)-1 {
		t.Errorf("seed %d: the first of a chain stays", seed)
	}
}

// table is a switch's report of the rules that it should have.
func (t *installer) table() (have []ofproto.FlowStat) {
	for r := range t.rules.all {
		have = append(have, ofproto.FlowStat{
			Match: r.rule.Match, Priority: r.rule.Priority, Cookie: uint64(r.rule.Cookie), IdleTimeout: r.rule.Idle, Actions: r.rule.Actions,
		})
	}
	return have
}

// BenchmarkCompare compares a table of 10,000 session rules with the wishes, as at each reconnection and each audit. Nothing
// differs.
func BenchmarkCompare(b *testing.B) {
	t := newInstaller(1, nil, nil)
	for i := range 10_000 {
		r := wish(i)
		r.Actions = []ofproto.Action{ofproto.SetDLDst{MAC: benchCDN.MAC}, ofproto.SetNWDst{IPv4: benchCDN.IP}, ofproto.Output{Port: 1}}
		t.rules.put(&installed{rule: r})
	}
	have := t.table()
	b.ReportAllocs()
	for b.Loop() {
		if missing, surplus := t.compare(have); len(missing)+len(surplus) > 0 {
			b.Fatalf("%d missing, %d too many", len(missing), len(surplus))
		}
	}
}
