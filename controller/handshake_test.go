package controller

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// A caller is a connection to the lab's controller, spoken by hand.
type caller struct {
	t     *testing.T
	nc    net.Conn
	batch [][]byte
	conn  *ofproto.Conn
}

func (l *lab) call() *caller {
	l.t.Helper()
	nc, err := l.dial(l.ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = nc.Close() })
	return &caller{t: l.t, nc: nc, conn: ofproto.NewConn(nc, ofproto.ConnOptions{})}
}

// say writes raw bytes.
func (c *caller) say(raw ...byte) {
	c.t.Helper()
	if _, err := c.nc.Write(raw); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) send(xid uint32, m ofproto.Message) {
	c.t.Helper()
	if err := errors.Join(c.conn.Write(xid, m), c.conn.Flush()); err != nil {
		c.t.Fatal(err)
	}
}

// next is the controller's next message, nil once it has closed the connection.
func (c *caller) next() (ofproto.Header, ofproto.Message) {
	c.t.Helper()
	for len(c.batch) == 0 {
		batch, err := c.conn.ReadBatch()
		if err != nil {
			return ofproto.Header{}, nil
		}
		c.batch = batch
	}
	h, m, err := ofproto.Decode(slices.Clone(c.batch[0]))
	if err != nil {
		c.t.Fatal(err)
	}
	c.batch = c.batch[1:]
	return h, m
}

// callUp is a caller who has answered all that a switch is asked before it is up.
func (l *lab) callUp(id ofproto.DPID) *caller {
	l.t.Helper()
	c := l.call()
	c.send(1, &ofproto.Hello{})
	for {
		h, m := c.next()
		switch m := m.(type) {
		case *ofproto.FeaturesRequest:
			c.send(h.XID, &ofproto.FeaturesReply{DatapathID: id})
		case *ofproto.StatsRequest:
			var body ofproto.StatsReplyBody = ofproto.FlowStats{}
			if _, ok := m.Body.(ofproto.DescStatsRequest); ok {
				body = ofproto.DescStats{}
			}
			c.send(h.XID, &ofproto.StatsReply{Body: body})
		case *ofproto.BarrierRequest:
			c.send(h.XID, &ofproto.BarrierReply{})
			l.after(time.Second)
			if _, ok := l.c.datapath(id); !ok {
				l.t.Fatal("not up")
			}
			return c
		case nil:
			l.t.Fatal("closed")
		}
	}
}

// closed fails the test unless the controller has closed the connection within d, and returns what it said before.
func (c *caller) closed(d time.Duration) (said []ofproto.Type) {
	c.t.Helper()
	start := time.Now()
	_ = c.nc.SetReadDeadline(start.Add(d + time.Second))
	for _, m := c.next(); m != nil; _, m = c.next() {
		said = append(said, m.Type())
	}
	if took := time.Since(start); took > d {
		c.t.Errorf("closed after %v, want within %v", took, d)
	}
	return said
}

// TestHandshakeOrder has a switch asked for everything that must be known before it is up, in this order. Until it has
// answered the last question it is not up, and is told nothing of what its table should hold.
func TestHandshakeOrder(t *testing.T) {
	inLab(t, single, func(l *lab) {
		var order []string
		sw := l.AddSwitch("late", oftest.Options{DPID: 9, Ports: []ofproto.Port{1}})
		sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
			what := m.Type().String()
			switch m := m.(type) {
			case *ofproto.SetConfig:
				what += fmt.Sprintf(" %#x", m.MissSendLen)
			case *ofproto.StatsRequest:
				what += " " + m.Body.Kind().String()
			case *ofproto.BarrierRequest:
				if len(order) < 6 {
					v.Delay = time.Second
				}
			}
			order = append(order, what)
			return v
		})
		go sw.Run(l.ctx, l.dial)
		l.after(900 * time.Millisecond)
		want := []string{"HELLO", "FEATURES_REQUEST", "SET_CONFIG 0xffff", "STATS_REQUEST DESC", "STATS_REQUEST FLOW", "BARRIER_REQUEST"}
		if !slices.Equal(order, want) {
			l.t.Errorf("before it has answered the barrier it was told %q, want %q", order, want)
		}
		if _, up := l.c.datapath(9); up || l.metric("ofctl_switches_connected") != 1 {
			l.t.Error("up before it has answered the barrier")
		}
		l.after(200 * time.Millisecond)
		if _, up := l.c.datapath(9); !up || l.metric("ofctl_switches_connected") != 2 || len(order) == len(want) {
			l.t.Error("not up")
		}
		sw.Intercept(nil)
	})
}

// TestHandshakeDeadline opens connections that never get anywhere. None holds anything for more than ten seconds, and the
// switch that is there notices nothing.
func TestHandshakeDeadline(t *testing.T) {
	for _, tt := range []struct {
		name string
		say  func(*caller)
	}{
		{"silence", func(*caller) {}},
		{"half a HELLO", func(c *caller) { c.say(1, 0, 0) }},
		{"a byte that nothing follows", func(c *caller) { c.say('G') }},
		{"HELLO and no more", func(c *caller) { c.send(1, &ofproto.Hello{}) }},
		{"a drip", func(c *caller) { // the deadline is for all of it, not for each byte
			hello := append([]byte{1, 0, 0, 200, 0, 0, 0, 1}, make([]byte, 192)...)
			for i := range hello {
				if _, err := c.nc.Write(hello[i : i+1]); err != nil {
					return
				}
				time.Sleep(500 * time.Millisecond)
			}
		}},
		{"endless statistics", func(c *caller) {
			c.send(1, &ofproto.Hello{})
			for {
				h, m := c.next()
				var reply ofproto.Message
				switch m.(type) {
				case nil:
					return
				case *ofproto.FeaturesRequest:
					reply = &ofproto.FeaturesReply{DatapathID: 77}
				case *ofproto.StatsRequest:
					reply = &ofproto.StatsReply{Flags: ofproto.StatsMore, Body: ofproto.FlowStats{}}
				default:
					continue
				}
				for c.conn.Write(h.XID, reply) == nil && c.conn.Flush() == nil && reply.Type() == ofproto.TypeStatsReply {
					time.Sleep(time.Second)
				}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inLab(t, single, func(l *lab) {
				c := l.call()
				start := time.Now()
				tt.say(c)
				c.closed(10*time.Second - time.Since(start) + 2*time.Second)
				l.after(time.Second)
				l.c.mu.Lock()
				if n := len(l.c.conns); n != 1 {
					l.t.Errorf("%d connections are kept, want the switch's only", n)
				}
				l.c.mu.Unlock()
				l.servedBy(l.watch("hv1"), "hv1", "hb")
			})
		})
	}
}

// TestHello says what is let in and what is told in an ERROR why it is not.
func TestHello(t *testing.T) {
	bitmap := func(version byte, versions uint32) []byte { // OpenFlow 1.3.1 §7.5.1
		return []byte{version, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, byte(versions >> 24), byte(versions >> 16), byte(versions >> 8), byte(versions)}
	}
	for _, tt := range []struct {
		name string
		raw  []byte
		ok   bool
	}{
		{"1.0", []byte{1, 0, 0, 8, 0, 0, 0, 1}, true},
		{"1.3, which stands for all below", []byte{4, 0, 0, 8, 0, 0, 0, 1}, true},
		{"1.3 and 1.0 by bitmap", bitmap(4, 1<<4|1<<1), true},
		{"1.3 by bitmap", bitmap(4, 1<<4), false},
		{"a version below 1.0", []byte{0, 0, 0, 8, 0, 0, 0, 1}, false},
		{"an element of no length, which others loop on for ever", []byte{4, 0, 0, 16, 0, 0, 0, 0x13, 0, 1, 0, 0, 0, 0, 0, 0}, true},
		{"another message first", []byte{1, 5, 0, 8, 0, 0, 0, 1}, false},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: controller\r\n\r\n"), false},
		{"TLS", []byte{0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3}, false},
		{"a HELLO that never ends", []byte{1, 0, 0xff, 0xff, 0, 0, 0, 1}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inLab(t, single, func(l *lab) {
				c := l.call()
				c.say(tt.raw...)
				synctest.Wait()
				if _, m := c.next(); m == nil || m.Type() != ofproto.TypeHello {
					l.t.Fatalf("got %v, want HELLO", m)
				}
				_, m := c.next()
				if tt.ok {
					if m == nil || m.Type() != ofproto.TypeFeaturesRequest {
						l.t.Errorf("got %v, want FEATURES_REQUEST", m)
					}
					return
				}
				e, ok := m.(*ofproto.Error)
				if !ok || e.ErrType != ofproto.HelloFailed || e.Code != ofproto.HelloIncompatible {
					l.t.Errorf("got %v, want an ERROR that says HELLO_FAILED, INCOMPATIBLE", m)
				}
				c.closed(time.Millisecond)
				if l.logged("switch refused") != 1 {
					l.t.Error("nobody is told")
				}
			})
		})
	}
}

// TestFirstBytes says in the log what it was that is not a switch, also where its first bytes come one by one.
func TestFirstBytes(t *testing.T) {
	for first, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: controller\r\n\r\n": `hello: not OpenFlow: HELLO must come first, and not "GET / HTTP/1.1"`,
		"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03":   "hello: not OpenFlow: begins as TLS does, and TLS is not spoken on this port",
	} {
		inLab(t, single, func(l *lab) {
			l.call().say([]byte(first)...)
			drip := l.call()
			drip.say(first[0])
			l.after(time.Second)
			if n := l.logged("switch refused"); n != 1 {
				l.t.Errorf("%d refused after %d bytes, want the first only", n, 1)
			}
			drip.say(first[1])
			l.after(time.Millisecond)
			if n := l.logged("switch refused"); n != 2 {
				l.t.Errorf("%d refused, want both", n)
			}
			for _, e := range l.logs.AllEntries() {
				if e.Message == "switch refused" {
					if got := fmt.Sprint(e.Data[logrus.ErrorKey]); got != want {
						l.t.Errorf("logged %s, want %s", got, want)
					}
					break
				}
			}
		})
	}
}

// TestGarbageWhenUp breaks the framing of a switch that is up, and another's not: both are told, the first is closed.
func TestGarbageWhenUp(t *testing.T) {
	inLab(t, single, func(l *lab) {
		broken, clumsy := l.callUp(77), l.callUp(78)
		broken.say(1, 10, 0, 3, 0, 0, 0, 0) // a length below the header's
		_ = broken.nc.SetReadDeadline(time.Now().Add(time.Second))
		why := 0
		for _, m := broken.next(); m != nil; _, m = broken.next() {
			if e, ok := m.(*ofproto.Error); ok && e.ErrType == ofproto.BadRequest && e.Code == ofproto.RequestBadLen {
				why++
			}
		}
		if why != 1 {
			l.t.Errorf("told %d times why it is closed", why)
		}
		broken.closed(time.Second)
		clumsy.say(1, 12, 0, 9, 0, 0, 0, 42, 0) // a PORT_STATUS of one byte
		clumsy.say(1, 10, 0, 12, 0, 0, 0, 43, 1, 2, 3, 4)
		var told []uint32
		_ = clumsy.nc.SetReadDeadline(time.Now().Add(time.Second))
		for h, m := clumsy.next(); m != nil; h, m = clumsy.next() {
			if e, ok := m.(*ofproto.Error); ok && e.ErrType == ofproto.BadRequest && e.Code == ofproto.RequestBadLen {
				told = append(told, h.XID)
			}
		}
		if !slices.Equal(told, []uint32{42, 43}) {
			l.t.Errorf("told of %v, want of messages 42 and 43", told)
		}
		if _, ok := l.c.datapath(78); !ok {
			l.t.Error("closed although its framing is sound")
		}
		if _, ok := l.c.datapath(77); ok || l.metric("ofctl_malformed_messages_total") != 2 {
			l.t.Errorf("up: %v; %v malformed", ok, l.metric("ofctl_malformed_messages_total"))
		}
		l.servedBy(l.watch("hv1"), "hv1", "hb")
	})
}

// TestLookWhetherItListens opens a connection and closes it, as Mininet does: nothing to be warned of.
func TestLookWhetherItListens(t *testing.T) {
	inLab(t, single, func(l *lab) {
		_ = l.call().nc.Close()
		l.after(time.Second)
		if l.logged("switch refused") != 0 || l.logged("connection closed without a word") != 1 {
			l.t.Errorf("%d warnings", l.logged("switch refused"))
		}
	})
}
