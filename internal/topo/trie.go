package topo

import (
	"math/bits"
	"slices"
)

// A trie is a persistent map from 64-bit keys: with and without return another trie that shares all but the few nodes on
// the way to one key, so that a reader's picture stays as it is and a change among a hundred thousand entries copies a few
// hundred bytes. It is Bagwell's hash array mapped trie (Ideal Hash Trees, 2001). The zero trie is empty.
type trie[V any] struct {
	root node[V]
	n    int
}

// A node is either a leaf, with a key and its value, or a fork. They are held by value, so that a lookup meets one cache
// line per level and not two. The zero node is a fork without ways: nothing.
type node[V any] struct {
	key   uint64 // of a leaf, mixed
	value V
	mask  uint32    // which of 32 ways a fork has
	leaf  bool      // Invariant: mask is 0
	ways  []node[V] // Invariant: as many as bits in mask, in their order; none is empty
}

const wayBits = 5

// mix spreads keys that differ in few bits (Steele et al., Fast Splittable Pseudorandom Number Generators, 2014). It is one
// to one: two keys never collide, and no more than 64/5 levels are needed to tell them apart.
func mix(k uint64) uint64 {
	k = (k ^ k>>30) * 0xbf58476d1ce4e5b9
	k = (k ^ k>>27) * 0x94d049bb133111eb
	return k ^ k>>31
}

// way is which of a fork's ways the key takes at that depth, as a bit of mask, and where in ways it is or belongs.
func (n *node[V]) way(key uint64, shift uint) (bit uint32, at int) {
	bit = 1 << (key >> shift & 31)
	return bit, bits.OnesCount32(n.mask & (bit - 1))
}

// get is for a trie that is held somewhere; a copy of its root would cost more than the lookup.
func (t *trie[V]) get(key uint64) (v V, ok bool) {
	key = mix(key)
	n := &t.root
	for shift := uint(0); !n.leaf; shift += wayBits {
		bit, at := n.way(key, shift)
		if n.mask&bit == 0 {
			return v, false
		}
		n = &n.ways[at]
	}
	if n.key != key {
		return v, false
	}
	return n.value, true
}

func (t trie[V]) with(key uint64, v V) trie[V] {
	root, added := t.root.with(node[V]{key: mix(key), value: v, leaf: true}, 0)
	if added {
		t.n++
	}
	return trie[V]{root, t.n}
}

func (n *node[V]) with(leaf node[V], shift uint) (with node[V], added bool) {
	if n.leaf {
		if n.key == leaf.key {
			return leaf, false
		}
		bit, _ := n.way(n.key, shift)
		n = &node[V]{mask: bit, ways: []node[V]{*n}}
	}
	bit, at := n.way(leaf.key, shift)
	if n.mask&bit == 0 {
		ways := make([]node[V], len(n.ways)+1)
		copy(ways, n.ways[:at])
		ways[at] = leaf
		copy(ways[at+1:], n.ways[at:])
		return node[V]{mask: n.mask | bit, ways: ways}, true
	}
	ways := slices.Clone(n.ways)
	ways[at], added = ways[at].with(leaf, shift+wayBits)
	return node[V]{mask: n.mask, ways: ways}, added
}

func (t trie[V]) without(key uint64) trie[V] {
	root, gone := t.root.without(mix(key), 0)
	if !gone {
		return t
	}
	return trie[V]{root, t.n - 1}
}

// without keeps the trie as flat as if the key had never been there: a fork whose last way is a leaf becomes that leaf.
func (n *node[V]) without(key uint64, shift uint) (rest node[V], gone bool) {
	if n.leaf {
		return node[V]{}, n.key == key
	}
	bit, at := n.way(key, shift)
	if n.mask&bit == 0 {
		return node[V]{}, false
	}
	way, gone := n.ways[at].without(key, shift+wayBits)
	if !gone {
		return node[V]{}, false
	}
	rest = node[V]{mask: n.mask, ways: slices.Clone(n.ways)}
	if way.leaf || way.mask != 0 {
		rest.ways[at] = way
	} else {
		rest.mask &^= bit
		rest.ways = slices.Delete(rest.ways, at, at+1)
	}
	if len(rest.ways) == 1 && rest.ways[0].leaf {
		return rest.ways[0], true
	}
	return rest, true
}

// all calls yield for every value, in no particular order, until it answers false.
func (t trie[V]) all(yield func(V) bool) {
	t.root.all(yield)
}

func (n *node[V]) all(yield func(V) bool) bool {
	if n.leaf {
		return yield(n.value)
	}
	for i := range n.ways {
		if !n.ways[i].all(yield) {
			return false
		}
	}
	return true
}
