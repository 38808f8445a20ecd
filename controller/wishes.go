package controller

import (
	"encoding/binary"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// wishes is the rules that a table should hold, found by their keys. They are kept by one end of the connections that they are for,
// so that both directions of a session are in one place. The zero value is empty and ready.
type wishes struct {
	m map[end]*installed // the first of a chain. Invariant: their matches are normalized
	n int
}

// An end is an address and a port of a match, 0 where it has none.
type end uint64

// endsOf returns the end of the higher port, which as a rule is the client's, and the other.
func endsOf(m *ofproto.Match) (high, low end) {
	src := end(m.TPSrc)<<32 | end(binary.BigEndian.Uint32(m.NWSrc[:]))
	dst := end(m.TPDst)<<32 | end(binary.BigEndian.Uint32(m.NWDst[:]))
	return max(src, dst), min(src, dst)
}

// longChain is how many rules are kept by their higher port's end, whatever the other. Where clients dial from lower ports than they
// dial, all have that end in common; but no client has many services.
const longChain = 8

// get finds a rule, nil where there is none of its key.
func (w *wishes) get(k flow.Key) *installed {
	r, _ := w.at(k)
	return r
}

// at is the rule of a key and the end that it is kept by; where there is none, nil and the end by which it is to be kept.
func (w *wishes) at(k flow.Key) (r *installed, by end) {
	high, low := endsOf(&k.Match)
	r, among := w.in(high, k)
	if r != nil {
		return r, high
	}
	r, fewer := w.in(low, k)
	if r != nil || among >= longChain && fewer < among {
		return r, low
	}
	return nil, high
}

// in looks for the rule of a key in one chain. Where there is none it returns the chain's length.
func (w *wishes) in(by end, k flow.Key) (r *installed, length int) {
	for r = w.m[by]; r != nil && r.key() != k; r = r.next {
		length++
	}
	return r, length
}

// key is the key of a rule that is wished for.
func (r *installed) key() flow.Key { return flow.Key{Match: r.rule.Match, Priority: r.rule.Priority} }

// put adds a rule, in the place of the one of its key.
func (w *wishes) put(r *installed) {
	k := r.rule.Key()
	have, by := w.at(k)
	w.set(k, r, have, by)
}

// set adds a rule of a key, by the end for it, in the place of the one it has been found to have.
func (w *wishes) set(k flow.Key, r, have *installed, by end) {
	if w.m == nil {
		w.m = make(map[end]*installed)
	}
	if have != nil {
		w.cut(have, by)
	}
	r.rule.Match = k.Match
	if first := w.m[by]; first != nil {
		r.next, first.next = first.next, r
	} else {
		w.m[by] = r
	}
	w.n++
}

// cut takes a rule out of its chain.
func (w *wishes) cut(r *installed, by end) {
	first := w.m[by]
	at := &first
	for *at != r {
		at = &(*at).next
	}
	*at = r.next
	w.n--
	if first != nil {
		w.m[by] = first
	} else {
		delete(w.m, by)
	}
}

// remove takes the rule of a key away, and reports whether there was one.
func (w *wishes) remove(k flow.Key) bool {
	r, by := w.at(k)
	if r == nil {
		return false
	}
	w.cut(r, by)
	return true
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
