package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// What costs everybody is bounded by port: packets that must go to all ports, or whose sender cannot be remembered; what must
// be remembered, addresses and connections to services; and, in a rush, questions that the controller answers itself. What
// only costs its sender a rule is not bounded. A port that exceeds its share is quenched on the switch:
// such packets are dropped there for a second, so that they take nothing from the channel that others need. What has a rule
// still passes.
const (
	floodRate  = 500  // packets a second from one port that may go to everybody
	floodBurst = 1000 // and at once
	learnRate  = 5    // new hosts a second on one port
	learnBurst = 1024 // and at once: a whole subnet behind one port
	beginRate  = 100  // new connections to services a second from one port
	beginBurst = 4096 // and at once: an audience behind one port
	hasteBurst = 256  // of these while the switch is behind
	quenchFor  = time.Second

	// rush is how many packets in one read tell that the daemon does not keep up: Open vSwitch holds back no more than
	// this for a controller, and loses the rest, whosever it is.
	rush = 100
	// behind is how many installations that a switch has not confirmed tell that it does not keep up: it executes in order,
	// so that whoever comes next waits for them all.
	behind = 256
)

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

// A class is a kind of packets that are quenched together.
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

// A portGuard is the shares of one port. Of the reading goroutine.
type portGuard struct {
	flood, learn, begin, haste bucket
	quenched                   [classes]time.Time // until when
}

func (d *datapath) guard(port ofproto.Port) *portGuard {
	g, ok := d.guards[port]
	if !ok {
		g = new(portGuard)
		d.guards[port] = g
	}
	return g
}

// mayFlood reports whether the packet in hand may go to everybody; where not, its port is quenched.
func (d *datapath) mayFlood(now time.Time) bool {
	if d.guard(d.packet.in.InPort).flood.take(now, floodRate, floodBurst) {
		return true
	}
	c, m := classOther, ofproto.MatchAll
	switch t := d.packet.peek.EtherType; t {
	case packet.TypeARP, packet.TypeLLDP:
		m.Wildcards &^= ofproto.WildDLType
		if m.DLType, c = t, classARP; t == packet.TypeLLDP {
			c = classLLDP
		}
	}
	d.quench(c, m, now)
	return false
}

// mayAsk reports whether the question in hand may be answered: the daemon keeps up, or the port is within its share.
func (d *datapath) mayAsk(now time.Time) bool { return !d.rush || d.mayFlood(now) }

// mayBegin reports whether the packet in hand may begin a session with a service; where not, its port is quenched.
func (d *datapath) mayBegin(svc *stream.Service, now time.Time) bool {
	g := d.guard(d.packet.in.InPort)
	may := g.begin.take(now, beginRate, beginBurst)
	if d.table.unconfirmed() > behind {
		may = g.haste.take(now, beginRate, hasteBurst) && may
	}
	if may {
		return true
	}
	d.quench(classStream, steer.Service(*svc), now)
	return false
}

// mayLearn reports whether one more host may be learnt on the port.
func (d *datapath) mayLearn(now time.Time) bool {
	return d.guard(d.packet.in.InPort).learn.take(now, learnRate, learnBurst)
}

// quenchPriority is just above the rules that send up packets of a class.
var quenchPriority = [classes]uint16{flow.PriorityQuench, flow.PriorityQuenchARP, flow.PriorityQuenchLLDP, flow.PriorityQuenchNew}

// quench counts the packet in hand as dropped, and has the switch drop for a while what else matches and comes from its port,
// where there is no rule for it.
func (d *datapath) quench(c class, m ofproto.Match, now time.Time) {
	in := d.packet.in.InPort
	d.c.metrics.dropped.WithLabelValues(d.dpid.String(), in.String(), c.String()).Inc()
	g := d.guard(in)
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
