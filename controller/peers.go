package controller

import (
	"slices"
	"sync/atomic"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A peer is a configured peer and how it stands.
type peer struct {
	stream.Peer
	draining   bool
	registered bool // it announced itself, and reports what it has
	*standing
}

// A standing is the state of whoever serves at an address and port, whatever its name.
type standing struct {
	viewers  atomic.Int64 // sessions that it serves
	reports  atomic.Bool  // it posts callbacks
	kbps     atomic.Int64 // what it sent lately, in kbit/s
	promised atomic.Int64 // what the newest of its viewers and relays will take, in kbit/s
	pledges  pledges      // to relays
	uplink   uplink
	health   atomic.Pointer[health]
	well     signal // given when it becomes so
}

type health struct {
	ok  bool
	why string // why not
}

var (
	well     = &health{ok: true}
	unprobed = &health{why: "not yet probed"}
)

// reserve takes one place of the room that other relays leave, and promises the bandwidth for it; ok is false where either is
// lacking.
func (p *peer) reserve(relays int, kbps float64) (promised int32, ok bool) {
	room := int64(p.MaxViewers - relays)
	for {
		n := p.viewers.Load()
		if p.MaxViewers > 0 && n >= room {
			return 0, false
		}
		if p.viewers.CompareAndSwap(n, n+1) {
			break
		}
	}
	if promised, ok = p.promise(kbps); !ok {
		p.viewers.Add(-1)
	}
	return promised, ok
}

// A peerSet is all the peers of one settings. It never changes.
type peerSet struct {
	order     []*peer
	byName    map[string]*peer
	byAddress map[ofproto.IPv4]*peer // where several share a host: any of them
	byService map[endpoint]*peer
	former    []*peer            // that have left, and may still serve; who left last comes last
	at        map[endpoint]*peer // all of them
}

// newPeerSet makes a set. A peer has the standing of whoever was known at its address and port before, also under another name
// and before it left.
func newPeerSet(list []stream.Peer, draining map[string]bool, known *peerSet) *peerSet {
	s := &peerSet{byName: make(map[string]*peer), byAddress: make(map[ofproto.IPv4]*peer), byService: make(map[endpoint]*peer)}
	for _, p := range list {
		n := known.keep(p)
		n.draining, n.registered = draining[p.Name]
		s.order = append(s.order, n)
		s.byName[p.Name], s.byAddress[p.Address], s.byService[n.endpoint()] = n, n, n
	}
	if known != nil {
		s.remember(known.former)
		s.remember(known.order)
	}
	s.index()
	return s
}

// index finds all peers by where they are.
func (s *peerSet) index() {
	s.at = make(map[endpoint]*peer, len(s.order)+len(s.former))
	for _, p := range slices.Concat(s.former, s.order) {
		s.at[p.endpoint()] = p
	}
}

func (p *peer) endpoint() endpoint { return endpoint{p.Address, p.Port} }

// endpointOf is where a source serves.
func endpointOf(s stream.Source) endpoint { return endpoint{s.Address, s.Port} }

// same reports whether a peer is known under a name and address.
func (p *peer) same(as stream.Peer) bool {
	return p.Name == as.Name && p.Address == as.Address && p.Port == as.Port
}

func (s *peerSet) keep(p stream.Peer) *peer {
	if s != nil {
		if old := s.at[endpoint{p.Address, p.Port}]; old != nil {
			return &peer{Peer: p, standing: old.standing}
		}
	}
	n := &peer{Peer: p, standing: new(standing)}
	n.health.Store(unprobed)
	return n
}

// candidates is the peers as a policy may see them, seen from nowhere.
func (s *peerSet) candidates(snap *topo.Snapshot, live *stream.Catalog) []stream.Candidate {
	list := make([]stream.Candidate, len(s.order))
	for i, p := range s.order {
		list[i] = p.candidate(live)
		list[i].Host, _ = snap.HostByIP(p.Address)
	}
	return list
}

// candidate is the peer as a policy may see it, but for its place.
func (p *peer) candidate(live *stream.Catalog) stream.Candidate {
	c := stream.Candidate{Peer: p.Peer, Draining: p.draining, Relays: live.Given(p.Name)}
	p.stands(&c)
	return c
}

// stands fills in what changes from one moment to the next.
func (p *peer) stands(c *stream.Candidate) {
	state := p.health.Load()
	c.Healthy, c.Why = state.ok, state.why
	c.Viewers, c.Kbps, c.Promised = int(p.viewers.Load()), float64(p.kbps.Load()), float64(p.promised.Load())
	c.Reports = p.registered || p.reports.Load()
}
