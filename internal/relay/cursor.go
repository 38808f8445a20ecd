package relay

import (
	"sort"
	"time"
)

const (
	maxBatchEntries = 256
	maxBatchBytes   = 128 << 10 // what is written can no longer be skipped
)

// A cursor is one reader's place in a window: a viewer's, or a push's. Its stream's lock guards it.
type cursor struct {
	queue   time.Duration // how old the next message may be before the reader skips
	seq     uint64        // of the next message to hand out
	exempt  uint64        // messages below are the joining backlog: old, and not the reader's fault
	waiting bool          // for a place to begin at
	begun   bool
	setup   *setup // that the reader has been given
	skipped int
}

// join places the cursor where a new reader begins.
func (c *cursor) join(w *window, how Join) {
	c.waiting, c.exempt = true, w.next()
	c.seq = w.next()
	if how == JoinGOP && w.hasKey {
		c.seq = w.key
	}
}

// resume places the cursor for a reader that had the stream from elsewhere and has missed the last of it: at what came within
// so long, or the latest keyframe if that is earlier. It need not be a place to begin at.
func (c *cursor) resume(w *window, past time.Duration, now time.Time) {
	c.exempt, c.begun = w.next(), true
	c.seq = w.first + uint64(sort.Search(len(w.entries), func(i int) bool { return now.Sub(w.entries[i].arrived) <= past }))
	if w.hasKey {
		c.seq = min(c.seq, w.key)
	}
}

// A batch is what a reader is to send next: a setup, if it has changed for the reader, and messages in order.
type batch struct {
	setup   *setup // nil if the reader has it
	entries []*entry
	join    bool // the entries are backlog
	more    bool // there are others behind these
}

// collect hands out the next messages, in the memory of room. The batch is empty when there is nothing to send.
func (c *cursor) collect(w *window, now time.Time, room []*entry) batch {
	b := batch{entries: room[:0]}
	c.catchUp(w, now)
	if c.waiting {
		seq, ok := w.beginning(c.seq)
		if !ok {
			c.pass(w.next())
			return b
		}
		c.pass(seq)
		c.waiting, c.begun = false, true
	}
	bytes := 0
	for len(b.entries) < maxBatchEntries && bytes < maxBatchBytes {
		e := w.at(c.seq)
		if e == nil {
			break
		}
		if len(b.entries) == 0 {
			b.join = c.seq < c.exempt
			if e.setup != c.setup {
				b.setup = e.setup
			}
		}
		bytes += len(e.wire)
		b.entries = append(b.entries, e)
		c.seq++
	}
	if n := len(b.entries); n > 0 {
		c.setup = b.entries[n-1].after
	}
	b.more = c.seq < w.next()
	return b
}

// catchUp moves a reader that lags too far behind to the latest place to begin at, or makes it wait for the next.
func (c *cursor) catchUp(w *window, now time.Time) {
	if c.waiting || !c.begun {
		return
	}
	if c.seq >= w.first {
		e := w.at(c.seq)
		if e == nil || c.seq < c.exempt || now.Sub(e.arrived) <= c.queue {
			return
		}
	}
	switch {
	case w.hasKey && w.key > c.seq:
		c.pass(w.key)
	case !w.video:
		c.pass(w.next() - 1)
	default:
		c.pass(w.next())
	}
	c.waiting = true
}

// pass skips to seq and counts what is left out, unless the reader has had nothing yet.
func (c *cursor) pass(seq uint64) {
	if c.begun && seq > c.seq {
		c.skipped += int(seq - c.seq)
	}
	c.seq = seq
}
