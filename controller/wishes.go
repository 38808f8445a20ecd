package controller

import (
	"hash/maphash"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// wishes is the rules that a table should hold, found by their keys. What it keeps of a key is a number, a third of the
// memory that the key itself would take once more; rules of one number, of which there are next to none, are chained. The
// zero value is empty and ready.
type wishes struct {
	m map[uint64]*installed
	n int
}

var wishSeed = maphash.MakeSeed() // so that nobody outside can choose keys of one number

func numberOf(k flow.Key) uint64 { return maphash.Comparable(wishSeed, k) }

// get finds a rule, nil where there is none of its key.
func (w *wishes) get(k flow.Key) *installed {
	r, _ := w.at(numberOf(k), k)
	return r
}

// at is the rule of a key, nil where there is none, and the first of those of its number.
func (w *wishes) at(number uint64, k flow.Key) (r, first *installed) {
	first = w.m[number]
	for r = first; r != nil && r.rule.Key() != k; {
		r = r.next
	}
	return r, first
}

// put adds a rule, in the place of the one of its key.
func (w *wishes) put(r *installed) {
	number := numberOf(r.rule.Key())
	w.set(number, r, w.m[number])
}

// set adds a rule of a number to those of it, the first of which is given.
func (w *wishes) set(number uint64, r, first *installed) {
	if w.m == nil {
		w.m = make(map[uint64]*installed)
	}
	r.next = w.without(first, r.rule.Key())
	w.m[number] = r
	w.n++
}

// without takes the rule of a key out of those of its number, and returns the first of the rest.
func (w *wishes) without(first *installed, k flow.Key) *installed {
	for at := &first; *at != nil; at = &(*at).next {
		if (*at).rule.Key() == k {
			*at = (*at).next
			w.n--
			break
		}
	}
	return first
}

// remove takes the rule of a key away, and reports whether there was one.
func (w *wishes) remove(k flow.Key) bool {
	number, before := numberOf(k), w.n
	if first := w.without(w.m[number], k); first != nil {
		w.m[number] = first
	} else {
		delete(w.m, number)
	}
	return w.n < before
}

// all calls yield for every rule until it answers false.
func (w *wishes) all(yield func(*installed) bool) {
	for _, r := range w.m {
		for ; r != nil; r = r.next {
			if !yield(r) {
				return
			}
		}
	}
}

// compare says how a table, as its switch reports it, differs from the wishes: what is missing or not as it should be, and
// which rules of ours nobody wishes for. Rules that come and go by themselves are neither. Under mu.
func (t *installer) compare(have []ofproto.FlowStat) (missing []*installed, surplus []flow.Key) {
	t.round++
	for i := range have {
		r := flow.Reported(&have[i])
		if r.Cookie.Kind().Passing() {
			continue
		}
		k := r.Key()
		switch w := t.rules.get(k); {
		case w == nil && r.Cookie.Ours():
			surplus = append(surplus, k)
		case w != nil && t.asked(w.rule).Same(r):
			w.seen = t.round
		case w != nil:
			w.over = true
		}
	}
	for r := range t.rules.all {
		if r.seen != t.round {
			missing = append(missing, r)
		}
	}
	return missing, surplus
}
