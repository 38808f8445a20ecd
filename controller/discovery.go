package controller

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	linkMisses = 3 // probes in a row that must be lost before a link is gone
	// maxLLDPAge is the oldest discovery packet believed: a recorded one must not draw a link later.
	maxLLDPAge = 10 * time.Second
)

// linkWatch remembers when each link was last heard, and its recent delays. Its zero value is ready.
type linkWatch struct {
	mu    sync.Mutex
	heard map[topo.Point]*heardLink
	asks  uint64
	open  map[topo.Point]nonces // of the discovery packets of each port that have not come back
}

// nonces are those of a port's last few discovery packets, 0 for none. A link is much faster than so many are sent.
type nonces [4]uint64

type heardLink struct {
	to  topo.Point
	at  time.Time // when it was heard, by the daemon's presence
	age leastOf   // of discovery packets on arrival, control channels included
}

// discover probes every port of the switches whose turn it is.
func (c *Controller) discover(_ time.Time, due func(*datapath) bool) {
	for _, d := range c.up() {
		if due(d) {
			d.discover()
		}
	}
}

// expireLinks forgets the links that have been silent for too long.
func (c *Controller) expireLinks(now time.Time) {
	for _, from := range c.links.expire(c.present.at(now), linkMisses*c.o.LLDPInterval, c.isUp) {
		c.cut(from, "no discovery packet came over it any more")
	}
}

// expire forgets the links that have been silent for too long. One whose end is not connected cannot be heard, and is left alone:
// it carries traffic without a controller as well as with one.
func (w *linkWatch) expire(seen time.Time, silence time.Duration, isUp func(ofproto.DPID) bool) (gone []topo.Point) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for from, l := range w.heard {
		if !isUp(from.DPID) || !isUp(l.to.DPID) {
			l.at = seen // once it is back, it has time to be heard
			continue
		}
		if seen.Sub(l.at) > silence {
			gone = append(gone, from)
			delete(w.heard, from)
		}
	}
	return gone
}

// discover sends a probe out of each of the switch's ports.
func (d *datapath) discover() {
	if sw, ok := d.c.topo.Load().Switch(d.dpid); ok {
		for _, p := range sw.Ports {
			d.discoverPort(p)
		}
	}
}

func (d *datapath) discoverPort(p topo.Port) {
	if !p.Up {
		return
	}
	d.emit(p.No, packet.AppendLLDP(nil, packet.LLDP{
		Src: p.MAC, DPID: uint64(d.dpid), Port: uint16(p.No), TTL: uint16(linkMisses * d.c.o.LLDPInterval / time.Second),
		Nonce: d.c.links.ask(topo.Point{DPID: d.dpid, Port: p.No}), Timestamp: int64(time.Since(d.c.epoch)),
	}, d.c.secret))
}

// heardLLDP handles a discovery packet: what its digest proves to be ours, recent, and not heard before, says where the link
// begins. Its age, less half of each control channel's round trip, is the link's one-way delay.
func (c *Controller) heardLLDP(d *datapath, port ofproto.Port, frame []byte) {
	l, err := packet.ParseLLDP(frame, c.secret)
	age := time.Since(c.epoch) - time.Duration(l.Timestamp)
	from := topo.Point{DPID: ofproto.DPID(l.DPID), Port: ofproto.Port(l.Port)}
	if err != nil || age < 0 || age > maxLLDPAge || !c.links.answered(from, l.Nonce) {
		c.metrics.forged.Inc()
		d.mayPass(time.Now()) // nothing is sent on, but they come by the channel that others need
		return
	}
	to := topo.Point{DPID: d.dpid, Port: port}
	sender, ok := c.datapath(from.DPID)
	if !ok || from == to {
		return
	}
	delay := positive(c.links.hear(from, to, c.present.now(), age) - (sender.echo.roundTrip()+d.echo.roundTrip())/2)
	if c.topo.SetLink(from, to, delay) {
		d.sparingly("link up").WithField("from", from).WithField("to", to).WithField("delay", delay.Round(time.Microsecond)).Info("link up")
		c.becameLink(from, to)
	}
}

// ask numbers a new discovery packet of a port.
func (w *linkWatch) ask(from topo.Point) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = make(map[topo.Point]nonces)
	}
	w.asks++
	n := w.open[from]
	copy(n[:], n[1:])
	n[len(n)-1] = w.asks
	w.open[from] = n
	return w.asks
}

// answered reports whether a nonce is of a discovery packet of a port that was sent and has not been heard. It and those before
// it are not open any more: whoever repeats one cannot move a link to himself.
func (w *linkWatch) answered(from topo.Point, nonce uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.open[from]
	i := slices.Index(n[:], nonce)
	if i < 0 || nonce == 0 {
		return false
	}
	clear(n[:i+1])
	w.open[from] = n
	return true
}

// hear notes a discovery packet and returns the least age of the last few.
func (w *linkWatch) hear(from, to topo.Point, seen time.Time, age time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, ok := w.heard[from]
	if !ok || l.to != to {
		l = &heardLink{to: to}
		if w.heard == nil {
			w.heard = make(map[topo.Point]*heardLink)
		}
		w.heard[from] = l
	}
	l.at = seen
	return l.age.add(age)
}

func (w *linkWatch) forget(from topo.Point) {
	w.mu.Lock()
	delete(w.heard, from)
	w.mu.Unlock()
}

// gone drops what is known of ports that match and are there no longer.
func (w *linkWatch) gone(match func(topo.Point) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.open, func(at topo.Point, _ nonces) bool { return match(at) })
	maps.DeleteFunc(w.heard, func(at topo.Point, _ *heardLink) bool { return match(at) })
}

// cut takes a link off the map and moves what went over it.
func (c *Controller) cut(from topo.Point, why string) {
	c.links.forget(from)
	if !c.topo.CutLink(from) {
		return
	}
	c.sparingly(c.log, "link down", from.String()).WithField("from", from).WithField("why", why).Info("link down")
	c.reroute(from)
}

// portChanged handles a PORT_STATUS: a port that comes up is probed at once, one that goes down takes its link with it.
func (d *datapath) portChanged(m *ofproto.PortStatus) {
	if m.Port.No >= ofproto.PortMax {
		return
	}
	c, at := d.c, topo.Point{DPID: d.dpid, Port: m.Port.No}
	p := portOf(&m.Port)
	p.Settled = time.Now().Add(settlePort)
	old, far := topo.Port{}, topo.Point{}
	if sw, ok := c.topo.Load().Switch(d.dpid); ok {
		old = sw.Ports[p.No]
		far = old.Peer
	}
	if m.Reason == ofproto.PortDeleted {
		p.Up = false
		c.topo.RemovePort(d.dpid, p.No)
		c.links.gone(func(p topo.Point) bool { return p == at })
	} else {
		c.topo.SetPort(d.dpid, p)
	}
	switch {
	case p.Up && !old.Up:
		d.sparingly("port up").WithField("port", p.No).Info("port up")
		d.discoverPort(p)
	case !p.Up && old.Up:
		d.portDown(at, far)
	}
}

// portDown moves what went over a port and the link that may have begun there.
func (d *datapath) portDown(at, far topo.Point) {
	c := d.c
	d.sparingly("port down").WithField("port", at.Port).Info("port down")
	c.links.forget(at)
	if far != (topo.Point{}) {
		c.links.forget(far)
		c.topo.CutLink(far)
		c.reroute(far)
	} else {
		c.hostsLost(d, at.Port)
	}
	c.reroute(at)
	for _, relay := range c.peersAt(at.DPID, at.Port) {
		c.peerIs(relay, &health{why: "its port is down"})
	}
}

func portOf(p *ofproto.PhyPort) topo.Port {
	return topo.Port{No: p.No, MAC: p.HWAddr, Name: p.Name, Up: p.Up(), Settled: time.Now().Add(settle)}
}
