// Package topo knows where everybody is: which switches there are, how they are linked, and at which port each host sits.
//
// All of it is read through an immutable Snapshot, so that a packet costs its reader no lock; all of it is changed
// through a Store, one writer at a time. Nothing in here reads a clock: callers pass now.
package topo

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A Point is one port of one switch: where a host is attached, or one end of a link.
type Point struct {
	DPID ofproto.DPID
	Port ofproto.Port
}

// String writes a point as an operator would say it: datapath, colon, port.
func (p Point) String() string { return fmt.Sprintf("%v:%v", p.DPID, p.Port) }

// MarshalText writes a point as String does, in logs and JSON.
func (p Point) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// A Host is one network interface seen on an edge port. It is immutable; a change makes a new one.
type Host struct {
	MAC   ofproto.MAC
	IP    ofproto.IPv4 // zero until the host named it
	At    Point
	Delay time.Duration // one way between host and switch, 0 while unmeasured
	Since time.Time     // when it was first seen at this point

	claimed time.Time // when it got its address

	heard *atomic.Int64 // when its last packet came up, in Unix seconds; one counter for all versions of a host
}

// Heard notes that a packet of the host came up, at a time in Unix seconds.
func (h *Host) Heard(now int64) {
	if h.heard.Load() < now { // a write that changes nothing would still cost the other cores their copy
		h.heard.Store(now)
	}
}

// A Snapshot is one consistent picture of the network. It never changes; any number of goroutines may read it.
type Snapshot struct {
	*Graph
	hosts hosts
}

// Host finds a host by its hardware address.
func (s *Snapshot) Host(mac ofproto.MAC) (*Host, bool) {
	return s.hosts.byMAC.get(macKey(mac))
}

// HostByIP finds a host by its IPv4 address.
func (s *Snapshot) HostByIP(ip ofproto.IPv4) (*Host, bool) {
	return s.hosts.byIP.get(ipKey(ip))
}

// Hosts calls yield for every host, in no particular order, until it returns false.
func (s *Snapshot) Hosts(yield func(*Host) bool) { s.hosts.byMAC.all(yield) }

// NumHosts counts the known hosts.
func (s *Snapshot) NumHosts() int { return s.hosts.byMAC.n }

// Toward is the port by which switch d sends towards host h; ok is false where no path leads, or the host's port is down: it
// was there, and must be looked for anew.
func (s *Snapshot) Toward(d ofproto.DPID, h *Host) (out ofproto.Port, ok bool) {
	if p, there := s.port(h.At); !there || !p.Up {
		return 0, false
	}
	return s.NextPort(d, h.At)
}

// HostDelay is the one-way delay from switch d to host h, links and access line together; ok is false where no path leads.
func (s *Snapshot) HostDelay(d ofproto.DPID, h *Host) (delay time.Duration, ok bool) {
	links, ok := s.Delay(d, h.At.DPID)
	return links + h.Delay, ok
}
