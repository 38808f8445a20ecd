// Package stream knows the services that viewers dial, the peers that may stand in for them, and the sessions between.
package stream

import (
	"fmt"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A Service is an address that viewers dial: a CDN node's, or any TCP service's.
type Service struct {
	Name    string
	Address ofproto.IPv4
	Port    uint16
}

// A Peer is a host that relays a service's streams.
type Peer struct {
	Name       string
	Address    ofproto.IPv4
	Port       uint16
	MaxViewers int   // 0: no limit
	MaxKbps    int   // kbit/s that it may send, other relays included; 0: no limit
	Ingest     bool  // takes publishers, and sends what they publish on to the service
	DSCP       uint8 // marks the relay's own upstream on a host that also watches; 0: everything from the host is the relay's
}

// CDN is the name of the source that is not a peer: the service's own node.
const CDN = "cdn"

// A Tuple identifies one TCP connection to a service as its client sees it.
type Tuple struct {
	Client      ofproto.IPv4
	ClientPort  uint16
	Service     ofproto.IPv4
	ServicePort uint16
}

// String writes client and service as address:port pairs.
func (t Tuple) String() string {
	return fmt.Sprintf("%v:%d->%v:%d", t.Client, t.ClientPort, t.Service, t.ServicePort)
}

// MarshalText writes a tuple as String does, in logs and JSON.
func (t Tuple) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Hash is a number for the connection that stays the same over restarts (FNV-1a, 32 bits); cookies carry it.
func (t Tuple) Hash() uint32 {
	h := uint32(2166136261)
	mix := func(b byte) { h = (h ^ uint32(b)) * 16777619 }
	for _, b := range t.Client {
		mix(b)
	}
	mix(byte(t.ClientPort >> 8))
	mix(byte(t.ClientPort))
	for _, b := range t.Service {
		mix(b)
	}
	mix(byte(t.ServicePort >> 8))
	mix(byte(t.ServicePort))
	return h
}

// A Source is where a connection is served from: the dialled node itself, or a peer in its place.
type Source struct {
	Name    string // a peer's, or CDN
	MAC     ofproto.MAC
	Address ofproto.IPv4
	Port    uint16
}

// A Session is one connection and the decision that holds until it ends.
type Session struct {
	Tuple
	Service   string      // name
	ClientMAC ofproto.MAC // as it sent its SYN
	DialedMAC ofproto.MAC // the SYN's destination: the CDN's own, or its gateway's; restored on the way back
	Source    Source
	Policy    string // that decided
	Reason    string
	ISN       uint32 // the SYN's sequence number: a different one is a new connection from the same port
	Started   time.Time
}

// Redirected reports whether the connection is served by other than the address it dialled.
func (s *Session) Redirected() bool {
	return s.Source.Address != s.Tuple.Service || s.Source.Port != s.ServicePort
}

// A Request is a new connection to a service that wants a source.
type Request struct {
	Tuple
	Service   Service
	At        topo.Point // where the SYN came in
	DialedMAC ofproto.MAC
	Publishes bool // the client is known to publish, so it needs a source that takes publishers
}

// A Place is where a source of streams is, as seen from the viewer's switch. The zero Place is nowhere.
type Place struct {
	Host     *topo.Host    // nil while nobody knows where it is
	Delay    time.Duration // one way to the viewer's switch: links and the source's own line, as far as that has been measured
	Reached  bool          // a path leads there
	Measured bool          // its own line has been
}

// PlaceOf is where a host is as seen from a switch; nil is nowhere.
func PlaceOf(snap *topo.Snapshot, from ofproto.DPID, h *topo.Host) Place {
	if h == nil {
		return Place{}
	}
	delay, ok := snap.HostDelay(from, h)
	return Place{h, delay, ok, ok && h.Delay > 0}
}

// A Candidate is a peer as it stands at the moment of a decision.
type Candidate struct {
	Peer
	Place
	Healthy  bool
	Why      string  // why it is not healthy
	Viewers  int     // sessions it serves now, counted here
	Relays   int     // copies of streams that other relays have from it: each takes the room of a viewer
	Kbps     float64 // kbit/s it sends now, measured on the switches
	Promised float64 // kbit/s that its newest viewers will take, of which nothing is measured yet
	Expects  float64 // kbit/s that one more viewer will take; 0 while nobody knows
	Draining bool    // it takes no new ones
	Reports  bool    // it tells which streams it has
}

// Full reports whether the peer has no room for one more viewer, or relay.
func (c *Candidate) Full() bool {
	return c.MaxViewers > 0 && c.Viewers+c.Relays >= c.MaxViewers || c.Crowded()
}

// Crowded reports whether the peer has no bandwidth for one more viewer, as far as that is known.
func (c *Candidate) Crowded() bool {
	left := float64(c.MaxKbps) - c.Kbps - c.Promised
	return c.MaxKbps > 0 && (left <= 0 || left < c.Expects)
}

// Load is the fraction of the peer's room in use, by viewers and relays or of bandwidth, whichever is fuller; 0 where it has
// no limit.
func (c *Candidate) Load() float64 {
	var load float64
	if c.MaxViewers > 0 {
		load = float64(c.Viewers+c.Relays) / float64(c.MaxViewers)
	}
	if c.MaxKbps > 0 {
		load = max(load, (c.Kbps+c.Promised)/float64(c.MaxKbps))
	}
	return load
}

// A View is all that a policy may look at for one request. Places are as seen from the viewer's switch.
type View struct {
	*topo.Snapshot
	Node    Place       // where the address that was dialled is: the service's own node, or the gateway to it
	Peers   []Candidate // in the configured order
	Streams *Catalog    // what is live; nil: nothing is known
}

// A Choice is a policy's answer: the peer to serve from, or nil for the CDN, and why in one line.
type Choice struct {
	Peer   *Candidate
	Reason string
}

// Source is the choice's name in logs and metrics.
func (c Choice) Source() string {
	if c.Peer == nil {
		return CDN
	}
	return c.Peer.Name
}
