package controller

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// RegistrationTTL is how long a peer that registered itself is believed without a renewal.
const RegistrationTTL = 15 * time.Second

// maxRegistered bounds the peers that announce themselves, each of which is probed and has metrics of its own.
const maxRegistered = 1000

// Errors of Register, Leave and those who ask for a peer.
var (
	ErrConflict     = errors.New("controller: name or address is taken")
	ErrCrowded      = errors.New("controller: too many peers are registered")
	ErrUnregistered = errors.New("controller: no such peer")
)

// A Registration is what a relay says of itself.
type Registration struct {
	stream.Peer
	Draining bool // takes no new viewers
	Streams  []stream.Reported
}

// registry is the peers that announced themselves. Its zero value is empty and ready.
type registry struct {
	mu sync.Mutex
	m  map[string]registered
}

type registered struct {
	Registration
	until time.Time // by the daemon's presence
}

// Register adds or renews a peer until now plus RegistrationTTL. A peer of the settings may register under its own name
// and address, which tells whether it is draining; its room stays what the settings say. Anything else under a known name
// or address, a service's too, is ErrConflict.
func (c *Controller) Register(r Registration, now time.Time) error {
	for _, s := range c.Settings().Services {
		if s.Name == r.Name || s.Address == r.Address && s.Port == r.Port {
			return fmt.Errorf("%w: %s (%v:%d) is a service", ErrConflict, s.Name, s.Address, s.Port)
		}
	}
	for _, p := range c.Settings().Peers {
		sameName, sameAddress := p.Name == r.Name, p.Address == r.Address && p.Port == r.Port
		if sameName != sameAddress {
			return fmt.Errorf("%w: %s (%v:%d) is configured", ErrConflict, p.Name, p.Address, p.Port)
		}
	}
	g := &c.registered
	g.mu.Lock()
	for name, other := range g.m {
		if name != r.Name && other.Address == r.Address && other.Port == r.Port {
			g.mu.Unlock()
			return fmt.Errorf("%w: %v:%d is registered as %s", ErrConflict, r.Address, r.Port, name)
		}
	}
	if g.m == nil {
		g.m = make(map[string]registered)
	}
	old, known := g.m[r.Name]
	if !known && len(g.m) >= maxRegistered {
		g.mu.Unlock()
		return fmt.Errorf("%w: %d", ErrCrowded, len(g.m))
	}
	until := c.present.at(now).Add(RegistrationTTL)
	g.m[r.Name] = registered{r, until}
	g.mu.Unlock()
	c.streams.Report(r.Name, r.Streams, until)
	if !known {
		c.log.WithField("peer", r.Name).WithField("address", r.Address).Info("peer registered")
	}
	if !known || old.Peer != r.Peer || old.Draining != r.Draining {
		c.refresh()
		snap := c.topo.Load()
		if h, ok := snap.HostByIP(r.Address); ok && attached(snap, h) {
			c.probeHost(h)
		} else {
			c.search(snap, []ofproto.IPv4{r.Address}, c.up(), now)
		}
		if p := c.settings().peers.byName[r.Name]; p != nil { // else it has left meanwhile
			c.probeAlone(p, c.o.ProbeInterval/2)
		}
	}
	return nil
}

// Leave removes a registration. The viewers that the peer still serves stay with it.
func (c *Controller) Leave(name string) error {
	g := &c.registered
	g.mu.Lock()
	_, ok := g.m[name]
	delete(g.m, name)
	g.mu.Unlock()
	if !ok {
		return fmt.Errorf("%w: %s", ErrUnregistered, name)
	}
	c.streams.Report(name, nil, time.Time{})
	c.log.WithField("peer", name).Info("peer left")
	c.refresh()
	return nil
}

// expireRegistrations drops the peers that did not renew.
func (c *Controller) expireRegistrations(now time.Time) {
	g := &c.registered
	g.mu.Lock()
	var gone []string
	for name, r := range g.m {
		if now.After(r.until) {
			gone = append(gone, name)
			delete(g.m, name)
		}
	}
	g.mu.Unlock()
	for _, name := range gone {
		c.log.WithField("peer", name).Warn("peer did not renew its registration")
	}
	if len(gone) > 0 {
		c.refresh()
	}
}

// join adds the registered peers to those of the settings, and says of each that is registered whether it is draining.
func (g *registry) join(configured []stream.Peer) (all []stream.Peer, draining map[string]bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all = append(all, configured...)
	draining = make(map[string]bool)
	own := make(map[string]bool)
	for _, p := range configured {
		own[p.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(g.m)) {
		r := g.m[name]
		draining[name] = r.Draining
		if !own[name] {
			all = append(all, r.Peer)
		}
	}
	return all, draining
}

// Registered reports whether a peer announced itself and is still believed.
func (c *Controller) Registered(name string) bool {
	g := &c.registered
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.m[name]
	return ok
}
