package controller

import (
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	maxUnanswered    = 3
	challengeTimeout = 2 * time.Second
)

// echoes is what is known of a connection's life: when it last spoke, which echo requests are open, and how long its
// answers take. Its zero value is a connection that never spoke.
type echoes struct {
	mu   sync.Mutex
	last time.Time            // of anything heard
	open map[uint32]time.Time // xid -> sent
	rtt  time.Duration        // the least of the last few: the channel without its queues
	ring [8]time.Duration
	n    int
	wake chan struct{} // closed at the next answer; nil while nobody waits
}

// heard notes that the connection said something.
func (e *echoes) heard() {
	e.mu.Lock()
	e.last = time.Now()
	e.mu.Unlock()
}

func (e *echoes) sent(xid uint32, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open == nil {
		e.open = make(map[uint32]time.Time)
	}
	e.open[xid] = now
}

// answered matches a reply with its request; one that was never sent is ignored.
func (e *echoes) answered(xid uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	sent, ok := e.open[xid]
	if !ok {
		return
	}
	clear(e.open) // an answer answers for those before it
	e.ring[e.n%len(e.ring)] = time.Since(sent)
	e.n++
	e.rtt = e.ring[0]
	for _, d := range e.ring[:min(e.n, len(e.ring))] {
		e.rtt = min(e.rtt, d)
	}
	if e.wake != nil {
		close(e.wake)
		e.wake = nil
	}
}

// roundTrip is the control channel's, 0 while unmeasured.
func (e *echoes) roundTrip() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rtt
}

// lastHeard is when the connection last said something.
func (e *echoes) lastHeard() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// state says how long the connection has been silent and how many requests it owes an answer.
func (e *echoes) state(now time.Time) (silent time.Duration, open int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return now.Sub(e.last), len(e.open)
}

// wait returns a channel that closes at the next answer.
func (e *echoes) wait() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wake == nil {
		e.wake = make(chan struct{})
	}
	return e.wake
}

// keepAlive asks every switch for a sign of life and gives up those that owe too many. A switch that talks all the time is
// asked too, since the round trip is needed to tell a link's delay from the channel's.
func (c *Controller) keepAlive(now time.Time) {
	for _, d := range c.up() {
		silent, open := d.echo.state(now)
		if open >= maxUnanswered && silent >= maxUnanswered*c.o.EchoInterval {
			d.log.WithField("silent", silent.Round(time.Millisecond)).Warn("switch does not answer: closed")
			_ = d.conn.Close()
			continue
		}
		if d.table.overdue(now.Add(-maxUnanswered * c.o.EchoInterval)) {
			d.log.Warn("switch does not confirm its rules: closed")
			_ = d.conn.Close()
			continue
		}
		if rtt := d.echo.roundTrip(); rtt > 0 {
			d.metrics.rtt.Set(rtt.Seconds())
		}
		d.ping(now)
	}
}

func (d *datapath) ping(now time.Time) {
	xid := d.nextXID()
	d.echo.sent(xid, now)
	_ = d.conn.Write(xid, &ofproto.EchoRequest{})
	d.kick()
}

// alive challenges a connection that another claims to replace.
func (d *datapath) alive(within time.Duration) bool {
	answer := d.echo.wait()
	d.ping(time.Now())
	select {
	case <-answer:
		return true
	case <-d.closed:
		return false
	case <-time.After(within):
		return false
	}
}
