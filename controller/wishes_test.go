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

// wishBetween is the rule of one direction of a connection.
func wishBetween(in ofproto.Port, src ofproto.IPv4, sport uint16, dst ofproto.IPv4, dport uint16) flow.Rule {
	r := wish(int(sport))
	m := &r.Match
	m.Wildcards &^= ofproto.WildInPort | ofproto.WildTPDst
	m.Wildcards = m.Wildcards.WithNWSrcBits(32).WithNWDstBits(32)
	m.InPort, m.NWSrc, m.NWDst, m.TPDst = in, src, dst, dport
	return r
}

// TestWishes does the same to wishes and to a map. Rules have ends in common with few or many others, and some no end at all.
func TestWishes(t *testing.T) {
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, 0))
	var w wishes
	want := map[flow.Key]*installed{}
	for range 30_000 {
		ip := func() ofproto.IPv4 { return ofproto.IPv4{10, 0, 0, byte(rng.IntN(3))} }
		r := wishBetween(ofproto.Port(rng.IntN(4)), ip(), uint16(rng.IntN(5)), ip(), uint16(rng.IntN(2)))
		if rng.IntN(4) == 0 {
			r = flow.Rule{Match: ofproto.MatchAll, Priority: uint16(rng.IntN(20))}
			r.Match.NWSrc = ip() // of which nothing counts
		}
		k := r.Key()
		if got := w.get(k); got != want[k] {
			t.Fatalf("seed %d: the rule of %v is %v, want %v", seed, k, got, want[k])
		}
		if rng.IntN(2) == 0 {
			if _, there := want[k]; w.remove(k) != there {
				t.Fatalf("seed %d: removal of the rule of %v, which was there: %v", seed, k, there)
			}
			delete(want, k)
			continue
		}
		next := &installed{rule: r}
		w.put(next)
		want[k] = next
	}
	got := map[flow.Key]*installed{}
	for r := range w.all {
		got[r.rule.Key()] = r
	}
	if !maps.Equal(got, want) || w.n != len(want) {
		t.Errorf("seed %d: %d rules are shown, n is %d, want %d", seed, len(got), w.n, len(want))
	}
	for k := range want {
		w.remove(k)
	}
	if w.n != 0 || len(w.m) != 0 {
		t.Errorf("seed %d: %d rules and %d chains are left of none", seed, w.n, len(w.m))
	}
}

// TestWishesChains: however clients choose their ports, no chain is longer than what one client's port has services.
func TestWishesChains(t *testing.T) {
	for _, first := range []int{1, 1000, 30_000} { // below and above the ports that they dial, which are from 20,000 on
		const clients, services = 2000, 6
		var w wishes
		for i := range clients {
			client, from := ofproto.IPv4{10, 1, byte(i >> 8), byte(i)}, uint16(first+i)
			for n := range services {
				service, port := ofproto.IPv4{10, 2, 0, byte(n)}, uint16(20_000+n)
				w.put(&installed{rule: wishBetween(1, client, from, service, port)})
				w.put(&installed{rule: wishBetween(2, service, port, client, from)})
			}
		}
		for by, r := range w.m {
			n := 0
			for ; r != nil; r = r.next {
				n++
			}
			if n > 2*services {
				t.Errorf("clients' ports from %d: %d rules by %x", first, n, by)
			}
		}
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
