package controller

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	beatEvery = 100 * time.Millisecond
	beatMost  = 2 * beatEvery // what the time between two beats counts for at most
)

// A presence is a clock that goes while the daemon is there, and stands still while it is stopped, or starved, or behind with
// what it has to read: silence is only a sign of death where somebody listened. Whatever is concluded from silence is measured by
// it; all else, delays above all, by the real clock. It may be read from anywhere.
type presence struct {
	last atomic.Pointer[beat] // never nil
}

// A beat is a moment of the real clock, and what the presence showed then.
type beat struct{ real, shown time.Time }

func newPresence(now time.Time) *presence {
	p := new(presence)
	p.last.Store(&beat{now, now})
	return p
}

// at is what the clock shows at a real moment, which is none before the last beat.
func (p *presence) at(real time.Time) time.Time {
	b := p.last.Load()
	return b.shown.Add(min(max(real.Sub(b.real), 0), beatMost))
}

// now is what the clock shows now.
func (p *presence) now() time.Time { return p.at(time.Now()) }

// beat has the clock go on. It is called by one goroutine, every beatEvery, or as soon after as the daemon comes to it: behind
// all who were ready to run by then, readers of what waits for them among them.
func (p *presence) beat(time.Time) {
	runtime.Gosched()
	if now := time.Now(); now.After(p.last.Load().real) {
		p.last.Store(&beat{now, p.at(now)})
	}
}
