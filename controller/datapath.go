package controller

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A datapath is one connection to one switch. It dies with the connection; what its table should be outlives it in table.
type datapath struct {
	c        *Controller
	dpid     ofproto.DPID
	conn     *ofproto.Conn
	log      logrus.FieldLogger
	metrics  *switchMetrics
	remote   string
	since    time.Time
	turn     int    // of the rota
	software string // of the switch, from its description
	ovs      bool   // it describes itself as Open vSwitch
	xid      atomic.Uint32
	table    *installer
	echo     echoes
	bringing atomic.Bool // the reading goroutine sends many rules, and reads nothing
	awaited  awaited
	auditing tableRead     // of the whole table
	metering tableRead     // of the sessions
	kicked   chan struct{} // others wrote to the connection: flush it
	busy     atomic.Bool   // a batch is being handled, at the end of which the connection is flushed
	closed   chan struct{} // run is over

	warming []*time.Timer // that measure it in its first moments

	have  []ofproto.FlowStat // what the handshake found of ours in the table; nil once compared
	ports []topo.Port        // as the handshake found them

	pairMu     sync.Mutex // pairs are also placed by the goroutines of other switches on a path
	pairs      map[pair]placedPair
	noPairs    time.Time // until when the switch is taken to have no room for one more
	roomMade   int       // by pairs until then, for rules that were refused and of which it has not told yet
	pairsAsked time.Time // when it was last asked what they have carried

	packet scratch // of the reading goroutine, as what follows
	guards map[ofproto.Port]*portGuard
	whole  switchGuard
	pulse  pulse
	lag    time.Duration // of switch and daemon behind each other, when packets last came
	// noSessions is until when the switch is taken to have no room for the rules of sessions, which pairs make room for.
	noSessions time.Time
	strained   bool      // not all that comes is kept up with: ports are held to their shares
	now        time.Time // when the messages in hand were read

	audited entries  // what has come of the answer to auditing
	carried counters // and to metering
}

// scratch is what handling a packet needs, kept from packet to packet so that none costs an allocation.
type scratch struct {
	in      ofproto.PacketIn
	peek    packet.Peeked
	out     ofproto.PacketOut
	mod     ofproto.FlowMod
	actions map[ofproto.Port][]ofproto.Action // one output each
	flood   []ofproto.Port
	reply   []byte // in the making
	lineup  lineup
	lists   steer.Lists
	reasons reasons

	sender  *topo.Host // nil where nobody knows where it is
	counted bool       // against its port's share
}

func (c *Controller) newDatapath(conn *ofproto.Conn, f *ofproto.FeaturesReply, log logrus.FieldLogger) *datapath {
	d := &datapath{
		c: c, dpid: f.DatapathID, conn: conn, log: log.WithField("dpid", f.DatapathID.String()),
		metrics: c.metrics.of(f.DatapathID),
		kicked:  make(chan struct{}, 1), closed: make(chan struct{}), pairs: make(map[pair]placedPair),
		guards: make(map[ofproto.Port]*portGuard),
	}
	d.packet.actions = make(map[ofproto.Port][]ofproto.Action)
	for i := range f.Ports {
		if f.Ports[i].No < ofproto.PortMax {
			d.ports = append(d.ports, portOf(&f.Ports[i]))
		}
	}
	return d
}

// start brings the table of a switch to what it should be, and what else is known of it; before is what was when it was last up,
// nil if it never was. It runs before the first packet is handled.
func (d *datapath) start(before *topo.Switch) {
	d.c.adopt(d, d.have)
	var sent, kept int
	d.bring(func() int {
		sent, kept = d.table.connect(d, d.have, d.ovs)
		return sent
	})
	if before != nil {
		d.portsLost(before)
	}
	d.takeOverPairs(d.have)
	d.log.WithField("sent", sent).WithField("kept", kept).Debug("table compared")
	d.have = nil
	d.measure()
	for _, later := range warmUp {
		d.warming = append(d.warming, time.AfterFunc(later, d.measure))
	}
	now, here, snap := time.Now(), []*datapath{d}, d.c.topo.Load() // the first viewer should not wait for the next round
	d.c.probeThrough(here)
	d.c.search(snap, d.c.settings().lost(snap), here, now)
	d.flush()
}

// warmUp is when a new switch is measured again before the regular rounds: in its first moments it is busy with itself, and
// Mininet gives its links their delays only after it has connected: what it shows then is not what it will be.
var warmUp = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
	3 * time.Second, 4 * time.Second, 6 * time.Second, 8 * time.Second}

// measure asks for the control channel's round trip and probes all links.
func (d *datapath) measure() {
	select {
	case <-d.closed:
	default:
		d.ping(time.Now())
		d.discover()
	}
}

// run handles what the switch says until the connection ends, beginning with what it said during the handshake.
func (d *datapath) run(early [][]byte) error {
	defer close(d.closed)
	go d.flushForOthers()
	if err := d.handleBatch(early); err != nil {
		return err
	}
	for {
		batch, err := d.conn.ReadBatch()
		if lost := new(ofproto.DecodeError); errors.As(err, &lost) { // nothing behind a wrong length can be read
			d.metrics.malformed.Inc()
			_ = d.conn.Write(d.nextXID(), &ofproto.Error{ErrType: ofproto.BadRequest, Code: ofproto.RequestBadLen})
			d.flush()
		}
		if err != nil {
			return err
		}
		if err := d.handleBatch(batch); err != nil {
			return err
		}
	}
}

// handleBatch answers in one write all that one read brought. Replies that others wait for are handled before the
// packets, which may be thousands; within each group the switch's order is kept.
func (d *datapath) handleBatch(batch [][]byte) error {
	now := time.Now()
	rtt := d.echo.heard(d.c.present.at(now))
	d.now = now
	d.busy.Store(true)
	d.table.share(d)
	err := d.handle(batch, rtt)
	d.table.settle()
	d.busy.Store(false) // before the flush: what is written after it is somebody else's to flush
	if err != nil {
		return err
	}
	return d.conn.Flush()
}

// handle acts on each message of a batch.
func (d *datapath) handle(batch [][]byte, rtt time.Duration) error {
	packets := 0
	for _, frame := range batch {
		if ofproto.Type(frame[1]) == ofproto.TypePacketIn {
			packets++
			continue
		}
		if err := d.control(frame); err != nil {
			return err
		}
	}
	if packets > 0 {
		d.strain(packets, d.now, rtt)
		for _, frame := range batch {
			if ofproto.Type(frame[1]) == ofproto.TypePacketIn {
				if err := d.packetIn(frame); err != nil {
					return err
				}
			}
		}
		d.metrics.packetIns.Add(float64(packets))
	}
	return nil
}

// control handles any message but a packet-in.
func (d *datapath) control(frame []byte) error {
	h, m, err := ofproto.Decode(frame)
	if err != nil {
		d.metrics.malformed.Inc()
		d.sparingly("malformed message").WithError(err).Warn("malformed message")
		return d.complain(frame, err)
	}
	switch m := m.(type) {
	case *ofproto.EchoRequest:
		return d.conn.Write(h.XID, &ofproto.EchoReply{Data: m.Data})
	case *ofproto.EchoReply:
		if !d.pulse.answered(h.XID, time.Now()) {
			d.echo.answered(h.XID)
		}
	case *ofproto.BarrierReply:
		if d.table.acknowledged(h.XID, d.now) {
			d.echo.took(d.c.present.at(d.now))
		}
	case *ofproto.Error:
		d.refused(h.XID, m)
	case *ofproto.FlowRemoved:
		d.removed(m)
	case *ofproto.PortStatus:
		d.portChanged(m)
	case *ofproto.StatsReply:
		d.statistics(h.XID, m)
	}
	return nil
}

// complain tells a switch that it sent nonsense (§5.4.4). The connection goes on where the framing does.
func (d *datapath) complain(frame []byte, err error) error {
	h, headerErr := ofproto.ParseHeader(frame)
	if headerErr != nil {
		return fmt.Errorf("framing lost: %w", headerErr)
	}
	if h.Type == ofproto.TypeError {
		return nil // answering an error with an error never ends
	}
	code := ofproto.RequestBadLen
	if h.Version != ofproto.Version {
		code = ofproto.RequestBadVersion
	}
	return d.conn.Write(h.XID, &ofproto.Error{
		ErrType: ofproto.BadRequest, Code: code, Data: append([]byte(nil), frame[:min(len(frame), 64)]...),
	})
}

// nextXID numbers a message of this connection.
func (d *datapath) nextXID() uint32 { return d.xid.Add(1) }

// reserve numbers n messages in a row and returns the first number.
func (d *datapath) reserve(n uint32) uint32 { return d.xid.Add(n) - n + 1 }

// Write adds a message to what will be sent. It does not wait for the switch, whoever calls it.
func (d *datapath) Write(xid uint32, m ofproto.Message) error { return d.conn.Write(xid, m) }

// flush sends what is pending, and waits until the switch takes it: only the switch's own goroutines may. A connection that
// fails is closed, which ends the reading side too.
func (d *datapath) flush() {
	if d.conn.Flush() != nil {
		_ = d.conn.Close()
	}
}

// kick has what another switch's goroutine wrote here sent, without that goroutine waiting for this switch.
func (d *datapath) kick() {
	if d.busy.Load() {
		return
	}
	select {
	case d.kicked <- struct{}{}:
	default: // a flush is already due
	}
}

func (d *datapath) flushForOthers() {
	for {
		select {
		case <-d.closed:
			return
		case <-d.kicked:
			d.flush()
		}
	}
}
