package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// While a switch is away its flows go on, and so does the world: ports go down, hosts move, and an earlier run of the
// daemon has left rules of which this one knows nothing. Here a switch that connects is brought up to date.

// portsLost handles the ports that were up when the switch was last seen, and are no more.
func (d *datapath) portsLost(before *topo.Switch) {
	now, ok := d.c.topo.Load().Switch(d.dpid)
	if !ok {
		return
	}
	for no, p := range before.Ports {
		if p.Up && !now.Ports[no].Up {
			d.portDown(topo.Point{DPID: d.dpid, Port: no}, p.Peer)
		}
	}
}

// takeOverPairs notes the pair rules that the switch has, so that they move with their hosts like those placed now. What
// leads elsewhere than to where the host is known to be goes at once.
func (d *datapath) takeOverPairs(have []ofproto.FlowStat) {
	now := time.Now()
	d.pairMu.Lock()
	d.pairsAsked = now
	for _, s := range have {
		if flow.Cookie(s.Cookie).Kind() != flow.KindPair || len(s.Actions) != 1 {
			continue
		}
		if out, ok := s.Actions[0].(ofproto.Output); ok {
			d.pairs[pair{s.Match.DLSrc, s.Match.DLDst}] = placedPair{
				out: out.Port, packets: s.PacketCount, used: lastUsed(now, time.Duration(s.DurationSec)*time.Second, s.PacketCount),
			}
			d.c.inherited.Store(true)
		}
	}
	d.pairMu.Unlock()
	d.dropMisplaced(d.c.topo.Load(), func(pair) bool { return true })
}

// dropMisplaced deletes those pair rules that match and do not lead to their host, or lead out of a port that is down.
func (d *datapath) dropMisplaced(snap *topo.Snapshot, match func(pair) bool) {
	sw, ok := snap.Switch(d.dpid)
	if !ok {
		return
	}
	d.dropPairs(func(k pair, p placedPair) bool {
		if !match(k) {
			return false
		}
		if h, known := snap.Host(k.dst); known {
			out, ok := snap.NextPort(d.dpid, h.At)
			return ok && out != p.out
		}
		return !sw.Ports[p.out].Up
	})
}

// hostAppeared handles a host that this run has not seen before: an earlier one may have placed its pairs elsewhere.
func (c *Controller) hostAppeared(mac ofproto.MAC) {
	if !c.inherited.Load() {
		return
	}
	snap := c.topo.Load()
	for _, d := range c.up() {
		d.dropMisplaced(snap, func(k pair) bool { return k.dst == mac })
	}
}
