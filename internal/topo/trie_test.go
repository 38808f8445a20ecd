package topo

import (
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTrie does the same to a trie and to a map, and looks now and then whether what was kept of the trie is still as the
// map was then.
func TestTrie(t *testing.T) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 0))
	type kept struct {
		trie trie[int]
		want map[uint64]int
	}
	var old []kept
	var now trie[int]
	want := map[uint64]int{}
	for i := range 20_000 {
		key := uint64(rng.IntN(3000))
		if i/4000%2 == 1 { // shrinking times
			key = uint64(rng.IntN(500))
		}
		if rng.IntN(5) < 2+i/4000%2*2 {
			now = now.without(key)
			delete(want, key)
		} else {
			now = now.with(key, i)
			want[key] = i
		}
		if i%1000 == 0 {
			old = append(old, kept{now, maps.Clone(want)})
		}
	}
	for i, k := range append(old, kept{now, want}) {
		if !wellFormed(k.trie.root, true) {
			t.Errorf("seed %d, picture %d: a node breaks the invariant", seed, i)
		}
		if k.trie.n != len(k.want) {
			t.Errorf("seed %d, picture %d: n is %d, want %d", seed, i, k.trie.n, len(k.want))
		}
		for key := range uint64(3000) {
			v, ok := k.trie.get(key)
			if w, there := k.want[key]; ok != there || v != w {
				t.Fatalf("seed %d, picture %d: get(%d) is %d, %v, want %d, %v", seed, i, key, v, ok, w, there)
			}
		}
		sum, n := 0, 0
		k.trie.all(func(v int) bool { sum += v; n++; return true })
		for _, w := range k.want {
			sum -= w
		}
		if sum != 0 || n != len(k.want) {
			t.Errorf("seed %d, picture %d: all shows %d values, %d too much in sum", seed, i, n, sum)
		}
		n = 0
		k.trie.all(func(int) bool { n++; return false })
		if n != min(1, len(k.want)) {
			t.Errorf("seed %d, picture %d: all goes on after false: %d values", seed, i, n)
		}
	}
}

// TestTrieForgets takes every key out again, in another order: nothing may be left, not even an empty fork.
func TestTrieForgets(t *testing.T) {
	const seed, most = 11, 5000
	rng := rand.New(rand.NewPCG(seed, 0))
	var tr trie[int]
	for _, k := range rng.Perm(most) {
		tr = tr.with(uint64(k)<<32|uint64(k), k)
	}
	for _, k := range rng.Perm(most) {
		tr = tr.without(uint64(k)<<32 | uint64(k))
	}
	if tr.n != 0 || tr.root != nil {
		t.Errorf("seed %d: %+v is left", seed, tr)
	}
}

// wellFormed looks for nodes that should be entries, and masks that do not fit.
func wellFormed(n *node[int], root bool) bool {
	if n == nil {
		return root
	}
	if bits.OnesCount32(n.entryMask) != len(n.entries) || bits.OnesCount32(n.nodeMask) != len(n.nodes) || n.entryMask&n.nodeMask != 0 {
		return false
	}
	if !root && n.nodeMask == 0 && len(n.entries) < 2 {
		return false
	}
	return !slices.ContainsFunc(n.nodes, func(below *node[int]) bool { return !wellFormed(below, false) })
}
