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

// Nothing is dropped while the daemon and its switches keep up. Where they do not, what costs everybody is shared out by port
// and class: packets that go to all ports, or whose sender is new, questions that the controller answers itself, and new
// connections to services. A port that exceeds its share is quenched on the switch: such packets are dropped there for a
// second, so that they take nothing from the channel that others need. What has a rule still passes, and who only asks for
// one is not bounded. Ports to other switches are left alone: whoever floods is quenched where he is.
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
	maxHosts = 1 << 16 // remembered; beyond, those of the port that has most make room
	maxPairs = 1 << 18 // with rules on one switch; the packets of others go one by one
	// newcomer is how long a host's rules are counted against its port: addresses that are made up are used but once.
	newcomer   = 10 * time.Second
	pairRate   = 64 // rules a second for pairs of newcomers on one port
	pairBurst  = 4096
	maxGuarded = 4096 // ports of a switch that are told apart
)

// A class is a kind of packets that are shared out, and quenched, together.
type class uint8

const (
	classOther class = iota
	classARP
	classLLDP
	classStream
	classes
)

// String is the class's name in logs and metric labels.
func (c class) String() string { return [...]string{"other", "arp", "lldp", "stream"}[c] }

// shares is what one port may send of each class under strain: so many a second, and at once.
var shares = [classes]struct{ rate, burst float64 }{
	classOther: {500, 500}, classARP: {500, 500}, classLLDP: {100, 100},
	classStream: {100, 4096}, // an audience behind one port may come all together
}

// A bucket is a token bucket. Its zero value is full.
type bucket struct {
	spent float64
	last  time.Time
}

// take spends one token of a bucket that holds burst and regains rate a second; false where it is empty.
func (b *bucket) take(now time.Time, rate, burst float64) bool {
	b.spent = max(0, b.spent-now.Sub(b.last).Seconds()*rate)
	b.last = now
	if b.spent+1 > burst {
		return false
	}
	b.spent++
	return true
}

// A portGuard is what one port has had of its shares. Of the reading goroutine.
type portGuard struct {
	shares       [classes]bucket
	haste, pairs bucket
	begun        begun
	quenched     [classes]time.Time // until when
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
	if !d.strained || d.packet.counted || d.onLink() {
		return true
	}
	d.packet.counted = true
	c, m := d.kind()
	if d.guard(d.packet.in.InPort).shares[c].take(now, shares[c].rate, shares[c].burst) {
		return true
	}
	d.quench(c, m, now)
	return false
}

func (d *datapath) onLink() bool {
	return d.c.topo.Load().IsLink(topo.Point{DPID: d.dpid, Port: d.packet.in.InPort})
}

// mayBegin reports whether the packet in hand may begin a session with a service; where not, its port is quenched.
func (d *datapath) mayBegin(svc *stream.Service, now time.Time) bool {
	g := d.guard(d.packet.in.InPort)
	may := g.begun.room()
	if hasty := d.table.unconfirmed() > behind || d.lag > 2*lagging; hasty || d.strained {
		s := shares[classStream]
		may = g.shares[classStream].take(now, s.rate, s.burst) && may
		if hasty {
			may = g.haste.take(now, s.rate, hasteBurst) && may
		}
	}
	if may {
		return true
	}
	d.quench(classStream, steer.Service(*svc), now)
	return false
}

// mayPlace reports whether the sender of the packet in hand may have one more rule to a destination. Under pairMu.
func (d *datapath) mayPlace(now time.Time) bool {
	h := d.packet.sender
	switch {
	case h == nil: // nobody knows where it is
		return false
	case len(d.pairs) >= maxPairs || now.Before(d.full.pairs):
		return false
	case now.Sub(h.Since) > newcomer:
		return true
	}
	return d.guard(d.packet.in.InPort).pairs.take(now, pairRate, pairBurst)
}

// quenchPriority is just above the rules that send up packets of a class.
var quenchPriority = [classes]uint16{flow.PriorityQuench, flow.PriorityQuenchARP, flow.PriorityQuenchLLDP, flow.PriorityQuenchNew}

// quench counts the packet in hand as dropped, and has the switch drop for a while what else matches and comes from its port,
// where there is no rule for it.
func (d *datapath) quench(c class, m ofproto.Match, now time.Time) {
	in := d.packet.in.InPort
	g, label := d.guard(in), in
	if d.guards[in] == nil {
		label = ofproto.PortNone // one of too many
	}
	d.c.metrics.dropped.WithLabelValues(d.dpid.String(), label.String(), c.String()).Inc()
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
