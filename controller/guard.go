package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// What costs everybody is bounded by port: packets that must go to all ports, and addresses that must be remembered. What
// only costs its sender a rule is not. A port that exceeds its share is quenched on the switch itself: such packets are
// dropped there for a second, so that they take nothing from the channel that others need. What has a rule still passes.
const (
	floodRate  = 500  // packets a second from one port that may go to everybody
	floodBurst = 1000 // and at once
	learnRate  = 5    // new hosts a second on one port
	learnBurst = 1024 // and at once: a whole subnet behind one port
	quenchFor  = time.Second
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

// A portGuard is the shares of one port. Of the reading goroutine.
type portGuard struct {
	flood, learn bucket
	quenched     [2]time.Time // until when, by class
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
	in := d.packet.in.InPort
	g := d.guard(in)
	if g.flood.take(now, floodRate, floodBurst) {
		return true
	}
	class, i := "other", 0
	if d.packet.peek.EtherType == packet.TypeARP {
		class, i = "arp", 1
	}
	d.c.metrics.dropped.WithLabelValues(d.dpid.String(), in.String(), class).Inc()
	if now.After(g.quenched[i]) {
		g.quenched[i] = now.Add(quenchFor)
		d.quench(in, i == 1)
		d.log.WithField("port", in).WithField("class", class).Warn("port floods: quenched for a second")
	}
	return false
}

// mayLearn reports whether one more host may be learnt on the port.
func (d *datapath) mayLearn(now time.Time) bool {
	return d.guard(d.packet.in.InPort).learn.take(now, learnRate, learnBurst)
}

// quench has the switch drop what it has no rule for from a port.
func (d *datapath) quench(port ofproto.Port, arp bool) {
	m := ofproto.MatchAll
	m.Wildcards &^= ofproto.WildInPort
	m.InPort = port
	priority := uint16(flow.PriorityQuench)
	if arp {
		m.Wildcards &^= ofproto.WildDLType
		m.DLType = packet.TypeARP
		priority = flow.PriorityQuenchARP
	}
	_ = d.conn.Write(d.nextXID(), &ofproto.FlowMod{
		Match: m, Cookie: uint64(flow.NewCookie(flow.KindQuench, 0)), Command: ofproto.FlowAdd,
		HardTimeout: uint16(quenchFor / time.Second), Priority: priority, BufferID: ofproto.NoBuffer, OutPort: ofproto.PortNone,
	})
}
