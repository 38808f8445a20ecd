package oftest

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// exactRank is the rank of entries without wildcards, above all priorities: OpenFlow 1.0.0 §3.4.
const exactRank = topPriority + 1

const topPriority = 0xffff

// An entry is one flow entry.
type entry struct {
	match    ofproto.Match // canonical
	rank     int           // its priority, or exactRank
	seq      uint64        // when it was added, in order
	mod      ofproto.FlowMod
	packets  uint64
	bytes    uint64
	added    time.Time
	modified time.Time // or added: when the hard timeout began to run
	lastUsed time.Time
}

// A removal is an entry that left the table other than by being replaced.
type removal struct {
	*entry
	reason ofproto.FlowRemovedReason
}

// A group holds the entries of one rank with the same wildcards, so that a lookup is one look into a map.
//
// Invariant: entries[m].match == m.
type group struct {
	rank      int
	wildcards ofproto.Wildcards
	entries   map[ofproto.Match]*entry
}

// A table is the flow table of OpenFlow 1.0.0 §3.2 to §3.4 and §4.6.
type table struct {
	limit   int      // entries it can hold
	size    int      // Invariant: the sum over groups
	groups  []*group // by falling rank; none is empty
	seq     uint64
	lookups uint64
	hits    uint64
	nextDue time.Time // Invariant: no entry expires before it; zero for never
}

// apply executes a FlowMod. It returns the entries it deleted, a complaint about what a switch lets pass, and the error
// to answer with, after which the table is as it was.
func (t *table) apply(mod *ofproto.FlowMod, now time.Time) (gone []removal, complaint string, err error) {
	match, complaint := canonical(mod.Match)
	rank := int(mod.Priority)
	if mod.Match.Wildcards&ofproto.WildAll == 0 {
		rank = exactRank
	}
	switch mod.Command {
	case ofproto.FlowAdd:
		return nil, complaint, t.add(match, rank, mod, now)
	case ofproto.FlowModify, ofproto.FlowModifyStrict:
		found := t.choose(match, rank, mod.Command == ofproto.FlowModifyStrict, ofproto.PortNone)
		if len(found) == 0 {
			return nil, complaint, t.add(match, rank, mod, now)
		}
		for _, e := range found { // counters, timeouts and flags stay, but the hard timeout runs anew
			e.mod.Actions = mod.Actions
			e.modified = now
			if mod.Cookie != ^uint64(0) {
				e.mod.Cookie = mod.Cookie
			}
		}
		return nil, complaint, nil
	case ofproto.FlowDelete, ofproto.FlowDeleteStrict:
		for _, e := range t.choose(match, rank, mod.Command == ofproto.FlowDeleteStrict, mod.OutPort) {
			t.remove(e)
			gone = append(gone, removal{e, ofproto.RemovedDelete})
		}
		return gone, complaint, nil
	}
	return nil, "", BadCommand
}

func (t *table) add(match ofproto.Match, rank int, mod *ofproto.FlowMod, now time.Time) error {
	old := t.get(match, rank)
	if mod.Flags&ofproto.CheckOverlap != 0 && old == nil { // replacing the same is no overlap, also by its neighbours
		for _, g := range t.groups {
			for m := range g.entries {
				if g.rank == rank && overlaps(m, match) {
					return Overlap
				}
			}
		}
	}
	if old == nil && t.size >= t.limit {
		return TableFull
	}
	lastUsed := now
	if old != nil { // replaced without a FLOW_REMOVED, its counters gone
		t.remove(old)
		lastUsed = old.lastUsed // in Open vSwitch the idle timeout runs on: adding an entry again does not refresh it
	}
	t.seq++
	if rank == exactRank {
		stated := *mod
		stated.Priority = topPriority // it does not matter; Open vSwitch reports the highest there is
		mod = &stated
	}
	e := &entry{match: match, rank: rank, seq: t.seq, mod: *mod, added: now, modified: now, lastUsed: lastUsed}
	i, found := t.group(rank, match.Wildcards)
	if !found {
		t.groups = slices.Insert(t.groups, i, &group{rank, match.Wildcards, map[ofproto.Match]*entry{}})
	}
	t.groups[i].entries[match] = e
	t.size++
	t.watch(e)
	return nil
}

// watch keeps the invariant of nextDue.
func (t *table) watch(e *entry) {
	for _, due := range [2]time.Time{deadline(e.mod.HardTimeout, e.modified), deadline(e.mod.IdleTimeout, e.lastUsed)} {
		if !due.IsZero() && (t.nextDue.IsZero() || due.Before(t.nextDue)) {
			t.nextDue = due
		}
	}
}

func (t *table) remove(e *entry) {
	i, _ := t.group(e.rank, e.match.Wildcards)
	delete(t.groups[i].entries, e.match)
	t.size--
	if len(t.groups[i].entries) == 0 {
		t.groups = slices.Delete(t.groups, i, i+1)
	}
}

// group returns where the group of that rank and those wildcards is, or belongs.
func (t *table) group(rank int, w ofproto.Wildcards) (int, bool) {
	return slices.BinarySearchFunc(t.groups, w, func(g *group, w ofproto.Wildcards) int {
		return cmp.Or(cmp.Compare(rank, g.rank), cmp.Compare(g.wildcards, w))
	})
}

// get returns the entry of that match and rank. One without wildcards is also the one of the highest priority, as which
// statistics report it.
func (t *table) get(match ofproto.Match, rank int) *entry {
	ranks := []int{rank}
	if rank >= topPriority {
		ranks = []int{exactRank, topPriority}
	}
	for _, r := range ranks {
		if i, found := t.group(r, match.Wildcards); found && t.groups[i].entries[match] != nil {
			return t.groups[i].entries[match]
		}
	}
	return nil
}

// lookup returns the entry for a packet, nil for none, and counts it. Ambiguous is another entry of the same rank that
// matches too and has other actions: which of them wins is not defined.
func (t *table) lookup(key ofproto.Match) (found, ambiguous *entry) {
	t.lookups++
	for _, g := range t.groups {
		if found != nil && g.rank < found.rank {
			break
		}
		e := g.entries[under(key, g.wildcards)]
		switch {
		case e == nil:
		case found == nil:
			found = e
			t.hits++
		case !sameActions(found.mod.Actions, e.mod.Actions):
			ambiguous = e
		}
	}
	return found, ambiguous
}

// choose returns, oldest first, the entries a command or a statistics request is for: the very one if strict, else all
// that match covers; of these the ones that output to a port, unless that is PortNone.
func (t *table) choose(match ofproto.Match, rank int, strict bool, out ofproto.Port) []*entry {
	var found []*entry
	if strict {
		if e := t.get(match, rank); e != nil {
			found = append(found, e)
		}
	} else {
		for _, g := range t.groups {
			if union(match.Wildcards, g.wildcards) != match.Wildcards {
				continue // they ignore a field that match is about
			}
			for m, e := range g.entries {
				if under(m, match.Wildcards) == match {
					found = append(found, e)
				}
			}
		}
		slices.SortFunc(found, func(a, b *entry) int { return cmp.Compare(a.seq, b.seq) })
	}
	if out == ofproto.PortNone {
		return found
	}
	return slices.DeleteFunc(found, func(e *entry) bool { return !outputsTo(e.mod.Actions, out) })
}

// lower lowers an entry's timeouts as its FinTimeout actions say, where the frame that came by it ends a connection.
func (t *table) lower(e *entry, frame []byte) {
	least := func(timeout *uint16, limit uint16) {
		if limit != 0 && (*timeout == 0 || *timeout > limit) {
			*timeout = limit
		}
	}
	for _, a := range e.mod.Actions {
		if fin, ok := a.(ofproto.FinTimeout); ok && endsConnection(frame) {
			least(&e.mod.IdleTimeout, fin.Idle)
			least(&e.mod.HardTimeout, fin.Hard)
			t.watch(e)
		}
	}
}

// expire removes what has timed out. A hard timeout that has passed too is the one reported.
func (t *table) expire(now time.Time) []removal {
	if t.nextDue.IsZero() || now.Before(t.nextDue) {
		return nil
	}
	t.nextDue = time.Time{}
	var gone []removal
	for _, g := range t.groups {
		for _, e := range g.entries {
			switch {
			case past(deadline(e.mod.HardTimeout, e.modified), now):
				gone = append(gone, removal{e, ofproto.RemovedHard})
			case past(deadline(e.mod.IdleTimeout, e.lastUsed), now):
				gone = append(gone, removal{e, ofproto.RemovedIdle})
			default:
				t.watch(e)
			}
		}
	}
	slices.SortFunc(gone, func(a, b removal) int { return cmp.Compare(a.seq, b.seq) })
	for _, r := range gone {
		t.remove(r.entry)
	}
	return gone
}

// deadline returns when a timeout that began to run at since is over, the zero time for a timeout of 0, which is never.
func deadline(seconds uint16, since time.Time) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return since.Add(time.Duration(seconds) * time.Second)
}

func past(deadline, now time.Time) bool { return !deadline.IsZero() && !now.Before(deadline) }

func outputsTo(actions []ofproto.Action, port ofproto.Port) bool {
	return slices.ContainsFunc(actions, func(a ofproto.Action) bool {
		switch a := a.(type) {
		case ofproto.Output:
			return a.Port == port
		case ofproto.Enqueue:
			return a.Port == port
		}
		return false
	})
}

func sameActions(a, b []ofproto.Action) bool {
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(a, b))
}
