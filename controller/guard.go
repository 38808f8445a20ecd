package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// Nothing is dropped while the daemon and its switches keep up. Where they do not, what costs everybody is shared out by switch,
// port and class: packets that go to all ports, or whose sender is new, questions that the controller answers itself, new
// connections to services, and what nobody asked for. A port that exceeds its share is quenched on the switch: such packets are
// dropped there for a second, so that they take nothing from the channel that others need. What has a rule still passes, and who
// only asks for one is not bounded.
//
// The ports of one switch have a share together, whatever their number. Where that is used up, each of them still has a little
// of its own, so that those who flood take nothing from who does not. What comes over a link may be all that another switch may
// send; discovery there is never dropped.
//
// What must be remembered is bounded at all times: see maxHosts, maxPairs and a port's sessions.
const (
	quenchFor  = time.Second
	hasteBurst = 256 // new connections at once from one port while the switch is behind

	// rush is how many packets in one read tell that the daemon does not keep up: Open vSwitch holds back no more than
	// this for a controller, and loses the rest, whosever it is.
	rush = 100
	// behind is how many installations that a switch has not confirmed tell that it does not keep up: it executes in order,
	// so that whoever comes next waits for them all.
	behind = 128
	// strainFor is how long the shares hold after the last sign that something did not keep up. What floods one switch may
	// have come in at another, so they hold on all.
	strainFor = time.Second
)

const (
	maxHosts = 1 << 16 // remembered; beyond, those of the switch that has most make room
	maxPairs = 1 << 18 // with rules on one switch; the packets of others go one by one
	// newcomer is how long a host's rules are counted against its port: addresses that are made up are used but once.
	newcomer   = 10 * time.Second
	pairRate   = 64 // rules a second for pairs of newcomers on one port
	pairBurst  = 4096
	maxGuarded = 4096 // ports of a switch that are told apart
)

const (
	switchPorts = 8 // the share of a switch, and of a link, is that of so many ports
	// What a port has for itself where its switch has used up its share.
	leastRate  = 2 // a second
	leastBurst = 8
	floodRate  = 16 // packets a second refused to a port beyond that: it is not quenched for less
)

// A class is a kind of packets that are shared out, and quenched, together.
type class uint8

const (
	classOther class = iota
	classARP
	classLLDP
	classStream
	classProbe
	classes
)

// String is the class's name in logs and metric labels.
func (c class) String() string { return [...]string{"other", "arp", "lldp", "stream", "probe"}[c] }

// A share is so many packets a second, and so many at once.
type share struct{ rate, burst float64 }

// shares is what one port may send of each class under strain.
var shares = [classes]share{
	classOther: {500, 500}, classARP: {500, 500}, classLLDP: {100, 100},
	classStream: {100, 4096}, // an audience behind one port may come all together
	classProbe:  {100, 100},  // what nobody asked for; answers to probes are not counted
}

// whole is the share of all ports of a switch.
func (s share) whole() share { return share{s.rate * switchPorts, s.burst * switchPorts} }

// An allowance is what a port has had of a share. Its zero value has had nothing.
type allowance struct{ own, least, refused bucket }

// A verdict on one more packet.
type verdict uint8

const (
	granted    verdict = iota
	overSwitch         // its switch has had its share, and its port what it has for itself
	overShare          // its port has had its share
)

// take asks for one more packet of a port and of its switch.
func (a *allowance) take(sw *bucket, s share, now time.Time) verdict {
	w := s.whole()
	switch {
	case !a.own.take(now, s.rate, s.burst):
		return overShare
	case sw.take(now, w.rate, w.burst) || a.least.take(now, leastRate, leastBurst):
		return granted
	}
	return overSwitch
}

// A portGuard is what one port has had of its shares. Of the reading goroutine.
type portGuard struct {
	shares   [classes]allowance
	haste    allowance
	pairs    bucket
	begun    begun
	quenched [classes]time.Time // until when
}

// A switchGuard is what all ports of a switch, links left out, have had together. Of the reading goroutine.
type switchGuard struct {
	shares [classes]bucket
	haste  bucket
}

// guard is the port's guard; the ports of a switch that has too many to be told apart share one.
func (d *datapath) guard(port ofproto.Port) *portGuard {
	g, ok := d.guards[port]
	if !ok && len(d.guards) >= maxGuarded {
		port = ofproto.PortNone
		g, ok = d.guards[port]
	}
	if !ok {
		g = new(portGuard)
		d.guards[port] = g
	}
	return g
}

// strain judges, when packets have come, whether what comes is kept up with: here, and by what was seen elsewhere just now.
func (d *datapath) strain(packets int, now time.Time, rtt time.Duration) {
	d.pulse.beat(d, now)
	d.lag = d.pulse.excess(now, rtt)
	late := d.lag > lagging
	if late || packets >= rush {
		if until := now.Add(strainFor).UnixNano(); until-d.c.strained.Load() > int64(strainFor/10) {
			d.c.strained.Store(until)
		}
		if !d.strained {
			d.metrics.strained.Inc()
			d.sparingly("strained").WithField("packets", packets).WithField("late", late).Warn("does not keep up: ports are held to their shares")
		}
	}
	d.strained = now.UnixNano() < d.c.strained.Load()
}

// kind is the class of the packet in hand where it is not for a service, and what matches its like.
func (d *datapath) kind() (class, ofproto.Match) {
	c, m := classOther, ofproto.MatchAll
	switch t := d.packet.peek.EtherType; t {
	case packet.TypeARP, packet.TypeLLDP:
		m.Wildcards &^= ofproto.WildDLType
		if m.DLType, c = t, classARP; t == packet.TypeLLDP {
			c = classLLDP
		}
	}
	return c, m
}

// mayPass reports whether the packet in hand, which costs others, may be handled: nothing is strained, or its port is within
// its share. Where not, its port is quenched. A packet is counted once, however often it is asked about.
func (d *datapath) mayPass(now time.Time) bool {
	c, m := d.kind()
	return d.within(c, m, now)
}

// unheeded counts the packet in hand, with which nothing is done, like those of its port that may pass: it has come up as they do.
func (d *datapath) unheeded() {
	if svc, _ := d.dialled(); svc != nil {
		d.mayBegin(svc, d.now)
		return
	}
	d.mayPass(d.now)
}

// within reports whether the packet in hand is within its port's share of a class, whose packets m matches.
func (d *datapath) within(c class, m ofproto.Match, now time.Time) bool {
	if !d.strained || d.packet.counted {
		return true
	}
	d.packet.counted = true
	a, v := &d.guard(d.packet.in.InPort).shares[c], granted
	if !d.onLink() {
		v = a.take(&d.whole.shares[c], shares[c], now)
	} else if w := shares[c].whole(); c != classLLDP && !a.own.take(now, w.rate, w.burst) {
		v = overShare
	}
	if v != granted {
		d.drop(v, c, m, now)
	}
	return v == granted
}

func (d *datapath) onLink() bool {
	return d.c.topo.Load().IsLink(topo.Point{DPID: d.dpid, Port: d.packet.in.InPort})
}

// mayBegin reports whether the packet in hand may begin a session with a service; where not, its port is quenched.
func (d *datapath) mayBegin(svc *stream.Service, now time.Time) bool {
	g, v := d.guard(d.packet.in.InPort), granted
	if hasty := d.table.unconfirmed() > behind || d.lag > 2*lagging; hasty || d.strained {
		s := shares[classStream]
		v = g.shares[classStream].take(&d.whole.shares[classStream], s, now)
		if hasty {
			v = max(v, g.haste.take(&d.whole.haste, share{s.rate, hasteBurst}, now))
		}
	}
	if v != granted {
		d.drop(v, classStream, steer.Service(*svc), now)
	}
	return v == granted
}

// mayPlace reports whether the sender of the packet in hand may have the rule of a pair. Under pairMu.
func (d *datapath) mayPlace(k pair, now time.Time) bool {
	h := d.packet.sender
	switch {
	case h == nil: // nobody knows where it is
		return false
	case !d.pairRoom(k, now):
		return false
	case now.Sub(h.Since) > newcomer:
		return true
	}
	return d.guard(d.packet.in.InPort).pairs.take(now, pairRate, pairBurst)
}

// quenchPriority is just above the rules that send up packets of a class.
var quenchPriority = [classes]uint16{flow.PriorityQuench, flow.PriorityQuenchARP, flow.PriorityQuenchLLDP, flow.PriorityQuenchNew, flow.PriorityQuenchProbe}

// anyPort labels what is dropped because a switch has used up its share: its ports may be thousands.
const anyPort = "any"

// drop counts the packet in hand as dropped, and quenches its port where that floods.
func (d *datapath) drop(v verdict, c class, m ofproto.Match, now time.Time) {
	in := d.packet.in.InPort
	g, label := d.guard(in), in.String()
	switch {
	case v == overSwitch:
		label = anyPort
	case d.guards[in] == nil:
		label = ofproto.PortNone.String() // one of too many
	}
	d.c.metrics.dropped.WithLabelValues(d.dpid.String(), label, c.String()).Inc()
	if v == overShare || !g.shares[c].refused.take(now, floodRate, floodRate) {
		d.quench(g, c, m, now)
	}
}

// quench has the switch drop for a while what else matches and comes from the port of the packet in hand, where there is no rule
// for it.
func (d *datapath) quench(g *portGuard, c class, m ofproto.Match, now time.Time) {
	in := d.packet.in.InPort
	if !now.After(g.quenched[c]) {
		return // it is on its way
	}
	g.quenched[c] = now.Add(quenchFor)
	m.Wildcards &^= ofproto.WildInPort
	m.InPort = in
	_ = d.conn.Write(d.nextXID(), &ofproto.FlowMod{
		Match: m, Cookie: uint64(flow.NewCookie(flow.KindQuench, 0)), Command: ofproto.FlowAdd,
		HardTimeout: uint16(quenchFor / time.Second), Priority: quenchPriority[c], BufferID: ofproto.NoBuffer, OutPort: ofproto.PortNone,
	})
	d.sparingly("port floods").WithField("port", in).WithField("class", c.String()).Warn("port floods: quenched for a second")
}
