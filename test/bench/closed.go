package main

import (
	"context"
	"slices"
	"time"
)

const (
	sampleAnswers = 256                    // one answer in so many is checked in full
	patience      = 2 * time.Second        // after which a request counts as lost, and another takes its place
	maxWindow     = 64                     // a power of two: the low bits of an id tell its place in the window
	lostCheck     = 200 * time.Millisecond // how often a window is searched for lost requests
)

// A window is the closed loop of one switch: n requests are outstanding, and each answer is replaced by a new request,
// all those of one read in one write.
type window struct {
	s       *simSwitch
	entries []entry
	next    int       // slot
	filled  []*entry  // whose requests are about to be sent
	now     time.Time // when the messages being handled were read; zero before the first answer among them
	latency histogram
	lost    uint64
	stopped bool // no more requests
}

// An entry is one outstanding request.
type entry struct {
	id    uint32
	slot  *slot
	sent  time.Time
	waits bool
}

func newWindow(s *simSwitch, n int) *window {
	w := &window{s: s, entries: make([]entry, n)}
	for i := range w.entries {
		w.entries[i].id = uint32(i)
	}
	return w
}

// fill asks for the next slot in place of an answered one.
func (w *window) fill(e *entry) {
	e.id += maxWindow
	if e.id >= 0xffffffff-maxWindow { // the highest is no buffer id
		e.id %= maxWindow
	}
	e.slot = &w.s.slots[w.next]
	w.next = (w.next + 1) % len(w.s.slots)
	w.ask(e)
}

// ask puts the entry's request into what is sent next.
func (w *window) ask(e *entry) {
	e.waits = true
	w.s.out = e.slot.appendRequest(w.s.out, e.id, w.s.buffered)
	w.filled = append(w.filled, e)
}

// sending implements load.
func (w *window) sending() {
	w.now = time.Time{}
	if len(w.filled) == 0 {
		return
	}
	now := time.Now()
	for _, e := range w.filled {
		e.sent = now
	}
	w.filled = w.filled[:0]
}

// flush sends the requests that were filled in.
func (w *window) flush() error {
	w.sending()
	return w.s.flush()
}

// waiting returns the entry that an answer is for, nil if nobody waits for it; ours tells whether somebody did once. Ids
// count up from zero, so that one nobody ever used is higher: a packet of the controller's own.
func (w *window) waiting(id uint32) (e *entry, ours bool) {
	i := int(id % maxWindow)
	if i >= len(w.entries) || w.entries[i].id < id {
		return nil, false
	}
	if w.entries[i].id != id || !w.entries[i].waits {
		w.s.counts.unmatched.Add(1)
		return nil, true
	}
	return &w.entries[i], true
}

// answer implements load.
func (w *window) answer(id uint32, message []byte) bool {
	e, ours := w.waiting(id)
	if e == nil {
		return ours
	}
	if w.now.IsZero() {
		w.now = time.Now()
	}
	e.waits = false
	w.latency.add(w.now.Sub(e.sent))
	if n := w.s.counts.answers.Add(1); n%sampleAnswers == 0 {
		w.s.check(message, e.slot, id)
	}
	if !w.stopped {
		w.fill(e)
	}
	return true
}

// sweep replaces requests that were never answered.
func (w *window) sweep() error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	for i := range w.entries {
		if e := &w.entries[i]; e.waits && time.Since(e.sent) > patience {
			w.lost++
			w.fill(e)
		}
	}
	return w.flush()
}

// closedLoop keeps n requests outstanding at each switch for a while, after a lead that is not measured.
func closedLoop(ctx context.Context, switches []*simSwitch, n int, lead, length time.Duration) (result, error) {
	windows := make([]*window, len(switches))
	for i, s := range switches {
		w := newWindow(s, n)
		windows[i] = w
		s.mu.Lock()
		s.load = w
		w.next = (i * len(s.slots)) / len(switches)
		for j := range w.entries {
			w.fill(&w.entries[j])
		}
		err := w.flush()
		s.mu.Unlock()
		if err != nil {
			return result{}, err
		}
	}
	sweep := func() error {
		for _, w := range windows {
			if err := w.sweep(); err != nil {
				return err
			}
		}
		return nil
	}
	if err := wait(ctx, switches, lead, sweep); err != nil {
		return result{}, err
	}
	for _, w := range windows {
		w.s.mu.Lock()
		w.latency, w.lost = histogram{}, 0
		w.s.mu.Unlock()
	}
	before, start := total(switches), time.Now()
	err := wait(ctx, switches, length, sweep)
	latency, lost := new(histogram), uint64(0)
	for _, w := range windows {
		w.s.mu.Lock()
		w.stopped = true
		latency.merge(&w.latency)
		lost += w.lost
		w.s.mu.Unlock()
	}
	r := total(switches).since(before, time.Since(start))
	r.latency, r.Lost = latency, lost
	// The last answers, lest the next load takes them for its own.
	for end := time.Now().Add(patience); err == nil && time.Now().Before(end) && slices.ContainsFunc(windows, (*window).busy); {
		err = wait(ctx, switches, lostCheck/10, func() error { return nil })
	}
	for _, s := range switches {
		s.set(idle{})
	}
	return r, err
}

// busy reports whether an answer is still to come.
func (w *window) busy() bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return slices.ContainsFunc(w.entries, func(e entry) bool { return e.waits })
}

// idle is the load of a switch that asks nothing.
type idle struct{}

func (idle) answer(uint32, []byte) bool { return false }
func (idle) sending()                   {}

// wait lets time pass, calling every now and then, and fails when a connection ends.
func wait(ctx context.Context, switches []*simSwitch, d time.Duration, every func() error) error {
	end := time.After(d)
	tick := time.NewTicker(lostCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return connected(switches)
		case <-tick.C:
			if err := every(); err != nil {
				return err
			}
			if err := connected(switches); err != nil {
				return err
			}
		}
	}
}
