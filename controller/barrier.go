package controller

import (
	"slices"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// An installation is some rules sent together. The barrier that confirms them confirms all that were sent since the one before
// it: those for one batch of the switch's messages share theirs.
type installation struct {
	first   uint32 // xid of the first flow mod; one each, in order
	barrier uint32 // xid of the barrier behind them; of those that are open, not known yet
	rules   []*installed
	sent    time.Time // when the barrier was
	policy  string    // of whom the rules serve, for the metrics; "" for the controller's own
	fin     bool      // with Fin
	again   bool      // to be sent anew without, those of the rules that were refused
	err     error     // the switch's first complaint
	done    waiter
}

// A waiter waits for an installation to be confirmed.
type waiter interface {
	// behind says that a barrier has been written behind the rules: what is now written to the connection is executed after them.
	// It is not called where the switch may well refuse them. The installer is locked.
	behind(on sender)
	confirmed(err error) // nil: a barrier says that all of it is in place
}

func tell(w waiter, err error) {
	if w != nil {
		w.confirmed(err)
	}
}

// maxShared is how many installations share a barrier. The first packet of each waits until the switch has taken the rules of all, and
// a switch that confirms nothing for long is given up, so a slow one must not have too many before it. Open vSwitch takes 50 messages
// of a controller's in a turn: twice the two rules and the packet of eight connections, and their barrier.
const maxShared = 8

// doubtFor is how long a switch that refused a rule is asked whether it has those of sessions before their packets go.
const doubtFor = time.Minute

// share has the rules that are sent from here on wait for barriers that they share, until settle. on is the connection whose messages give
// rise to them; on another the switch has come back meanwhile.
func (t *installer) share(on sender) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sharing = t.out == on
}

// settle ends what share began.
func (t *installer) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sharing = false
	t.seal()
}

// sealed has what was sent so far be followed by a barrier at once.
func (t *installer) sealed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seal()
}

// seal writes a barrier where rules have been sent and none since. Under mu.
func (t *installer) seal() {
	if t.open > 0 {
		t.fence()
	}
}

// fence writes a barrier, which confirms what is open, and has what is to follow that sent. A connection that fails is ended by
// others, and with it all that is in flight. Under mu.
func (t *installer) fence() {
	open := t.flying[len(t.flying)-t.open:]
	barrier, now := t.out.reserve(1), time.Now()
	t.open, t.loose = 0, false
	_ = t.out.Write(barrier, &ofproto.BarrierRequest{})
	for i := range open {
		in := &open[i]
		in.barrier, in.sent = barrier, now
		if in.done != nil && !now.Before(t.doubted) {
			in.done.behind(t.out)
		}
	}
	t.out.kick()
}

// fly notes an installation that was sent. Under mu.
func (t *installer) fly(in installation) {
	if len(t.flying) == 0 {
		t.flying = t.room[:0]
	}
	t.open++
	if len(t.flying) == cap(t.flying) {
		t.room = append(t.flying, in)
		t.flying = t.room
		return
	}
	t.flying = append(t.flying, in)
}

// landed takes out the next installation that a barrier confirms: the first, as a rule. Under mu.
func (t *installer) landed(barrier uint32) (in installation, ok bool) {
	for i := range t.flying[:len(t.flying)-t.open] {
		if t.flying[i].barrier != barrier {
			continue
		}
		in = t.flying[i]
		if i > 0 {
			t.flying = slices.Delete(t.flying, i, i+1)
		} else {
			t.flying[0] = installation{}
			t.flying = t.flying[1:]
		}
		return in, true
	}
	return in, false
}

// acknowledged handles a barrier reply: what it confirms is applied now, not before. It answers false where it confirms nothing.
func (t *installer) acknowledged(barrier uint32, now time.Time) (some bool) {
	for {
		t.mu.Lock()
		in, ok := t.landed(barrier)
		if ok {
			for _, r := range in.rules {
				r.acked, r.ackedAt = r.sent, momentOf(now) // a rule that failed was unsent by its error
			}
		}
		pending := ok && in.again && t.sendAgain(in)
		t.mu.Unlock()
		if !ok {
			return some
		}
		some = true
		if !pending {
			t.metrics.installSeconds(in.policy).Observe(now.Sub(in.sent).Seconds())
			tell(in.done, in.err)
		}
	}
}

// unconfirmed counts the installations that the switch has not confirmed.
func (t *installer) unconfirmed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.flying)
}

// oldest is the barrier that has been out for longest.
func (t *installer) oldest() (barrier uint32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.flying) == t.open {
		return 0, false
	}
	return t.flying[0].barrier, true
}
