package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	// switchMemory is how long a switch that is away stays on the map: its flows work without a controller.
	switchMemory = time.Hour
	// maxAway is how many switches that are away are remembered, with what their tables should be: whoever connects under ever
	// new ids drives out those that have been away for longest.
	maxAway = 4096
	// maxAwayPorts bounds likewise how many ports all of them have.
	maxAwayPorts = 1 << 17
)

// away is what is kept of a switch that has left, besides its table and its place on the map.
type away struct {
	since  time.Time
	guards map[ofproto.Port]*portGuard // what its ports have had of their shares: they do not get it twice
	ports  int                         // that are on the map, or have had some
}

// arrives puts a switch that is up on the map, unless another connection of it is up, which is returned then. before is what was
// known of the switch, if it is back.
func (c *Controller) arrives(d *datapath) (before *topo.Switch, other *datapath) {
	c.moving.Lock()
	defer c.moving.Unlock()
	if other := c.enter(d); other != nil {
		return nil, other
	}
	before, _ = c.topo.Load().Switch(d.dpid)
	c.topo.SetSwitch(d.dpid, d.ports)
	return before, nil
}

// enter is what arrives does under mu.
func (c *Controller) enter(d *datapath) (other *datapath) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.switches[d.dpid]; other != nil {
		return other
	}
	c.switches[d.dpid] = d
	c.rota.join(d)
	d.metrics = c.metrics.of(d.dpid) // anew: a connection that it replaces has taken the series with it
	if c.tables[d.dpid] == nil {
		c.tables[d.dpid] = newInstaller(d.dpid, c.metrics, c.settings().base)
	}
	d.table = c.tables[d.dpid]
	if was, ok := c.left[d.dpid]; ok {
		delete(c.left, d.dpid)
		c.portsAway -= was.ports
		d.guards = was.guards
	}
	return nil
}

// leaves notes that a switch is not up any more. It stays on the map, for its flows go on without us; where too many are away,
// those that have been for longest are forgotten.
func (c *Controller) leaves(d *datapath) {
	c.mu.Lock()
	if c.switches[d.dpid] != d {
		c.mu.Unlock()
		return
	}
	delete(c.switches, d.dpid)
	c.rota.leave(d)
	c.metrics.switches.Dec()
	d.metrics.forget()
	was := away{time.Now(), d.guards, len(d.guards)}
	if sw, ok := c.topo.Load().Switch(d.dpid); ok {
		was.ports += len(sw.Ports)
	}
	c.left[d.dpid] = was
	c.portsAway += was.ports
	c.mu.Unlock()
	for {
		oldest, crowded := c.crowdedAway()
		if !crowded {
			return
		}
		c.forgetSwitch(oldest)
	}
}

// crowdedAway reports whether more are away than are remembered, and which has been for longest.
func (c *Controller) crowdedAway() (oldest ofproto.DPID, crowded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.left) <= maxAway && c.portsAway <= maxAwayPorts {
		return 0, false
	}
	var since time.Time
	for id, a := range c.left {
		if since.IsZero() || a.since.Before(since) {
			oldest, since = id, a.since
		}
	}
	return oldest, true
}

// forgetSwitch drops a switch that is away, and what its table should have been.
func (c *Controller) forgetSwitch(id ofproto.DPID) {
	c.moving.Lock() // or it might come back before it is off the map
	defer c.moving.Unlock()
	c.mu.Lock()
	was, gone := c.left[id]
	if gone {
		delete(c.left, id)
		c.portsAway -= was.ports
		delete(c.tables, id)
	}
	c.mu.Unlock()
	if gone {
		for _, l := range c.topo.Load().Links() {
			if l.To.DPID == id {
				c.cut(l.From, "the switch it led to is forgotten")
			}
		}
		c.topo.RemoveSwitch(id)
		c.links.gone(func(p topo.Point) bool { return p.DPID == id })
		c.sparingly(c.log, "switch forgotten", id.String()).WithField("dpid", id).Info("switch forgotten")
	}
}

// forgetSwitches drops the switches that have been away for too long.
func (c *Controller) forgetSwitches(now time.Time) {
	c.mu.Lock()
	var gone []ofproto.DPID
	for id, a := range c.left {
		if now.Sub(a.since) > switchMemory {
			gone = append(gone, id)
		}
	}
	c.mu.Unlock()
	for _, id := range gone {
		c.forgetSwitch(id)
	}
}
