package measure

import (
	"bytes"
	"time"
)

// A direction puts one direction of a TCP connection in order. A byte counts as arrived when it and all before it have:
// that is when a player can read it.
type direction struct {
	deliver func(at time.Time, p []byte) error
	next    uint32 // Invariant: every byte before next has been delivered
	begun   bool   // the SYN has been seen, so next is valid
	early   map[uint32][]byte
	err     error // of deliver; final
}

// add takes a segment. What came before the SYN was seen, and what was delivered already, is ignored.
func (d *direction) add(s segment) {
	if s.syn {
		if !d.begun {
			d.begun, d.next = true, s.seq+1
		}
		return
	}
	if !d.begun || d.err != nil || len(s.payload) == 0 {
		return
	}
	// Sequence numbers wrap: compare by signed distance (RFC 9293 §3.4).
	if ahead := int32(s.seq - d.next); ahead > 0 {
		if d.early == nil {
			d.early = make(map[uint32][]byte)
		}
		if len(s.payload) > len(d.early[s.seq]) {
			d.early[s.seq] = bytes.Clone(s.payload)
		}
		return
	}
	d.take(s.at, s.seq, s.payload)
	for d.fill(s.at) {
	}
}

// fill delivers one early segment that has become due, if there is any.
func (d *direction) fill(at time.Time) bool {
	for seq, p := range d.early {
		if int32(seq-d.next) <= 0 {
			delete(d.early, seq)
			d.take(at, seq, p)
			return true
		}
	}
	return false
}

// take delivers what is new in a segment that begins at or before next.
func (d *direction) take(at time.Time, seq uint32, p []byte) {
	old := int(d.next - seq)
	if old >= len(p) || d.err != nil {
		return
	}
	d.next += uint32(len(p) - old)
	d.err = d.deliver(at, p[old:])
}

// incomplete tells whether bytes are missing between those delivered and later ones.
func (d *direction) incomplete() bool { return len(d.early) > 0 }
