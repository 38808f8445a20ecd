package controller

import (
	"slices"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	maxUnanswered    = 3
	challengeTimeout = 2 * time.Second
	// maxOwing is how many intervals a switch may talk and answer no echo request: it does not do what it is told either.
	maxOwing = 12
	// maxOpen is how many echo requests are remembered of a switch that does not answer: the oldest, whose answers come first.
	maxOpen = 64
)

// echoes is what is known of a connection's life: when it last spoke, which echo requests are open, and how long its
// answers take. Its zero value is a connection that never spoke.
type echoes struct {
	mu    sync.Mutex
	last  time.Time     // of anything heard, by the daemon's presence
	heeds time.Time     // of the newest request that has been answered, by the presence: all that was told before it was heeded
	open  []openEcho    // in their order. Invariant: no more than maxOpen
	owing time.Time     // since when no answer has come to those that are open, and no rule was taken, by the presence; zero where none is
	taken time.Time     // when the switch last took rules or confirmed some, by the presence
	rtt   time.Duration // the least of the last few: the channel without its queues
	ring  [8]time.Duration
	n     int
	wake  chan struct{} // closed at the next answer; nil while nobody waits
}

type openEcho struct {
	xid  uint32
	sent time.Time // by the real clock
	seen time.Time // by the presence
}

// heard notes that the connection said something, at a moment of the presence, and returns the least round trip of late.
func (e *echoes) heard(seen time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = seen
	return e.rtt
}

func (e *echoes) sent(xid uint32, now, seen time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.open) == 0 {
		e.owing = seen
	}
	if len(e.open) == maxOpen {
		return
	}
	e.open = append(e.open, openEcho{xid, now, seen})
}

// answered matches a reply with its request; one that was never sent is ignored.
func (e *echoes) answered(xid uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.open, func(o openEcho) bool { return o.xid == xid })
	if i < 0 {
		return
	}
	sent := e.open[i].sent
	e.heeds = e.open[i].seen
	e.open = slices.Delete(e.open, 0, i+1) // an answer answers for those before it
	if e.owing = (time.Time{}); len(e.open) > 0 {
		e.owing = e.open[0].seen
	}
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

// took notes that the switch took rules or confirmed some: the answers to echo requests wait on it behind all that it was told.
func (e *echoes) took(seen time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last, e.taken = seen, seen
	if len(e.open) > 0 {
		e.owing = seen
	}
}

// lastTaken is when the switch last took rules or confirmed some, by the presence.
func (e *echoes) lastTaken() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.taken
}

// roundTrip is the control channel's, 0 while unmeasured.
func (e *echoes) roundTrip() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rtt
}

// lastHeard is when the connection last said something, by the presence.
func (e *echoes) lastHeard() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// heeded is up to when, by the presence, the switch has dealt with all that it was told.
func (e *echoes) heeded() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heeds
}

// dead reports whether the connection has given no sign of life for long enough: it owes the answers to three requests, and
// has said nothing else either; or it talks, and has answered none for much longer. seen is now by the presence.
func (e *echoes) dead(seen time.Time, interval time.Duration) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.open) >= maxUnanswered &&
		(seen.Sub(e.last) >= maxUnanswered*interval || seen.Sub(e.owing) >= maxOwing*interval)
}

// wait returns a channel that closes at the next answer, and whether nobody waits for that yet.
func (e *echoes) wait() (answer <-chan struct{}, first bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if first = e.wake == nil; first {
		e.wake = make(chan struct{})
	}
	return e.wake, first
}

// keepAlive asks the switches whose turn it is for a sign of life and gives up those that owe too many. A switch that talks all the
// time is asked too, since the round trip is needed to tell a link's delay from the channel's.
func (c *Controller) keepAlive(now time.Time, due func(*datapath) bool) {
	seen := c.present.at(now)
	for _, d := range c.up() {
		if !due(d) || d.bringing.Load() {
			continue
		}
		if d.echo.dead(seen, c.o.EchoInterval) {
			d.log.WithField("silent", seen.Sub(d.echo.lastHeard()).Round(time.Millisecond)).Warn("switch does not answer: closed")
			_ = d.conn.Close()
			continue
		}
		if d.awaited.overdue(d.table, seen, maxUnanswered*c.o.EchoInterval-c.o.EchoInterval/2) {
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

// awaited is the oldest open barrier of a switch, and since when it is known to be that, by the presence. It is of the goroutine
// that keeps alive.
type awaited struct {
	barrier uint32
	since   time.Time
}

// overdue reports whether the same barrier has been the oldest for so long: the switch takes what is sent, and does not act.
func (a *awaited) overdue(t *installer, seen time.Time, long time.Duration) bool {
	barrier, ok := t.oldest()
	if !ok || barrier != a.barrier || a.since.IsZero() {
		*a = awaited{barrier, seen}
		return false
	}
	return seen.Sub(a.since) >= long
}

func (d *datapath) ping(now time.Time) {
	xid := d.nextXID()
	d.echo.sent(xid, now, d.c.present.at(now))
	_ = d.conn.Write(xid, &ofproto.EchoRequest{})
	d.kick()
}

// bring has f send a switch rules, maybe many, at its own pace; f returns their number. Nobody hears it meanwhile, so no answer is
// missed: one that takes nothing fails by the write deadline.
func (d *datapath) bring(f func() int) {
	d.bringing.Store(true)
	if f() > 0 {
		d.echo.took(d.c.present.now())
	}
	d.bringing.Store(false)
}

// alive challenges a connection that another claims to replace: it has so long to answer, by the presence, since it last took
// rules. One that takes some all the time is not challenged for ever. Many that claim it at once are one challenge.
func (d *datapath) alive(within time.Duration) bool {
	answer, first := d.echo.wait()
	if first {
		d.ping(time.Now())
	}
	begin := d.c.present.now()
	t := time.NewTimer(within)
	defer t.Stop()
	for {
		select {
		case <-answer:
			return true
		case <-d.closed:
			return false
		case <-t.C:
		}
		now, last := d.c.present.now(), begin
		if d.bringing.Load() {
			last = now
		} else if taken := d.echo.lastTaken(); taken.After(begin) {
			last = taken
		}
		left := within - now.Sub(last)
		if left <= 0 {
			return false
		}
		if now.Sub(begin) >= maxUnanswered*d.c.o.EchoInterval {
			return true
		}
		t.Reset(max(left, beatEvery)) // nobody was there to hear the answer all the time
	}
}
