package controller

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// What is known of live streams comes from three sides: connections whose first bytes were read, relays that report what
// they hold, and nginx-rtmp's callbacks. All of it goes into one directory, which policies look at and relays are answered
// from.

// How long an upstream that a relay was given counts as taken.
const (
	reportedMemory = 2 * RegistrationTTL // by a relay that registers: its next report confirms it, or it has given up
	silentMemory   = 10 * time.Minute    // by one that only posts callbacks, which tell when its last viewer has left
)

// announce puts what the session's client wants into the directory, or has it there under its source's new name; retract takes it
// out again. Under s.mu.
func (s *session) announce() {
	if s.intent == nil || s.intent.Publish && !s.serving {
		return
	}
	at := s.sourceName()
	if s.announced != nil && *s.announced == *at {
		return
	}
	s.retract()
	s.announced = at
	id := stream.ID{App: s.intent.App, Key: s.intent.Key}
	if s.intent.Publish {
		s.c.streams.Publish(id, s.Service, *at, s.Client, time.Time{})
	} else {
		s.c.streams.Watch(s.Tuple, id, s.Service, *at, time.Time{})
	}
}

func (s *session) retract() {
	if s.announced == nil {
		return
	}
	at := *s.announced
	s.announced = nil
	if s.intent.Publish {
		s.c.streams.Drop(stream.ID{App: s.intent.App, Key: s.intent.Key}, at)
	} else {
		s.c.streams.Unwatch(s.Tuple)
	}
}

// sourceName is what the session's source is called now: the name it was decided by may have been another's since. Under mu.
func (s *session) sourceName() *string {
	if now := s.c.settings().peers.at[endpointOf(s.Source)]; now != nil {
		return &now.Name
	}
	return &s.Source.Name
}

// supersede takes back what its client published by other connections: who publishes a stream anew has left them, which
// OpenFlow 1.0 does not show. Else their end, noticed later, would end the stream.
func (s *session) supersede(want stream.Intent) {
	for _, old := range s.c.sessionsWhere(func(o *session) bool {
		return o != s && o.Client == s.Client && o.intent != nil && *o.intent == want
	}) {
		old.mu.Lock()
		old.retract()
		old.intent = nil
		old.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.announced != nil { // before; and to the same source as another of them
		s.announced = nil
		s.announce()
	}
}

// sources is where a relay can have a stream from, as far as that can be counted on now. What it is told to take, it is promised.
func (c *Controller) sources(id stream.ID, relay string) stream.Map {
	snap, now := c.topo.Load(), c.settings()
	service, live := c.serviceOf(id)
	host := func(source string) *topo.Host {
		if p := now.peers.byName[source]; p != nil && p.health.Load().ok {
			h, _ := snap.HostByIP(p.Address)
			return h
		}
		if source == stream.CDN && len(now.Services) > 0 {
			h, _ := snap.HostByIP(now.nodesOf(service)[0].Address)
			return h
		}
		return nil
	}
	var rate float64
	if live {
		rate = c.rated(service)
	}
	full := func(source string) bool {
		p := now.peers.byName[source]
		if p == nil || p.draining {
			return p != nil
		}
		at := p.candidate(c.streams.Load()) // as it is now: the relay before may have taken the last room
		at.Expects = expected(rate, at.Promised)
		return at.Full()
	}
	taken := func(source string) {
		if p := now.peers.byName[source]; p != nil {
			p.pledges.add(pull{relay, id}, orAssumed(rate), &p.promised, time.Now())
		}
	}
	return stream.Map{Snapshot: snap, Host: host, Full: full, Taken: taken}
}

// serviceOf is the name of the service that a stream is of, "" while nobody knows; ok is false where nobody knows of the stream.
func (c *Controller) serviceOf(id stream.ID) (name string, ok bool) {
	l, ok := c.streams.Load().Stream(id)
	if !ok {
		return "", false
	}
	return l.Service, true
}

// Upstreams answers where a relay should have a stream from, best first, as the address and port to dial. What is answered
// first is noted as taken. ErrUnregistered: no peer has that name.
func (c *Controller) Upstreams(id stream.ID, relay string, now time.Time) ([]stream.Service, error) {
	s := c.settings()
	p := s.peers.byName[relay]
	if p == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnregistered, relay)
	}
	memory := silentMemory
	if p.registered {
		memory = reportedMemory
	}
	var list []stream.Service
	service, _ := c.serviceOf(id)
	for _, o := range c.streams.Choose(id, relay, c.sources(id, relay), s.Margin, c.present.at(now).Add(memory)) {
		if p := s.peers.byName[o.Source]; p != nil {
			list = append(list, stream.Service{Name: p.Name, Address: p.Address, Port: p.Port})
		} else if o.Source == stream.CDN {
			list = append(list, s.nodesOf(service)...)
		}
	}
	return list, nil
}

// A Callback is what a server of somebody else's, nginx-rtmp, says of one of its clients.
type Callback struct {
	Relay string // a peer's name, or its address
	Call  string // publish, publish_done, play, ...; others are ignored
	stream.ID
	Client string // address; a server's own connections are called "address:port/app"
}

// Notice takes a callback. For a client that wants to play what is not published there, it answers the peer to pull that
// stream from, or false where the server should go on as it is configured: from the service's own node. ErrUnregistered: no
// peer has that name or address.
func (c *Controller) Notice(b Callback, now time.Time) (from stream.Service, redirect bool, err error) {
	p := c.peerNamed(b.Relay)
	if p == nil {
		c.log.WithField("relay", b.Relay).WithField("call", b.Call).Debug("callback of an unknown relay")
		return from, false, fmt.Errorf("%w: %s", ErrUnregistered, b.Relay)
	}
	p.reports.Store(true)
	if strings.Contains(b.Client, "/") { // its own push or pull: it goes where it was sent
		c.pushed(b, p)
		return from, false, nil
	}
	switch b.Call {
	case "publish":
		publisher, _ := ofproto.ParseIPv4(b.Client) // zero for one that is not IPv4: nobody knows
		c.streams.Publish(b.ID, "", p.Name, publisher, time.Time{})
	case "publish_done":
		c.streams.Drop(b.ID, p.Name)
	case "play_done":
		if taker := c.peerNamed(b.Client); taker != nil { // another relay, whose own viewers are gone
			c.dropFrom(b.ID, taker.Name, p.Name)
		}
		if c.players.count(playing{p.Name, b.ID}, -1) == 0 {
			c.endPull(b.ID, p.Name)
		}
	case "play":
		c.players.count(playing{p.Name, b.ID}, 1)
		if l, ok := c.streams.Load().Stream(b.ID); ok {
			if own, _ := l.Copy(p.Name); own.Published {
				return from, false, nil
			}
		}
		list, err := c.Upstreams(b.ID, p.Name, now)
		if err != nil || len(list) == 0 {
			return from, false, err
		}
		_, isPeer := c.settings().peers.byName[list[0].Name]
		return list[0], isPeer, nil
	}
	return from, false, nil
}

// pushed notes what a server says of its own connection to a service's node, which looks to it like a player's: what is
// published there it passes on.
func (c *Controller) pushed(b Callback, p *peer) {
	to, _, _ := strings.Cut(b.Client, "/")
	at, err := netip.ParseAddrPort(to)
	if err != nil || !at.Addr().Is4() {
		return
	}
	if _, ok := c.settings().services[endpoint{at.Addr().As4(), at.Port()}]; !ok {
		return
	}
	switch b.Call {
	case "play":
		c.streams.Pull(b.ID, stream.CDN, p.Name, time.Time{})
	case "play_done":
		c.dropFrom(b.ID, stream.CDN, p.Name)
	}
}

// endPull notes that a server that only posts callbacks has nobody left who plays a stream: it ends its pull too.
func (c *Controller) endPull(id stream.ID, relay string) {
	l, ok := c.streams.Load().Stream(id)
	if !ok || c.Registered(relay) {
		return
	}
	if own, _ := l.Copy(relay); !own.Published {
		c.streams.Drop(id, relay)
	}
}

// players counts who plays what from servers that post callbacks. Its zero value is empty and ready.
type players struct {
	mu sync.Mutex
	m  map[playing]int // Invariant: all greater than 0
}

type playing struct {
	relay string
	stream.ID
}

// count adds to a count, which never falls below 0, and returns it.
func (p *players) count(k playing, more int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := max(0, p.m[k]+more)
	if n == 0 {
		delete(p.m, k)
		return 0
	}
	if p.m == nil {
		p.m = make(map[playing]int)
	}
	p.m[k] = n
	return n
}

// gone forgets what is known of a peer that is dead: what it had and gave, and who played it there. One that reports will say
// so again.
func (c *Controller) gone(p *peer) {
	c.players.mu.Lock()
	maps.DeleteFunc(c.players.m, func(k playing, _ int) bool { return k.relay == p.Name })
	c.players.mu.Unlock()
	c.streams.Gone(p.Name)
}

// dropFrom notes that a relay no longer takes a stream from another, if it did.
func (c *Controller) dropFrom(id stream.ID, relay, from string) {
	if l, ok := c.streams.Load().Stream(id); ok {
		if taken, ok := l.Copy(relay); ok && taken.From == from {
			c.streams.Drop(id, relay)
		}
	}
}

func (c *Controller) peerNamed(nameOrAddress string) *peer {
	set := c.settings().peers
	if p := set.byName[nameOrAddress]; p != nil {
		return p
	}
	ip, err := ofproto.ParseIPv4(nameOrAddress)
	if err != nil {
		return nil
	}
	return set.byAddress[ip]
}

// Streams returns what is live.
func (c *Controller) Streams() []*stream.Live { return slices.Collect(c.streams.Load().All) }
