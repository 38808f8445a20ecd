package topo

// A trie is a persistent map from 64-bit keys: with and without return another trie that shares all but the few forks on
// the way to one key, so that a reader's picture stays as it is and a change among a hundred thousand entries copies a
// kilobyte or two. It is a hash trie (Bagwell, Ideal Hash Trees, 2001) that is made for being read: a fork has all its ways
// in place, so that each level costs one look at memory, and only what is below leafMost entries is a list. The zero trie is
// empty.
type trie[V any] struct {
	root way[V]
	n    int
}

// A way leads to a list of entries, in no order, or to a fork. Invariant: a list has no more than leafMost entries, and below
// a fork are more than leafLeast.
type way[V any] struct {
	list []pair[V]
	fork *[ways]way[V]
}

type pair[V any] struct {
	key   uint64 // mixed
	value V
}

const (
	wayBits   = 4
	ways      = 1 << wayBits
	leafMost  = 32
	leafLeast = 16 // less than leafMost, so that one that comes and goes does not make and undo a fork each time
)

// mix spreads keys that differ in few bits (Steele et al., Fast Splittable Pseudorandom Number Generators, 2014). It is one
// to one: two keys never collide, and no more than 64/4 levels are needed to tell them apart.
func mix(k uint64) uint64 {
	k = (k ^ k>>30) * 0xbf58476d1ce4e5b9
	k = (k ^ k>>27) * 0x94d049bb133111eb
	return k ^ k>>31
}

// at is the way that a mixed key takes at some depth.
func at(key uint64, shift uint) int { return int(key >> shift % ways) }

func (t *trie[V]) get(key uint64) (v V, ok bool) {
	key = mix(key)
	w, shift := &t.root, uint(0)
	for w.fork != nil {
		w = &w.fork[at(key, shift)]
		shift += wayBits
	}
	for i := range w.list {
		if e := &w.list[i]; e.key == key {
			return e.value, true
		}
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

func (w way[V]) with(e pair[V], shift uint) (_ way[V], added bool) {
	if w.fork != nil {
		f := *w.fork
		next := &f[at(e.key, shift)]
		*next, added = next.with(e, shift+wayBits)
		return way[V]{fork: &f}, added
	}
	if i := w.find(e.key); i >= 0 {
		list := make([]pair[V], len(w.list))
		copy(list, w.list)
		list[i] = e
		return way[V]{list: list}, false
	}
	list := make([]pair[V], len(w.list)+1)
	list[copy(list, w.list)] = e
	if len(list) <= leafMost {
		return way[V]{list: list}, true
	}
	return forked(list, shift), true
}

func (w way[V]) find(key uint64) int {
	for i := range w.list {
		if w.list[i].key == key {
			return i
		}
	}
	return -1
}

// forked is the way to a list that is too long for one.
func forked[V any](list []pair[V], shift uint) way[V] {
	f := new([ways]way[V])
	for _, e := range list {
		next := &f[at(e.key, shift)]
		next.list = append(next.list, e)
	}
	for i := range f {
		if len(f[i].list) > leafMost {
			f[i] = forked(f[i].list, shift+wayBits)
		}
	}
	return way[V]{fork: f}
}

func (t trie[V]) without(key uint64) trie[V] {
	root, gone := t.root.without(mix(key), 0)
	if !gone {
		return t
	}
	return trie[V]{root, t.n - 1}
}

func (w way[V]) without(key uint64, shift uint) (rest way[V], gone bool) {
	if w.fork != nil {
		next, gone := w.fork[at(key, shift)].without(key, shift+wayBits)
		if !gone {
			return w, false
		}
		f := *w.fork
		f[at(key, shift)] = next
		if list, few := gathered(&f); few {
			return way[V]{list: list}, true
		}
		return way[V]{fork: &f}, true
	}
	i := w.find(key)
	switch {
	case i < 0:
		return w, false
	case len(w.list) == 1:
		return way[V]{}, true
	}
	list := make([]pair[V], len(w.list)-1)
	copy(list, w.list[:i])
	copy(list[i:], w.list[i+1:])
	return way[V]{list: list}, true
}

// gathered is all that is below a fork in one list, where that is no more than leafLeast.
func gathered[V any](f *[ways]way[V]) (list []pair[V], few bool) {
	n := 0
	for i := range f {
		if n += len(f[i].list); f[i].fork != nil || n > leafLeast {
			return nil, false
		}
	}
	list = make([]pair[V], 0, n)
	for i := range f {
		list = append(list, f[i].list...)
	}
	return list, true
}

// all calls yield for every value, in no particular order, until it answers false.
func (t *trie[V]) all(yield func(V) bool) { t.root.all(yield) }

func (w *way[V]) all(yield func(V) bool) bool {
	for i := range w.list {
		if !yield(w.list[i].value) {
			return false
		}
	}
	if w.fork != nil {
		for i := range w.fork {
			if !w.fork[i].all(yield) {
				return false
			}
		}
	}
	return true
}
