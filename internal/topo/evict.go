package topo

import (
	"cmp"
	"slices"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// evictOnce is how many hosts make room at once, so that finding them costs each newcomer next to nothing.
const evictOnce = 1024

// EvictHosts makes room where more than most hosts are known: of the switch that has the most of them, a quarter goes but no
// more than evictOnce, and at least one; of those of its ports that have the most, and there those of which the longest nothing
// was heard. So whoever floods with new addresses drives out his own, and next to nobody else's. It returns that switch and how
// many went, 0 where there was room.
func (s *Store) EvictHosts(most int) (at ofproto.DPID, n int) {
	s.edit(func(snap Snapshot) *Snapshot {
		if snap.NumHosts() <= most {
			return nil
		}
		var fullest *trie[*Host]
		snap.hosts.bySwitch.all(func(here *trie[*Host]) bool {
			if fullest == nil || here.n > fullest.n {
				fullest = here
			}
			return true
		})
		ports := make(map[ofproto.Port][]*Host)
		fullest.all(func(h *Host) bool {
			at, ports[h.At.Port] = h.At.DPID, append(ports[h.At.Port], h)
			return true
		})
		n = min(max(1, fullest.n/4), evictOnce)
		for _, h := range crowding(ports, n) {
			snap.hosts = snap.hosts.without(h)
		}
		return &snap
	})
	return at, n
}

// crowding is the n hosts that leave the ports that have the most with as few as can be, of each those that have been silent for
// longest. Invariant: the ports have so many.
func crowding(ports map[ofproto.Port][]*Host, n int) []*Host {
	type ranked struct {
		*Host
		newer int // hosts of its port that were heard since
	}
	var all []ranked
	for _, there := range ports {
		slices.SortFunc(there, func(a, b *Host) int { return bySilence(b, a) })
		for i, h := range there {
			all = append(all, ranked{h, i})
		}
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(b.newer, a.newer), bySilence(a.Host, b.Host))
	})
	gone := make([]*Host, n)
	for i := range gone {
		gone[i] = all[i].Host
	}
	return gone
}

// bySilence puts first who has been silent for longest.
func bySilence(a, b *Host) int {
	return cmp.Or(cmp.Compare(a.heard.Load(), b.heard.Load()), a.Since.Compare(b.Since), cmp.Compare(macKey(a.MAC), macKey(b.MAC)))
}
