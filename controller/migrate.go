package controller

import (
	"cmp"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A Change is a session that would be served from elsewhere if it began now.
type Change struct {
	stream.Tuple
	From, To string // sources
	Reason   string // of the new choice
}

// Changes asks the policies in s what they would decide for every session that exists, the oldest first. Each that would
// move leaves its room to those after it, and takes some where it goes. Nothing is changed. A session whose client has no known
// place is left out, as nothing can be decided for it.
func (c *Controller) Changes(s Settings) []Change {
	next := c.newSettings(s, c.settings().peers)
	snap, live, now := c.topo.Load(), c.streams.Load(), time.Now()
	view := stream.View{Snapshot: snap, Peers: next.peers.candidates(snap, live), Streams: live}
	count := func(at endpoint, n int, kbps float64) {
		for i := range view.Peers {
			if c := &view.Peers[i]; at == (endpoint{c.Address, c.Port}) {
				c.Viewers, c.Promised = c.Viewers+n, c.Promised+kbps
			}
		}
	}
	places := make(map[ofproto.DPID][]stream.Place) // of the peers, by viewers' switches
	var list []Change
	for _, was := range c.Sessions() {
		svc, ok := next.services[endpoint{was.Tuple.Service, was.ServicePort}]
		client, placed := snap.HostByIP(was.Client)
		if !ok || !placed || was.State == resetting.String() {
			continue
		}
		dialed := was.DialedMAC
		if h, ok := snap.HostByIP(was.Tuple.Service); ok && dialed == (ofproto.MAC{}) {
			dialed = h.MAC // an earlier run decided for the CDN, and left no rule that tells
		}
		seats := 1
		if was.State == parked.String() { // it has given its place back
			seats = 0
		}
		from, to := endpointOf(was.Source), endpoint{was.Tuple.Service, was.ServicePort}
		count(from, -seats, -was.Kbps) // the session's own place is free for it
		rate := c.rated(svc.Name)
		here, ok := places[client.At.DPID]
		if !ok {
			for i := range view.Peers {
				here = append(here, stream.PlaceOf(snap, client.At.DPID, view.Peers[i].Host))
			}
			places[client.At.DPID] = here
		}
		for i := range view.Peers {
			p := &view.Peers[i]
			p.Place, p.Expects = here[i], expected(rate, p.Promised)
		}
		node, _ := snap.Host(dialed)
		view.Node = stream.PlaceOf(snap, client.At.DPID, node)
		choice := next.policyOf(svc.Name).Source(view, stream.Request{
			Tuple: was.Tuple, Service: *svc, At: client.At, DialedMAC: dialed,
			Publishes: was.Intent != nil && was.Intent.Publish || c.publishers.has(was.Client, now),
		})
		if p := choice.Peer; p != nil {
			to = endpoint{p.Address, p.Port}
		}
		if to == from { // whatever it was called, and is
			count(to, seats, was.Kbps)
			continue
		}
		count(to, 1, cmp.Or(was.Kbps, rate, assumedKbps))
		list = append(list, Change{was.Tuple, was.Source.Name, choice.Source(), choice.Reason})
	}
	return list
}

// Migrate resets the sessions that which names, with its reason, one every interval, so that their players dial again and
// are decided anew. It returns when the last is done, or when the settings that it is for are replaced or the controller
// ends: the rest is left alone then.
func (c *Controller) Migrate(which func(stream.Tuple) (why string, ok bool), interval time.Duration, replaced <-chan struct{}) {
	t := time.NewTicker(interval)
	defer t.Stop()
	list := c.sessionsWhere(func(s *session) bool { _, ok := which(s.Tuple); return ok })
	for i, s := range list {
		select {
		case <-replaced:
			c.log.WithField("sessions", len(list)-i).Info("a migration is given up: the settings have changed again")
			return
		default:
		}
		why, _ := which(s.Tuple)
		s.reset("policy changed: " + why)
		select {
		case <-t.C:
		case <-replaced:
		case <-c.over:
			return
		}
	}
}
