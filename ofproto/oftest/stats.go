package oftest

import (
	"fmt"
	"slices"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// mostStats is how many bytes of entries go into one reply, well below ofproto.MaxLen.
const mostStats = 60_000

// stats answers a STATS_REQUEST, OpenFlow 1.0.0 §5.3.5.
func (s *Switch) stats(ss *session, xid uint32, m *ofproto.StatsRequest) error {
	reply := func(body ofproto.StatsReplyBody) { ss.send(xid, &ofproto.StatsReply{Body: body}) }
	switch req := m.Body.(type) {
	case ofproto.DescStatsRequest:
		desc := ofproto.DescStats{
			Manufacturer: "Nicira, Inc.", Hardware: "Open vSwitch", Software: "3.1.0", SerialNumber: "None",
			Datapath: fmt.Sprintf("s%x", uint16(s.o.DPID)),
		}
		if s.o.Plain {
			desc.Manufacturer, desc.Hardware, desc.Software = "ofctl-live", "simulated", "oftest"
		}
		reply(desc)
	case ofproto.FlowStatsRequest:
		s.flowStats(ss, xid, s.asked(req.Match, req.TableID, req.OutPort))
	case ofproto.AggregateStatsRequest:
		var sum ofproto.AggregateStats
		for _, e := range s.asked(req.Match, req.TableID, req.OutPort) {
			sum.FlowCount++
			sum.PacketCount += e.packets
			sum.ByteCount += e.bytes
		}
		reply(sum)
	case ofproto.TableStatsRequest:
		reply(ofproto.TableStats{{
			Name: "classifier", Wildcards: ofproto.WildAll, MaxEntries: uint32(s.table.limit), ActiveCount: uint32(s.table.size),
			LookupCount: s.table.lookups, MatchedCount: s.table.hits,
		}})
	case ofproto.PortStatsRequest:
		stats := ofproto.PortStats{}
		for _, p := range s.ports {
			if req.Port == ofproto.PortNone || req.Port == p.No {
				p.stats.Port = p.No
				stats = append(stats, p.stats)
			}
		}
		reply(stats)
	case ofproto.QueueStatsRequest:
		switch {
		case req.Port != ofproto.PortAll && s.port(req.Port) == nil:
			return BadQueuePort
		case req.QueueID != ofproto.AllQueues:
			return BadQueue
		}
		reply(ofproto.QueueStats{})
	case ofproto.VendorStats:
		return BadVendor
	default:
		return BadStat
	}
	return nil
}

// asked returns the entries a request is for.
func (s *Switch) asked(m ofproto.Match, tableID uint8, out ofproto.Port) []*entry {
	if tableID != 0 && tableID != ofproto.AllTables {
		return nil
	}
	match, _ := canonical(m)
	return s.table.choose(match, 0, false, out)
}

// flowStats answers in as many replies as it takes, all but the last flagged as followed by more.
func (s *Switch) flowStats(ss *session, xid uint32, entries []*entry) {
	now := s.now()
	stats, size := ofproto.FlowStats{}, 0
	for _, e := range entries {
		n := 88
		for _, a := range e.mod.Actions {
			n += a.Len()
		}
		if size+n > mostStats && size > 0 {
			ss.send(xid, &ofproto.StatsReply{Flags: ofproto.StatsMore, Body: stats})
			stats, size = ofproto.FlowStats{}, 0
		}
		size += n
		sec, nsec := split(now.Sub(e.added))
		stats = append(stats, ofproto.FlowStat{
			Match: onWire(e.match), DurationSec: sec, DurationNsec: nsec, Priority: e.mod.Priority,
			IdleTimeout: e.mod.IdleTimeout, HardTimeout: e.mod.HardTimeout, Cookie: e.mod.Cookie,
			PacketCount: e.packets, ByteCount: e.bytes, Actions: slices.Clone(e.mod.Actions),
		})
	}
	ss.send(xid, &ofproto.StatsReply{Body: stats})
}
