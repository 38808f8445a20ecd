package controller

import (
	"slices"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
)

// Settings is what may change while the controller runs. All of it takes effect at once and together, for new connections;
// those that exist keep their source.
type Settings struct {
	Policy    Policy
	ByService map[string]Policy // service -> policy, where it has one of its own
	Services  []stream.Service
	Peers     []stream.Peer
	Margin    time.Duration // what a relay's upstream may lag behind the service's own node
}

// settings is Settings made ready to be looked up. It never changes; a change makes a new one.
type settings struct {
	Settings
	services map[endpoint]*stream.Service
	peers    *peerSet
	base     []flow.Rule // what every switch has
}

// Set replaces the settings. Services that came or went are told to every switch. The channel is closed by the next Set.
func (c *Controller) Set(s Settings) (replaced <-chan struct{}) {
	c.setMu.Lock()
	defer c.setMu.Unlock()
	if c.replaced != nil {
		close(c.replaced)
	}
	c.swap(s)
	c.replaced = make(chan struct{})
	return c.replaced
}

// refresh makes the settings in force anew after a peer registered or left.
func (c *Controller) refresh() {
	c.setMu.Lock()
	defer c.setMu.Unlock()
	c.swap(c.Settings())
}

// swap puts settings in force. Under setMu.
func (c *Controller) swap(s Settings) {
	old := c.now.Load()
	if old == nil {
		first := c.newSettings(s, nil)
		c.metrics.expect(first)
		c.now.Store(first)
		return
	}
	next := c.newSettings(s, old.peers)
	c.metrics.expect(next)
	c.now.Store(next)
	var gone []flow.Key
	stays := flow.NewTable(next.base...)
	for _, r := range old.base {
		if _, ok := stays[r.Key()]; !ok {
			gone = append(gone, r.Key())
		}
	}
	for _, p := range slices.Concat(old.peers.order, old.peers.former) { // who has left and still serves is probed too
		if len(old.Services) == 0 {
			break
		}
		if r := steer.Probe(p.Peer, old.Services[0], probePort); !next.probes(r) {
			gone = append(gone, r.Key())
		}
	}
	moved := next.peers.unlike(old.peers)
	if moved {
		c.forgetPeers(next)
	}
	for _, t := range c.allTables() {
		t.install(next.base, "", nil)
		t.remove(gone)
		if moved { // else it is not worth to look at every rule
			t.drop(func(r flow.Rule) bool { return r.Cookie.Kind() == flow.KindHandsOff && !next.peers.handsOff(r) })
		}
	}
}

// forgetPeers drops what is kept of each peer apart from its settings, of those that are not in the settings any more.
func (c *Controller) forgetPeers(now *settings) {
	c.metrics.forgetSources(now.known)
	c.probes.forget(now)
}

// unlike reports whether some peer of an older set has left, moved, or marks its packets otherwise.
func (s *peerSet) unlike(old *peerSet) bool {
	return slices.ContainsFunc(old.order, func(p *peer) bool {
		now := s.byName[p.Name]
		return now == nil || !now.same(p.Peer) || now.DSCP != p.DSCP
	})
}

// handsOff reports whether a rule lets a relay's own connections pass that is still there. Under one that is not, a player on
// its host would never be seen.
func (s *peerSet) handsOff(r flow.Rule) bool {
	for _, p := range s.order {
		own := steer.HandsOff(p.Address, p.DSCP, stream.Tuple{Service: r.Match.NWDst, ServicePort: r.Match.TPDst}, topo.Hop{}, 0)
		if own.Match.Normalized() == r.Match.Normalized() {
			return true
		}
	}
	return false
}

func (c *Controller) newSettings(s Settings, known *peerSet) *settings {
	peers, draining := c.registered.join(s.Peers)
	n := &settings{
		Settings: s, services: make(map[endpoint]*stream.Service), peers: newPeerSet(peers, draining, known),
	}
	shown := slices.Clone(s.Services)
	for _, svc := range s.Services {
		n.services[endpoint{svc.Address, svc.Port}] = &svc
	}
	for _, p := range n.peers.order {
		if _, ok := n.ownDial(endpoint{p.Address, p.Port}); ok {
			shown = append(shown, p.own())
		}
	}
	n.base = steer.Base(shown)
	return n
}

// probes reports whether a rule catches answers to probes that are still sent.
func (s *settings) probes(r flow.Rule) bool {
	from := endpoint{r.Match.NWSrc, r.Match.TPSrc}
	p, ok := s.peers.at[from]
	return ok && s.peers.probes(from) && len(s.Services) > 0 && steer.Probe(p.Peer, s.Services[0], probePort).Key() == r.Key()
}

// Settings returns the settings in force.
func (c *Controller) Settings() Settings { return c.now.Load().Settings }

// settings is what is in force, for one packet or one probe round.
func (c *Controller) settings() *settings { return c.now.Load() }

// nodesOf lists the services, that of a name first: a stream's own node, before those of others.
func (s *settings) nodesOf(service string) []stream.Service {
	i := slices.IndexFunc(s.Services, func(svc stream.Service) bool { return svc.Name == service })
	if i <= 0 {
		return s.Services
	}
	return slices.Concat(s.Services[i:i+1], s.Services[:i], s.Services[i+1:])
}

// policyOf is the policy that decides for a service.
func (s *settings) policyOf(service string) Policy {
	if p, ok := s.ByService[service]; ok {
		return p
	}
	return s.Policy
}
