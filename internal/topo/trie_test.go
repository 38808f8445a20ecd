package topo

import (
	"maps"
	"math/rand/v2"
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
		if n, ok := size(&k.trie.root); !ok || n != len(k.want) {
			t.Errorf("seed %d, picture %d: a way breaks the invariant, or %d entries are not %d", seed, i, n, len(k.want))
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
	if tr.n != 0 || tr.root.list != nil || tr.root.fork != nil {
		t.Errorf("seed %d: %+v is left", seed, tr)
	}
}

// size counts what is below a way, and reports whether all ways there keep the invariant.
func size(w *way[int]) (n int, ok bool) {
	if w.fork == nil {
		return len(w.list), len(w.list) <= leafMost
	}
	ok = len(w.list) == 0
	for i := range w.fork {
		below, fine := size(&w.fork[i])
		n, ok = n+below, ok && fine
	}
	return n, ok && n > leafLeast
}
