package relay

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"
)

// viaProperty is where one relay tells the next, in connect's object, who gets the stream through it. A relay that finds
// its own mark there would be its own upstream, and refuses.
const (
	viaProperty = "ofctlVia"
	maxVia      = 64
)

// pastProperty is where a relay that has lost its upstream tells the next, in connect's object, how many milliseconds of the
// stream it wants that have passed already. What it has of them it finds out by comparing.
const (
	pastProperty = "ofctlPast"
	maxPast      = time.Minute
)

// A Relay takes streams in from publishers and upstreams and hands them out to viewers, downstream relays and pushes.
type Relay struct {
	o         Options
	log       logrus.FieldLogger
	metrics   *metrics
	upstreams *directory
	mark      string // this relay's in viaProperty

	mu        sync.Mutex
	streams   map[streamID]*stream
	conns     map[net.Conn]struct{}
	addresses map[netip.Addr]int
	viewers   int
	listeners []net.Listener
	ending    bool

	news     chan struct{} // capacity 1: streams come from elsewhere than the controller was told
	draining atomic.Bool
	ready    atomic.Bool
	work     sync.WaitGroup
	ctx      context.Context // of pulls and pushes; ends when connections are cut
	cut      context.CancelFunc
}

// New prepares a relay; nothing is opened before Run. The error names every mistake in the options.
func New(o Options) (*Relay, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	var mark [8]byte
	if _, err := rand.Read(mark[:]); err != nil {
		return nil, fmt.Errorf("relay: mark: %w", err)
	}
	r := &Relay{
		o: o, log: o.Log.WithField("relay", o.Name), metrics: newMetrics(o.Registry), mark: hex.EncodeToString(mark[:]),
		streams: make(map[streamID]*stream), conns: make(map[net.Conn]struct{}), addresses: make(map[netip.Addr]int),
		news: make(chan struct{}, 1),
	}
	r.upstreams = newDirectory(o, r.log)
	return r, nil
}

// Run serves until ctx ends, then drains: new viewers are turned away, those that are there get Options.Drain to finish.
// It returns nil after such an end, and an error if it could not begin or a listener failed. A Relay runs once.
func (r *Relay) Run(ctx context.Context) error {
	r.ctx, r.cut = context.WithCancel(context.WithoutCancel(ctx))
	defer r.cut()
	web, err := r.listenAll(ctx)
	if err != nil {
		r.closeListeners()
		return err
	}
	drained, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, gctx := errgroup.WithContext(drained)
	for _, l := range r.listeners {
		g.Go(func() error { return r.accept(l) })
	}
	g.Go(func() error { return r.janitor(gctx) })
	if web != nil {
		g.Go(func() error { return r.serveHTTP(gctx, web) })
	}
	if r.o.Controller != "" {
		g.Go(func() error { return r.stayRegistered(gctx) })
	}
	g.Go(func() error {
		defer stop()
		select {
		case <-ctx.Done():
		case <-gctx.Done(): // something failed
			r.closeListeners()
			r.closeAll()
			return nil
		}
		r.drain()
		r.closeAll()
		return nil
	})
	r.ready.Store(true)
	err = g.Wait()
	r.work.Wait()
	return err
}

// listenAll opens every address that the relay listens on. web is nil where there is no HTTP to serve.
func (r *Relay) listenAll(ctx context.Context) (web net.Listener, err error) {
	for _, a := range r.o.Listen {
		l, err := listen(ctx, "RTMP", a)
		if err != nil {
			return nil, err
		}
		r.listeners = append(r.listeners, l)
	}
	if r.o.HTTP != "" {
		if web, err = listen(ctx, "HTTP", r.o.HTTP); err != nil {
			return nil, err
		}
	}
	for _, l := range r.listeners {
		r.log.WithField("address", l.Addr().String()).Info("relay listens")
	}
	return web, nil
}

// Addrs returns the addresses that the relay listens on, while it runs.
func (r *Relay) Addrs() []net.Addr {
	if !r.ready.Load() {
		return nil
	}
	var as []net.Addr
	for _, l := range r.listeners {
		as = append(as, l.Addr())
	}
	return as
}

func (r *Relay) closeListeners() {
	r.mu.Lock()
	r.ending = true
	r.mu.Unlock()
	for _, l := range r.listeners {
		_ = l.Close()
	}
}

// closeAll ends every connection, pull and push.
func (r *Relay) closeAll() {
	r.cut()
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = c.Close()
	}
}

func (r *Relay) accept(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			r.mu.Lock()
			ending := r.ending
			r.mu.Unlock()
			if ending {
				return nil
			}
			if isTemporary(err) {
				r.log.WithError(err).Warn("relay cannot accept; trying again")
				time.Sleep(50 * time.Millisecond)
				continue
			}
			return fmt.Errorf("relay: accept: %w", err)
		}
		address, ok := r.admit(c)
		if !ok {
			r.metrics.refused.WithLabelValues("connections").Inc()
			_ = c.Close()
			continue
		}
		r.work.Go(func() {
			defer r.release(c, address)
			r.serve(c, address)
		})
	}
}

// isTemporary reports whether accept may work again later: out of descriptors, or a connection that ended at once.
func isTemporary(err error) bool {
	var e net.Error
	return errors.As(err, &e) && !errors.Is(err, net.ErrClosed)
}

func (r *Relay) admit(c net.Conn) (netip.Addr, bool) {
	var a netip.Addr
	if ap, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		a = ap.Addr().Unmap()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending || r.o.PerAddress > 0 && r.addresses[a] >= r.o.PerAddress {
		return a, false
	}
	r.addresses[a]++
	r.conns[c] = struct{}{}
	r.metrics.connections.Set(float64(len(r.conns)))
	return a, true
}

func (r *Relay) release(c net.Conn, a netip.Addr) {
	_ = c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	if r.addresses[a]--; r.addresses[a] == 0 {
		delete(r.addresses, a)
	}
	r.metrics.connections.Set(float64(len(r.conns)))
}

func (r *Relay) reserve() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining.Load() || r.o.MaxViewers > 0 && r.viewers >= r.o.MaxViewers {
		return false
	}
	r.viewers++
	r.metrics.viewers.Set(float64(r.viewers))
	return true
}

func (r *Relay) unreserve() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.viewers--
	r.metrics.viewers.Set(float64(r.viewers))
}

// stream finds or makes a stream.
func (r *Relay) stream(id streamID) *stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.streams[id]
	if s == nil {
		s = newStream(r, id, time.Now())
		r.streams[id] = s
		r.metrics.streams.Set(float64(len(r.streams)))
	}
	return s
}

// changed is told that a stream has a new source; the one before it, if it still runs, is done.
func (r *Relay) changed(s *stream, before, after *source, seamless bool) {
	r.tell()
	fields := logrus.Fields{"stream": s.id.String(), "source": after.name}
	if before == nil && !after.follows {
		r.log.WithFields(fields).Info("stream begins")
		return
	}
	kind := "keyframe"
	if seamless {
		kind = "seamless"
	}
	r.metrics.switches.WithLabelValues(kind).Inc()
	r.log.WithFields(fields).WithField("join", kind).Info("stream goes on from another source")
	if before != nil {
		before.stop()
	}
}
