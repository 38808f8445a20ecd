package controller

import (
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A lineup is what a policy may see, kept from decision to decision: what is looked up again each time is no more than what
// may have changed. Its zero value is ready; it is of one goroutine.
type lineup struct {
	set    *peerSet
	from   ofproto.DPID // where the places are seen from
	dialed ofproto.MAC
	view   stream.View
}

// now is the view for a request as things stand, valid until the next call. One more viewer will take so many kbit/s of a peer, 0
// while nobody knows.
func (l *lineup) now(set *peerSet, snap *topo.Snapshot, live *stream.Catalog, r *stream.Request, kbps float64) stream.View {
	v := &l.view
	if l.set != set || l.from != r.At.DPID {
		*l = lineup{set: set, from: r.At.DPID, view: stream.View{Peers: set.candidates(snap, live)}}
	}
	if v.Snapshot != snap || l.dialed != r.DialedMAC {
		h, _ := snap.Host(r.DialedMAC)
		l.dialed, v.Node = r.DialedMAC, stream.PlaceOf(snap, l.from, h)
	}
	if v.Snapshot != snap {
		paths := v.Snapshot != nil && v.Graph == snap.Graph // are the same
		for i := range v.Peers {
			c := &v.Peers[i]
			if h, _ := snap.HostByIP(c.Address); h != c.Host || !paths {
				c.Place = stream.PlaceOf(snap, l.from, h)
			}
		}
		v.Snapshot = snap
	}
	given := v.Streams != live
	v.Streams = live
	for i, p := range set.order {
		c := &v.Peers[i]
		if given {
			c.Relays = live.Given(c.Name)
		}
		p.stands(c)
		c.Expects = expected(kbps, c.Promised)
	}
	return *v
}
