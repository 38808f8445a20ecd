package controller

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A Policy chooses where each new connection is served from; see package policies. Source must be pure: it is called from
// many goroutines at once.
type Policy interface {
	Name() string
	Source(stream.View, stream.Request) stream.Choice
}

// Options is what a Controller needs. Policy is required; the rest has defaults.
type Options struct {
	Settings
	Log        logrus.FieldLogger    // default: logrus's standard logger
	Registerer prometheus.Registerer // default: none; metrics are kept and not exported

	// Admit is asked once a connection has named its datapath id, before its switch is up; an error refuses it. Default: all
	// are admitted.
	Admit func(net.Conn, ofproto.DPID) error

	KeepOrphans bool // leave a dead peer's viewers hanging, as their players may wait for its return; default: reset them

	HandshakeTimeout time.Duration // accept -> up; default 10 s
	EchoInterval     time.Duration // silence after which a switch is asked for a sign of life; default 5 s
	LLDPInterval     time.Duration // between probes of one port; default 5 s
	ProbeInterval    time.Duration // between probes of one peer or service; default 2 s
	SessionIdle      time.Duration // silence after which a session's rules go; default and least 180 s, whole seconds
	AuditInterval    time.Duration // between comparisons of a switch's table with what it should be; default 60 s
}

func (o *Options) setDefaults() error {
	if o.Policy == nil {
		return errors.New("controller: no policy")
	}
	if o.Log == nil {
		o.Log = logrus.StandardLogger()
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if o.Admit == nil {
		o.Admit = func(net.Conn, ofproto.DPID) error { return nil }
	}
	for _, d := range []struct {
		value *time.Duration
		is    time.Duration
	}{
		{&o.HandshakeTimeout, 10 * time.Second}, {&o.EchoInterval, 5 * time.Second}, {&o.LLDPInterval, 5 * time.Second},
		{&o.ProbeInterval, 2 * time.Second}, {&o.SessionIdle, minSessionIdle}, {&o.AuditInterval, time.Minute},
	} {
		if *d.value <= 0 {
			*d.value = d.is
		}
	}
	if o.SessionIdle < minSessionIdle || o.SessionIdle > maxIdle {
		return fmt.Errorf("controller: session idle timeout %v: must be within %v and %v, or parked viewers are cut off",
			o.SessionIdle, minSessionIdle, maxIdle)
	}
	return nil
}

const (
	minSessionIdle = 180 * time.Second    // a paused RTMP player is silent but for a ping a minute
	maxIdle        = 0xffff * time.Second // idle_timeout has 16 bits
)

// A Controller is one running control plane. Make one with New and start it with Run.
type Controller struct {
	o       Options
	log     logrus.FieldLogger
	metrics *metrics
	secret  []byte    // keys the digest in discovery packets
	epoch   time.Time // zero of the timestamps in them
	present *presence
	seconds atomic.Int64 // the Unix time to within a probe round, for those who cannot afford a clock

	topo       *topo.Store
	setMu      sync.Mutex    // one Set at a time
	replaced   chan struct{} // closed by the next Set; under setMu
	registered registry
	now        atomic.Pointer[settings]
	halfOpen   halfOpen
	latest     atomic.Pointer[socket] // of the switches' connections, that read something
	sessions   stream.Table[*session]
	adopted    adoption
	links      linkWatch
	probes     prober
	rates      atomic.Pointer[rates]
	publishers publishers
	ownDials   atomic.Bool // some client has dialled a peer itself
	streams    stream.Directory
	waiting    atomic.Int32 // questions for another upstream
	players    players
	diary      diary
	ports      atomic.Pointer[map[topo.Point]*peer] // the peers that have one to themselves
	warnings   warnings

	over chan struct{} // closed when Run ends

	inherited atomic.Bool  // some switch had rules of host pairs when it connected
	strained  atomic.Int64 // until when ports are held to their shares, Unix nanoseconds

	moving sync.Mutex // switches come onto the map and leave it one at a time; taken before mu

	mu        sync.Mutex
	switches  map[ofproto.DPID]*datapath  // connected and up
	rota      rota                        // of those that are up
	tables    map[ofproto.DPID]*installer // what the tables of these and of those in left should be
	conns     map[net.Conn]struct{}       // all, also half-open
	left      map[ofproto.DPID]away       // switches that were up and are away. Invariant: no more than maxAway
	portsAway int                         // of all of left. Invariant: no more than maxAwayPorts, but for a moment
}

type endpoint struct {
	address ofproto.IPv4
	port    uint16
}

// New makes a controller that listens to nobody yet.
func New(o Options) (*Controller, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	c := &Controller{
		o: o, log: o.Log, metrics: newMetrics(o.Registerer), secret: make([]byte, 32), epoch: time.Now(), present: newPresence(time.Now()),
		topo: topo.NewStore(), switches: make(map[ofproto.DPID]*datapath), tables: make(map[ofproto.DPID]*installer),
		conns: make(map[net.Conn]struct{}), left: make(map[ofproto.DPID]away),
		diary: diary{log: o.Log}, over: make(chan struct{}),
	}
	if _, err := rand.Read(c.secret); err != nil {
		return nil, fmt.Errorf("controller: no random key: %w", err)
	}
	c.Set(o.Settings)
	o.Registerer.MustRegister(collector{c})
	return c, nil
}

// Run serves switches on the listeners until ctx ends, then closes listeners and connections and leaves every flow in
// place. It returns nil after a clean end.
func (c *Controller) Run(ctx context.Context, listeners ...net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		g.Go(func() error { return c.accept(ctx, g, l) })
	}
	g.Go(func() error { return c.every(ctx, beatEvery, c.present.beat) })
	g.Go(func() error { return c.every(ctx, c.o.LLDPInterval, c.expireLinks) })
	g.Go(func() error { return c.every(ctx, c.o.ProbeInterval, c.searchRound) })
	g.Go(func() error { return c.every(ctx, c.o.AuditInterval, c.housekeep) })
	g.Go(func() error { return c.every(ctx, meterInterval, c.sumLoads) })
	g.Go(func() error { return c.inTurn(ctx, c.o.EchoInterval, c.keepAlive) })
	g.Go(func() error { return c.inTurn(ctx, c.o.LLDPInterval, c.discover) })
	g.Go(func() error { return c.inTurn(ctx, c.o.ProbeInterval, c.probe) })
	g.Go(func() error { return c.inTurn(ctx, c.o.AuditInterval, c.audit) })
	g.Go(func() error { return c.inTurn(ctx, meterInterval, c.meterSwitches) })
	<-ctx.Done()
	close(c.over)
	for _, l := range listeners {
		_ = l.Close()
	}
	c.mu.Lock()
	for nc := range c.conns {
		_ = nc.Close()
	}
	c.mu.Unlock()
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// later calls f after a while, unless Run is over by then.
func (c *Controller) later(wait time.Duration, f func()) {
	time.AfterFunc(wait, func() {
		select {
		case <-c.over:
		default:
			f()
		}
	})
}

// every calls f at each interval until ctx ends.
func (c *Controller) every(ctx context.Context, interval time.Duration, f func(now time.Time)) error {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-t.C:
			f(now)
		}
	}
}

// up lists the switches that are up.
func (c *Controller) up() []*datapath {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*datapath, 0, len(c.switches))
	for _, d := range c.switches {
		list = append(list, d)
	}
	return list
}

func (c *Controller) isUp(id ofproto.DPID) bool {
	_, ok := c.datapath(id)
	return ok
}

// datapath finds a switch that is up.
func (c *Controller) datapath(id ofproto.DPID) (*datapath, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.switches[id]
	return d, ok
}

// allTables lists what every switch that is remembered should hold.
func (c *Controller) allTables() []*installer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.AppendSeq(make([]*installer, 0, len(c.tables)), maps.Values(c.tables))
}

// table is what a switch's table should be, kept while it is away. Of one that is not remembered it is one that nobody has.
func (c *Controller) table(id ofproto.DPID) *installer {
	c.mu.Lock()
	t := c.tables[id]
	c.mu.Unlock()
	if t == nil {
		t = newInstaller(id, c.metrics, nil)
	}
	return t
}
