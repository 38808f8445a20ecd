package controller

import (
	"slices"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// connection handles a packet to a service that no rule was for: the first of a new connection, which is the only moment
// to decide who serves it, since no switch can rewrite sequence numbers later, or one of a connection whose rules are gone.
func (d *datapath) connection(snap *topo.Snapshot, svc *stream.Service, own *peer) error {
	p := &d.packet.peek
	if relay, ok := d.ofRelay(); ok {
		return d.handsOff(snap, relay)
	}
	first := p.TCPFlags&(packet.SYN|packet.ACK|packet.RST|packet.FIN) == packet.SYN
	if s, known := d.c.sessions.Load(d.tuple()); !known || first && s.ISN != p.Seq {
		switch {
		case snap.IsLink(topo.Point{DPID: d.dpid, Port: d.packet.in.InPort}):
			return d.forward(snap) // its own switch decides; here it only passes
		case d.noRoom():
			return d.passBy(snap, s)
		case !d.mayBegin(svc, d.now):
			return nil
		case p.TCPFlags&packet.RST != 0:
			return d.forward(snap) // the last word of a connection that has ended
		case !d.guard(d.packet.in.InPort).begun.room():
			return d.passBy(snap, s) // all that is remembered of its port goes on
		}
	}
	var taken []endpoint
	if first {
		taken = d.taken()
		if to := (endpoint{svc.Address, svc.Port}); slices.Contains(taken, to) {
			d.refuse()
			return nil
		}
	}
	var s, replaced *session
	fresh := false
	d.c.sessions.Update(d.tuple(), func(old *session, ok bool) (*session, bool) {
		if ok && (!first || old.ISN == p.Seq) {
			s = old
			return old, true
		}
		replaced, fresh = old, true
		if first {
			s = d.c.decide(d, snap, svc, own, taken)
		} else {
			s = d.c.passOn(d, svc, own)
		}
		return s, true
	})
	if replaced != nil {
		replaced.end("its port was used again")
	}
	if fresh {
		d.guard(d.packet.in.InPort).begun.add(s)
		s.begin(d, snap)
		return nil
	}
	s.read(p.Seq, p.L4Payload) // the switch may send up what comes right behind the SYN, before it heeds the new rules
	return s.again(d, snap)
}

// passBy sends the packet in hand, whose connection there is no room for, to the node it dialled, as those that follow. old is the
// session that the same port had before, if any: it would take them for its own.
func (d *datapath) passBy(snap *topo.Snapshot, old *session) error {
	if old != nil {
		old.forget("its port was used again")
	}
	return d.forward(snap)
}

func (d *datapath) tuple() stream.Tuple {
	p := &d.packet.peek
	return stream.Tuple{Client: p.SrcIP, ClientPort: p.SrcPort, Service: p.DstIP, ServicePort: p.DstPort}
}

// wayBack finds the session that the packet in hand is the way back of, where its source answers in another's place. The
// switch has lost its rules; forwarded as it is, the packet would show the client an address that it never dialled. It may pass where
// that costs no more than its port's share.
func (d *datapath) wayBack(snap *topo.Snapshot) (found *session, mayPass bool) {
	p, now := &d.packet.peek, d.c.settings()
	if _, ok := now.peers.at[endpoint{p.SrcIP, p.SrcPort}]; !ok {
		return nil, true
	}
	of := func(client ofproto.IPv4, e endpoint) bool {
		t := stream.Tuple{Client: client, ClientPort: p.DstPort, Service: e.address, ServicePort: e.port}
		if s, ok := d.c.sessions.Load(t); ok && s.servedFrom(p.SrcIP, p.SrcPort) {
			found = s
		}
		return found != nil
	}
	for e := range now.services {
		if of(p.DstIP, e) {
			return found, true
		}
		if e.address != p.DstIP {
			continue
		}
		// The source takes the service for the client, as where both are on one port (see steer.Session).
		if of(p.SrcIP, e) {
			return found, true
		}
		if h, known := snap.HostByIP(p.SrcIP); !known || h.At != (topo.Point{DPID: d.dpid, Port: d.packet.in.InPort}) {
			continue // nor would its neighbours be here
		}
		if !d.mayPass(d.now) { // there may be very many
			return nil, false
		}
		snap.Hosts(func(h *topo.Host) bool {
			return h.At.DPID != d.dpid || h.At.Port != d.packet.in.InPort || !of(h.IP, e)
		})
		if found != nil {
			return found, true
		}
	}
	return nil, true
}

// taken lists the sources to which the same port of the same client leads already: in the name of other services, or because
// it dialled them.
func (d *datapath) taken() (list []endpoint) {
	t, now := d.tuple(), d.c.settings()
	add := func(e endpoint) {
		other := stream.Tuple{Client: t.Client, ClientPort: t.ClientPort, Service: e.address, ServicePort: e.port}
		if other == t {
			return
		}
		if s, ok := d.c.sessions.Load(other); ok && s.isOpen() {
			list = append(list, endpointOf(s.decided().Source))
		}
	}
	for e := range now.services {
		add(e)
	}
	if d.c.ownDials.Load() {
		for e := range now.peers.byService {
			add(e)
		}
	}
	return list
}

// ofRelay finds the relay whose own packet this is: it comes from a peer's host and, where a player lives there too,
// bears the relay's mark.
func (d *datapath) ofRelay() (*peer, bool) {
	p := &d.packet.peek
	relay, ok := d.c.settings().peers.byAddress[p.SrcIP]
	return relay, ok && (relay.DSCP == 0 || p.TOS>>2 == relay.DSCP)
}

// handsOff lets a relay's own connection go its normal path, undecided, and puts the rule for it on this switch.
func (d *datapath) handsOff(snap *topo.Snapshot, relay *peer) error {
	p := &d.packet.peek
	h, ok := snap.Host(p.Dst)
	if !ok {
		return d.broadcast(snap)
	}
	out, ok := snap.Toward(d.dpid, h)
	if !ok || out == d.packet.in.InPort {
		return nil
	}
	hop := topo.Hop{DPID: d.dpid, In: d.packet.in.InPort, Out: out}
	rule := steer.HandsOff(relay.Address, relay.DSCP, d.tuple(), hop, d.c.idleSeconds())
	d.table.install([]flow.Rule{rule}, "", nil)
	d.table.sealed() // what follows need not come up
	return d.send(d.packet.output(out))
}

// decide asks the policy who serves a new connection, and takes the place at the peer that it names.
//
// taken is where the client's port already leads to: a second connection between the same two ends could not be told from
// the first.
func (c *Controller) decide(d *datapath, snap *topo.Snapshot, svc *stream.Service, own *peer, taken []endpoint) *session {
	if own != nil {
		s := c.toPeer(d, svc, own)
		s.hearing = true
		return s
	}
	s, now := c.newSession(d, svc), c.settings()
	s.hearing = true
	policy, set := now.policyOf(svc.Name), now.peers
	s.Policy = policy.Name()
	request := stream.Request{
		Tuple: s.Tuple, Service: *svc, DialedMAC: s.DialedMAC, At: topo.Point{DPID: d.dpid, Port: d.packet.in.InPort},
		Publishes: c.publishers.has(s.Client, s.Started),
	}
	rate := c.rated(svc.Name)
	for range len(set.order) + 1 { // each round but the last finds another peer full
		view := d.packet.lineup.now(set, snap, c.streams.Load(), &request, rate)
		for _, at := range taken {
			for i := range view.Peers {
				if p := &view.Peers[i]; at == (endpoint{p.Address, p.Port}) {
					p.Healthy, p.Why = false, "the client's port leads to it already"
				}
			}
		}
		choice := policy.Source(view, request)
		s.Reason = d.packet.reasons.one(choice.Reason)
		if choice.Peer == nil {
			break
		}
		p := set.byName[choice.Peer.Name]
		if promised, ok := p.reserve(choice.Peer.Relays, rate); ok {
			s.peer, s.seated, s.promised = p, true, promised
			s.Source = stream.Source{Name: p.Name, MAC: choice.Peer.Host.MAC, Address: p.Address, Port: p.Port}
			break
		}
	}
	return s
}

// reasons are the reasons of decisions, one of each: a crowd of sessions has but a few. The zero value is ready; it is of one
// goroutine.
type reasons struct {
	last string // mostly the next one's too
	all  map[string]string
}

const maxReasons = 256 // beyond it all are kept anew

// one is the reason that reads the same and is kept already.
func (r *reasons) one(reason string) string {
	if reason == r.last {
		return r.last
	}
	same, ok := r.all[reason]
	if !ok {
		if r.all == nil || len(r.all) >= maxReasons {
			r.all = make(map[string]string)
		}
		r.all[reason], same = reason, reason
	}
	r.last = same
	return same
}

// passOn is the session of a connection that nobody here saw begin: it goes to whom it dialled, never elsewhere.
func (c *Controller) passOn(d *datapath, svc *stream.Service, own *peer) *session {
	if own != nil {
		return c.toPeer(d, svc, own)
	}
	s := c.newSession(d, svc)
	s.Policy, s.Reason = c.settings().policyOf(svc.Name).Name(), "connection older than the controller's knowledge of it: to the address it dialled"
	return s
}

func (c *Controller) newSession(d *datapath, svc *stream.Service) *session {
	p := &d.packet.peek
	t := d.tuple()
	return &session{c: c, Session: stream.Session{
		Tuple: t, Service: svc.Name, ClientMAC: p.Src, DialedMAC: p.Dst, ISN: p.Seq, Started: d.now,
		Source: stream.Source{Name: stream.CDN, MAC: p.Dst, Address: t.Service, Port: t.ServicePort},
	}}
}

func (c *Controller) idleSeconds() uint16 { return uint16(c.o.SessionIdle / time.Second) }
