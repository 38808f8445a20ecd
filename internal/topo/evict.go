package topo

import (
	"cmp"
	"slices"
)

// EvictHosts makes room where more than most hosts are known: of the port that has the most of them, those go of which the
// longest nothing was heard, a quarter of that port's and at least one. So whoever floods a port with new addresses drives
// out his own, and next to nobody else's. It returns that port and how many went, 0 where there was room.
func (s *Store) EvictHosts(most int) (at Point, n int) {
	s.edit(func(snap Snapshot) *Snapshot {
		if snap.NumHosts() <= most {
			return nil
		}
		count := make(map[Point]int)
		snap.Hosts(func(h *Host) bool {
			count[h.At]++
			return true
		})
		for p, c := range count {
			if c > count[at] || c == count[at] && (p.DPID < at.DPID || p.DPID == at.DPID && p.Port < at.Port) {
				at = p
			}
		}
		there := make([]*Host, 0, count[at])
		snap.Hosts(func(h *Host) bool {
			if h.At == at {
				there = append(there, h)
			}
			return true
		})
		slices.SortFunc(there, func(a, b *Host) int {
			return cmp.Or(cmp.Compare(a.heard.Load(), b.heard.Load()), a.Since.Compare(b.Since), cmp.Compare(macKey(a.MAC), macKey(b.MAC)))
		})
		n = max(1, len(there)/4)
		for _, h := range there[:n] {
			snap.hosts = snap.hosts.without(h)
		}
		return &snap
	})
	return at, n
}
