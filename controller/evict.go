package controller

import (
	"slices"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// Where there is no more room for rules of pairs, those make room that have been idle for longest. OpenFlow 1.0 does not tell
// when a rule was last used; how many packets it has carried from one audit to the next does well enough, and costs nothing more.

const (
	evicted  = 16  // pairs that make room at once on a switch that is full
	crowding = 256 // and where it has as many as are remembered
)

// lastUsed is about when a rule was last used that has carried some packets within a span of time: as if they came evenly.
func lastUsed(end time.Time, span time.Duration, packets uint64) time.Time {
	return end.Add(-time.Duration(float64(span) / float64(packets+1)))
}

// pairsCounted takes what the pairs' rules have carried by the time that the switch was asked.
func (d *datapath) pairsCounted(have []ofproto.FlowStat, asked time.Time) {
	d.pairMu.Lock()
	defer d.pairMu.Unlock()
	for i := range have {
		if flow.Cookie(have[i].Cookie).Kind() != flow.KindPair {
			continue
		}
		k := pair{have[i].Match.DLSrc, have[i].Match.DLDst}
		p, ok := d.pairs[k]
		if !ok {
			continue
		}
		since, more := d.pairsAsked, have[i].PacketCount-p.packets
		if have[i].PacketCount < p.packets {
			more = have[i].PacketCount // a rule that is placed anew counts from 0
		}
		if since.Before(p.sent) {
			since = p.sent
		}
		if span := asked.Sub(since); more > 0 && span > 0 {
			p.used = lastUsed(asked, span, more)
		}
		p.packets = have[i].PacketCount
		d.pairs[k] = p
	}
	d.pairsAsked = asked
}

// pairRoom reports whether the switch takes the rule of one more pair. Under pairMu.
func (d *datapath) pairRoom(k pair, now time.Time) bool {
	if now.Before(d.noPairs) {
		return false
	}
	_, known := d.pairs[k]
	return known || len(d.pairs) < maxPairs
}

// crowded has the switch take no rules of pairs for a while, where those that it has are as many as are remembered, and reports
// whether some must make room. Under pairMu.
func (d *datapath) crowded(now time.Time) bool {
	if len(d.pairs) < maxPairs || now.Before(d.noPairs) {
		return false
	}
	d.noPairs = now.Add(fullFor)
	return true
}

// evictPairs deletes the rules of the n pairs that have been idle for longest, and returns how many there were. Their traffic goes
// on by the controller.
func (d *datapath) evictPairs(n int) int {
	type idle struct {
		pair
		used time.Time
	}
	longest := make([]idle, 0, n+1) // in order
	d.pairMu.Lock()
	for k, p := range d.pairs {
		if len(longest) == n && !p.used.Before(longest[n-1].used) {
			continue
		}
		i, _ := slices.BinarySearchFunc(longest, p.used, func(a idle, used time.Time) int { return a.used.Compare(used) })
		longest = slices.Insert(longest, i, idle{k, p.used})
		longest = longest[:min(len(longest), n)]
	}
	d.pairMu.Unlock()
	gone := make(map[pair]bool)
	for _, p := range longest {
		gone[p.pair] = true
	}
	d.dropPairs(func(k pair, _ placedPair) bool { return gone[k] })
	if len(gone) > 0 {
		d.sparingly("table full").WithField("pairs", len(gone)).Warn("table full: rules of host pairs make room")
		_ = d.conn.Write(d.nextXID(), &ofproto.BarrierRequest{}) // the room must be there before anything else is added
	}
	return len(gone)
}
