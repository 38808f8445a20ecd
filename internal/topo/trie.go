package topo

import (
	"math/bits"
	"slices"
)

// A trie is a persistent map from 64-bit keys: with and without return another trie that shares all but the few nodes on
// the way to one key, so that a reader's picture stays as it is and a change among a hundred thousand entries copies a few
// hundred bytes. It is a hash array mapped trie (Bagwell, Ideal Hash Trees, 2001) whose nodes hold their entries themselves
// (Steindorfer and Vinju, Optimizing Hash-Array Mapped Tries, 2015). The zero trie is empty.
type trie[V any] struct {
	root *node[V]
	n    int
}

// A node has 32 ways: to an entry, to another node, or to nothing. Invariant: none is empty, and only the root may have a
// single entry and no node.
type node[V any] struct {
	entryMask, nodeMask uint32
	entries             []pair[V]  // as many as bits in entryMask, in their order
	nodes               []*node[V] // as many as bits in nodeMask, in their order
}

type pair[V any] struct {
	key   uint64 // mixed
	value V
}

const wayBits = 5

// mix spreads keys that differ in few bits (Steele et al., Fast Splittable Pseudorandom Number Generators, 2014). It is one
// to one: two keys never collide, and no more than 64/5 levels are needed to tell them apart.
func mix(k uint64) uint64 {
	k = (k ^ k>>30) * 0xbf58476d1ce4e5b9
	k = (k ^ k>>27) * 0x94d049bb133111eb
	return k ^ k>>31
}

// way is the way that a key takes at some depth.
func way(key uint64, shift uint) (bit uint32) { return 1 << (key >> shift & 31) }

// index is where the entry or node of a way is, or belongs.
func index(mask, bit uint32) int { return bits.OnesCount32(mask & (bit - 1)) }

func (t trie[V]) get(key uint64) (v V, ok bool) {
	key = mix(key)
	for n, shift := t.root, uint(0); n != nil; shift += wayBits {
		bit := way(key, shift)
		if n.entryMask&bit != 0 {
			if e := &n.entries[index(n.entryMask, bit)]; e.key == key {
				return e.value, true
			}
			break
		}
		if n.nodeMask&bit == 0 {
			break
		}
		n = n.nodes[index(n.nodeMask, bit)]
	}
	return v, false
}

func (t trie[V]) with(key uint64, v V) trie[V] {
	root, added := t.root.with(pair[V]{mix(key), v}, 0)
	if added {
		t.n++
	}
	return trie[V]{root, t.n}
}

func (n *node[V]) with(e pair[V], shift uint) (with *node[V], added bool) {
	bit := way(e.key, shift)
	if n == nil {
		return &node[V]{entryMask: bit, entries: []pair[V]{e}}, true
	}
	c := *n
	entry, next := index(n.entryMask, bit), index(n.nodeMask, bit)
	switch {
	case n.nodeMask&bit != 0:
		c.nodes = slices.Clone(n.nodes)
		c.nodes[next], added = c.nodes[next].with(e, shift+wayBits)
		return &c, added
	case n.entryMask&bit == 0:
		c.entryMask |= bit
		c.entries = inserted(n.entries, entry, e)
		return &c, true
	case n.entries[entry].key == e.key:
		c.entries = slices.Clone(n.entries)
		c.entries[entry] = e
		return &c, false
	}
	both, _ := (*node[V])(nil).with(n.entries[entry], shift+wayBits)
	both, _ = both.with(e, shift+wayBits)
	c.entryMask, c.nodeMask = c.entryMask&^bit, c.nodeMask|bit
	c.entries, c.nodes = removed(n.entries, entry), inserted(n.nodes, next, both)
	return &c, true
}

func (t trie[V]) without(key uint64) trie[V] {
	root, gone := t.root.without(mix(key), 0)
	if !gone {
		return t
	}
	return trie[V]{root, t.n - 1}
}

// without leaves the trie as if the key had never been there.
func (n *node[V]) without(key uint64, shift uint) (rest *node[V], gone bool) {
	if n == nil {
		return nil, false
	}
	bit := way(key, shift)
	c := *n
	entry, next := index(n.entryMask, bit), index(n.nodeMask, bit)
	switch {
	case n.nodeMask&bit != 0:
		below, gone := n.nodes[next].without(key, shift+wayBits)
		if !gone {
			return n, false
		}
		if below.nodeMask != 0 || len(below.entries) > 1 {
			c.nodes = slices.Clone(n.nodes)
			c.nodes[next] = below
			return &c, true
		}
		c.entryMask, c.nodeMask = c.entryMask|bit, c.nodeMask&^bit
		c.entries, c.nodes = inserted(n.entries, entry, below.entries[0]), removed(n.nodes, next)
	case n.entryMask&bit == 0 || n.entries[entry].key != key:
		return n, false
	case len(n.entries) == 1 && n.nodeMask == 0:
		return nil, true
	default:
		c.entryMask &^= bit
		c.entries = removed(n.entries, entry)
	}
	return &c, true
}

// inserted and removed copy a slice with one element more or less, and not a byte of room.
func inserted[E any](s []E, at int, e E) []E {
	c := make([]E, len(s)+1)
	copy(c, s[:at])
	c[at] = e
	copy(c[at+1:], s[at:])
	return c
}

func removed[E any](s []E, at int) []E {
	c := make([]E, len(s)-1)
	copy(c, s[:at])
	copy(c[at:], s[at+1:])
	return c
}

// all calls yield for every value, in no particular order, until it answers false.
func (t trie[V]) all(yield func(V) bool) { t.root.all(yield) }

func (n *node[V]) all(yield func(V) bool) bool {
	if n == nil {
		return true
	}
	for i := range n.entries {
		if !yield(n.entries[i].value) {
			return false
		}
	}
	for _, next := range n.nodes {
		if !next.all(yield) {
			return false
		}
	}
	return true
}
