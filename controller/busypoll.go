package controller

import "time"

const (
	// shortSilence is how long a connection is polled at most, and how short the silence before must have been: about twice what a
	// switch takes that asks again as soon as it is answered.
	shortSilence = 100 * time.Microsecond
	// pollStretch is for how long a connection may be attended to without a sleep. On one core it is only then that Go's scheduler
	// looks whether other connections have something to read.
	pollStretch = 200 * time.Microsecond
	maxVain     = 10 // after so many polls in vain, 1,023 short silences pass without another
)

// A busyPoll decides whether a connection's next message is looked for again and again, as hypervisors poll before they halt, for to
// sleep and be woken takes longer: some 30 µs on a virtual machine. That costs processor time, most of which is saved again where
// the message comes, and all lost where it does not. So a connection is polled only
//   - where its last silence was short and nobody else broke it, for with others there is always one who has something to do;
//   - where it was slept on lately, that others have their turn;
//   - more and more seldom while nothing comes of it, as where the switch needs the very core that polls.
//
// Its zero value is ready: after a first sleep it knows how long a silence lasts.
type busyPoll struct {
	began time.Time // the silence that goes on, or went on last
	awake time.Time // since when the connection is attended to without a sleep
	short bool      // the last silence was, and nobody else spoke meanwhile
	vain  int       // polls in a row in which nothing came; at most maxVain
	rest  int       // short silences that are to pass without one
}

// begin notes that there is nothing to read, and reports whether to poll.
func (b *busyPoll) begin(now time.Time) bool {
	b.began = now
	if !b.short || now.Sub(b.awake) >= pollStretch {
		return false
	}
	if b.rest > 0 {
		b.rest--
		return false
	}
	return true
}

// goesOn reports whether to look once more.
func (b *busyPoll) goesOn(now time.Time) bool { return now.Sub(b.began) < shortSilence }

// end notes what came of a poll.
func (b *busyPoll) end(found bool) {
	if found {
		b.vain = 0
		return
	}
	b.vain = min(b.vain+1, maxVain)
	b.rest = 1<<b.vain - 1
}

// slept notes that the silence was slept through, and whether nobody else spoke meanwhile.
func (b *busyPoll) slept(now time.Time, alone bool) {
	b.awake, b.short = now, alone && now.Sub(b.began) < shortSilence
}
