package controller

import (
	"slices"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A search asks for an address at every edge port of a switch. With hundreds of switches and of peers these are many.
const (
	searchRate  = 10_000 // searches a second
	searchBurst = 10_000
)

// search asks, at every edge port of some switches, for addresses whose place nobody knows. Those for which there is no time now
// come first the next time.
func (c *Controller) search(snap *topo.Snapshot, lost []ofproto.IPv4, switches []*datapath, now time.Time) {
	lost = c.probes.due(lost, len(switches), now)
	if len(lost) == 0 {
		return
	}
	frames := make([][]byte, len(lost))
	for i, ip := range lost {
		frames[i] = packet.AppendARP(nil, packet.ARP{
			Op: packet.ARPRequest, SenderMAC: probeMAC(c.probes.ask(ip, time.Now())), TargetIP: ip,
		})
	}
	for _, d := range switches {
		var edges []ofproto.Action
		if sw, ok := snap.Switch(d.dpid); ok {
			for _, p := range sw.Ports {
				if p.Up && !p.IsLink() {
					edges = append(edges, ofproto.Output{Port: p.No})
				}
			}
		}
		for some := range slices.Chunk(edges, maxOutputs) {
			for _, frame := range frames {
				_ = d.conn.Write(d.nextXID(), &ofproto.PacketOut{
					BufferID: ofproto.NoBuffer, InPort: ofproto.PortNone, Actions: some, Data: frame,
				})
			}
		}
		d.kick()
	}
}

const maxOutputs = 4096 // actions of one message, which has 64 KiB

// due is those of some addresses that may be searched for on so many switches now.
func (w *prober) due(lost []ofproto.IPv4, switches int, now time.Time) (due []ofproto.IPv4) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(lost) == 0 || switches == 0 {
		return nil
	}
	from := w.turn % len(lost)
	for len(due) < len(lost) && w.searches.spend(float64(min(switches, searchBurst)), now, searchRate, searchBurst) {
		due = append(due, lost[(from+len(due))%len(lost)])
	}
	w.turn = from + len(due)
	return due
}

// lost is where services and peers are whose place on the map nobody knows.
func (s *settings) lost(snap *topo.Snapshot) []ofproto.IPv4 {
	return slices.DeleteFunc(s.probedHosts(), func(ip ofproto.IPv4) bool {
		h, ok := snap.HostByIP(ip)
		return ok && attached(snap, h)
	})
}
