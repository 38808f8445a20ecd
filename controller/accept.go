package controller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	maxHalfOpen  = 4096        // connections that have not finished the handshake
	acceptRate   = maxHalfOpen // connections a second: what waits in the kernel is let in before a switch gives up waiting
	acceptBurst  = maxHalfOpen
	firstRead    = 4 << 10          // bytes of read buffer at first: of thousands of switches, most say little
	writeTimeout = 10 * time.Second // a switch that takes nothing for so long is taken for gone, as is one that lets too much wait
)

// accept takes connections until the listener closes. Each gets a goroutine of its own.
func (c *Controller) accept(ctx context.Context, g *errgroup.Group, l net.Listener) error {
	pace := rate.NewLimiter(acceptRate, acceptBurst)
	for {
		if pace.Wait(ctx) != nil {
			return nil
		}
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			c.sparingly(c.log, "accept failed", "").WithError(err).Warn("accept failed; trying again")
			time.Sleep(50 * time.Millisecond) // out of descriptors, most likely: let some close
			continue
		}
		settled, crowded := c.halfOpen.enter(nc)
		if crowded {
			c.metrics.refused.Inc()
		}
		g.Go(func() error {
			c.serve(ctx, nc, settled)
			return nil
		})
	}
}

// serve speaks to one switch from its first byte to its last; settled is called once it is no longer half-open.
func (c *Controller) serve(ctx context.Context, nc net.Conn, settled func()) {
	log := c.log.WithField("remote", nc.RemoteAddr().String())
	if !c.track(ctx, nc) {
		settled()
		return
	}
	defer c.untrack(nc)
	begin := c.present.now()
	_ = nc.SetReadDeadline(time.Now().Add(c.o.HandshakeTimeout))
	more := func() time.Time {
		if left := c.o.HandshakeTimeout - c.present.now().Sub(begin); left > 0 {
			return time.Now().Add(max(left, beatEvery))
		}
		return time.Time{}
	}
	_, secure := nc.(interface{ ConnectionState() tls.ConnectionState })
	conn := ofproto.NewConn(&helloConn{Conn: newSocket(nc, &c.latest), more: more}, ofproto.ConnOptions{
		FirstRead: firstRead, WriteTimeout: writeTimeout, Secure: secure, Now: time.Now,
	})
	d, early, err := c.shakeHands(conn, func(id ofproto.DPID) error { return c.o.Admit(nc, id) }, log)
	settled()
	if err != nil {
		if errors.Is(err, errSilent) {
			log.Debug("connection closed without a word") // something that looked whether we listen
			return
		}
		c.metrics.handshakes.WithLabelValues("failed").Inc()
		c.sparingly(log, "switch refused", hostOf(nc)).WithError(err).Warn("switch refused")
		return
	}
	_ = nc.SetReadDeadline(time.Time{})
	d.remote, d.since = nc.RemoteAddr().String(), time.Now()
	if err := c.register(d); err != nil {
		c.metrics.handshakes.WithLabelValues("duplicate").Inc()
		c.sparingly(d.log, "switch refused", hostOf(nc)).WithError(err).Warn("switch refused")
		return
	}
	c.metrics.handshakes.WithLabelValues("up").Inc()
	d.sparingly("switch up").WithField("ports", len(d.ports)).Info("switch up")
	err = d.run(early)
	c.unregister(d)
	d.sparingly("switch down").WithField("cause", fmt.Sprint(err)).Info("switch down")
}

// track notes a connection so that Run can end it; it answers false where Run is already over.
func (c *Controller) track(ctx context.Context, nc net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		_ = nc.Close()
		return false
	}
	c.conns[nc] = struct{}{}
	return true
}

func (c *Controller) untrack(nc net.Conn) {
	_ = nc.Close()
	c.mu.Lock()
	delete(c.conns, nc)
	c.mu.Unlock()
}

// register makes a switch known. Where its datapath id is connected already, the older connection is challenged: only if
// it does not answer does the newer one take its place, so that nobody can evict a switch by claiming its name.
func (c *Controller) register(d *datapath) error {
	for {
		before, old := c.arrives(d)
		if old == nil {
			c.metrics.switches.Inc()
			d.start(before)
			return nil
		}
		if old.alive(challengeTimeout) {
			return fmt.Errorf("datapath %v is connected already and alive", d.dpid)
		}
		select {
		case <-old.closed: // by itself, meanwhile
		default:
			old.sparingly("no answer").Warn("no answer to a challenge by a newer connection: closed")
			_ = old.conn.Close()
		}
		<-old.closed // what it has in hand is not to be taken for the newer one's
		c.unregister(old)
	}
}

// unregister forgets a connection that is over. It may be called twice.
func (c *Controller) unregister(d *datapath) {
	for _, t := range d.warming {
		t.Stop() // it would be kept until then
	}
	d.table.disconnect(d) // before another connection of the switch may take it over
	c.leaves(d)
}
