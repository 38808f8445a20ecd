package controller

import (
	"runtime"
	"slices"
	"testing"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// viewing is the rule of a viewer's way there that a switch has, who is served by source.
func viewing(viewer int, source ofproto.IPv4) ofproto.FlowStat {
	_, ip := made(viewer)
	t := stream.Tuple{Client: ip, ClientPort: 4000, Service: cdnIP, ServicePort: 1935}
	m := ofproto.MatchAll
	m.Wildcards = 0
	m.DLType, m.NWProto, m.InPort = 0x800, 6, 1
	m.NWSrc, m.TPSrc, m.NWDst, m.TPDst = t.Client, t.ClientPort, t.Service, t.ServicePort
	return ofproto.FlowStat{
		Match: m, Priority: flow.PrioritySession, Cookie: uint64(flow.NewCookie(flow.KindSession, t.Hash())),
		Actions: []ofproto.Action{ofproto.SetNWDst{IPv4: source}, ofproto.Output{Port: 2}},
	}
}

// TestStrangeSources has a switch tell of sessions with ever new sources. Each costs little, no more sources are remembered than
// there is room for, and none of those who serve is forgotten for another.
func TestStrangeSources(t *testing.T) {
	inLab(t, single, func(l *lab) {
		first := 0
		source := func(i int) ofproto.IPv4 { return ofproto.IPv4{192, byte(i >> 16), byte(i >> 8), byte(i)} }
		tell := func(id ofproto.DPID, sessions int) {
			have := make([]ofproto.FlowStat, sessions)
			for i := range have {
				have[i] = viewing(first, source(first))
				first++
			}
			d := l.c.newDatapath(nil, &ofproto.FeaturesReply{DatapathID: id}, l.c.log)
			d.table = l.c.table(id)
			l.c.adopt(d, have)
		}
		const sessions = 4 * maxFormer
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		tell(98, sessions)
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / sessions; each > 8<<10 {
			l.t.Errorf("%d bytes are allocated for each session", each)
		}
		now := l.c.settings()
		if n := len(now.peers.former); n != maxFormer {
			l.t.Errorf("%d sources are remembered, want %d", n, maxFormer)
		}
		for _, p := range now.peers.former {
			if p.viewers.Load() != 1 {
				l.t.Fatalf("%v serves %d", p.Address, p.viewers.Load())
			}
		}
		tell(99, 10)
		if l.c.settings() != now {
			l.t.Error("others are remembered in the place of those who serve")
		}
		if n := l.c.sessions.Len(); n != sessions+10 {
			l.t.Errorf("%d sessions are known, want all %d", n, sessions+10)
		}
		s := l.c.Settings()
		s.Peers = []stream.Peer{{Name: "late", Address: source(first - 1), Port: 1935}}
		l.c.Set(s)
		if !slices.ContainsFunc(l.c.Sessions(), func(s SessionState) bool { return s.Source.Name == "late" }) {
			l.t.Error("the session of one for whom there was no room is not said to be of the peer that is there now")
		}
	})
}

// TestTooManyTold has a switch tell of more sessions than are taken over of one.
func TestTooManyTold(t *testing.T) {
	inLab(t, single, func(l *lab) {
		have := make([]ofproto.FlowStat, maxAdopted+10)
		for i := range have {
			have[i] = viewing(i, peerIP)
		}
		if sessions, more := l.c.settings().sessionsIn(have); len(sessions) != maxAdopted || more != 10 {
			l.t.Errorf("%d sessions and %d more, want %d and 10", len(sessions), more, maxAdopted)
		}
	})
}
