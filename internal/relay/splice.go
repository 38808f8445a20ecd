package relay

import (
	"bytes"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

const (
	// patience is how long a second source may take to be joined without loss; then a keyframe must do, and a freeze.
	patience = 5 * time.Second
	// matchTime is how long a source is compared with what the window has before it may begin at a keyframe: what it
	// has stored comes first, and older than the window perhaps.
	matchTime = 150 * time.Millisecond
	// plausible is the largest step forward between two sources that is taken for the stream's own clock.
	plausible = 10 * time.Second
	// maxBackStep is how far a source's timestamps may go back within one type before they are moved.
	maxBackStep = 500 // milliseconds
	// overlap is by how much earlier another source may have to begin than where the last one ended: it may be the nearer one.
	overlap = time.Second
	// maxHeld bounds what is kept of a source that is not joined yet, in bytes.
	maxHeld = 16 << 20
)

// A splicer makes one stream of the messages of successive sources. It is pure but for the window it appends to.
//
// One source is active. Another may run beside it, as a candidate: it is joined as soon as one message is seen in both,
// and becomes active when it brings the first message that the active one has not brought yet, so nothing is lost and
// nothing comes twice. Where no message is common the candidate takes over at a keyframe, at once if the active source
// is gone, else when patience ends. The timestamps of each type of message never step back.
type splicer struct {
	w         *window
	stall     time.Duration // an active source silent for longer is as good as gone
	active    *source
	candidate *source
	recent    map[uint64]recentMessage // of the window, while there is a candidate

	last    map[uint8]uint32 // timestamp of the latest frame by type of message
	newest  uint32           // largest of them
	floor   uint32           // time of the keyframe after the latest gap, or a minute ago: what is older will not be sent any more
	epoch   uint64           // sequence number of that keyframe: what is older has, perhaps, another clock
	offset  uint32           // of the source that was active last
	arrived time.Time        // when the latest frame came
	started bool
}

type recentMessage struct {
	timestamp uint32
	times     int
}

func newSplicer(w *window, stall time.Duration) *splicer {
	return &splicer{w: w, stall: stall, last: make(map[uint8]uint32)}
}

// offer makes src the candidate, in place of one that may be there.
func (s *splicer) offer(src *source, now time.Time) {
	src.began, src.first, src.setup, src.joined = now, time.Time{}, &setup{}, false
	s.candidate = src
	s.recent = make(map[uint64]recentMessage)
	for seq := max(s.epoch, s.w.first); seq < s.w.next(); seq++ {
		s.remember(s.w.at(seq).msg)
	}
}

// remember makes a message of the window one that the candidate can be joined at.
func (s *splicer) remember(m rtmp.Message) {
	if h := hold(m); h.hash != 0 {
		s.recent[h.hash] = recentMessage{m.Timestamp, s.recent[h.hash].times + 1}
	}
}

// forget has no time of long ago be compared with: beyond half of their range, which is 24.8 days, timestamps that are earlier
// look later.
func (s *splicer) forget() {
	const memory = 60_000 // milliseconds; no source brings what is older
	if int32(s.newest-s.floor) <= 2*memory {
		return
	}
	s.floor = s.newest - memory
	for typ, last := range s.last {
		if int32(s.floor-last) > 0 {
			s.last[typ] = s.floor - 1
		}
	}
}

// behind is how much of the stream has been missed, as far as anybody can tell, and an overlap to go on from; zero while there
// is a source that brings it.
func (s *splicer) behind(now time.Time) time.Duration {
	if !s.started || s.active != nil && now.Sub(s.arrived) <= s.stall {
		return 0
	}
	return now.Sub(s.arrived) + overlap
}

// drop ends a source: it has died, stalled or been replaced.
func (s *splicer) drop(src *source) {
	if s.active == src {
		s.active = nil
	}
	if s.candidate == src {
		s.candidate, s.recent = nil, nil
	}
	src.held, src.heldLen = nil, 0
}

// feed takes the next message of a source, which must have been offered. It reports whether the window has grown.
func (s *splicer) feed(src *source, m rtmp.Message, now time.Time) bool {
	switch {
	case len(m.Payload) == 0:
		return false
	case src == s.active:
		grown := s.emit(src, m, rtmp.RoleOf(m), now)
		if c := s.candidate; grown && c != nil && !c.joined && s.match(c, c.held) {
			s.advance(c, now)
		}
		return grown
	case src == s.candidate:
		return s.consider(src, hold(m), now)
	}
	return false
}

// consider takes a message of the candidate.
func (s *splicer) consider(c *source, h heldMessage, now time.Time) bool {
	if h.role == rtmp.RoleConfig || h.role == rtmp.RoleMetadata {
		c.setup = c.setup.with(h.Message, h.role)
	}
	if !isFrame(h.role) {
		return false // configurations go out when the candidate takes over, if they are news
	}
	c.held = append(c.held, h)
	c.heldLen += h.cost()
	if !s.started {
		return s.take(c, now) // what a server says before there is a stream begins none
	}
	if c.joined || s.match(c, c.held[len(c.held)-1:]) {
		return s.advance(c, now)
	}
	if c.first.IsZero() {
		c.first = now
	}
	free := s.active == nil || now.Sub(c.began) > patience || now.Sub(s.arrived) > s.stall
	if free && (c.encodes || now.Sub(c.first) >= matchTime) {
		for i := len(c.held) - 1; i >= 0; i-- {
			if role := c.held[i].role; role == rtmp.RoleKey || role == rtmp.RoleAudio && !s.w.video {
				s.rebase(c, c.held[i].Timestamp, now)
				c.held = c.held[i:]
				s.floor, s.epoch = c.held[0].Timestamp+c.offset, s.w.next()
				return s.take(c, now)
			}
		}
	}
	for c.heldLen > maxHeld {
		c.heldLen -= c.held[0].cost()
		c.held = c.held[1:]
	}
	return false
}

// match looks among held, messages of the candidate, for one that the window has as well, and only once.
func (s *splicer) match(c *source, held []heldMessage) bool {
	for _, h := range held {
		if h.hash == 0 {
			continue
		}
		if r := s.recent[h.hash]; r.times == 1 {
			c.offset = r.timestamp - h.Timestamp
			c.joined = true
			return true
		}
	}
	return false
}

// advance goes through what a joined candidate has brought: what the window has already is let go; the first message
// that is news makes the candidate active. So does the end of patience: then it is behind the active one and stays so,
// and its old messages are let go as they come.
func (s *splicer) advance(c *source, now time.Time) bool {
	for len(c.held) > 0 {
		if !s.repeats(c.held[0].Message, c.offset) {
			return s.take(c, now)
		}
		c.heldLen -= c.held[0].cost()
		c.held = c.held[1:]
	}
	if s.active == nil || now.Sub(c.began) > patience {
		s.promote(c, now)
	}
	return false
}

// repeats reports whether the window has, or once had, frame m of a joined source. Within a type time does not stand
// still, but for the tracks of a multitrack stream.
func (s *splicer) repeats(m rtmp.Message, offset uint32) bool {
	last, ok := s.last[m.Type]
	if !ok || int32(s.floor-last) > 0 {
		last = s.floor - 1
	}
	if back := int32(last - (m.Timestamp + offset)); back != 0 {
		return back > 0 && int64(back) < plausible.Milliseconds()
	}
	for i := len(s.w.entries) - 1; i >= 0; i-- {
		e := s.w.entries[i]
		if e.msg.Type != m.Type {
			continue
		}
		if e.msg.Timestamp != last {
			break
		}
		if bytes.Equal(e.msg.Payload, m.Payload) {
			return true
		}
	}
	return false
}

// take makes the candidate active and emits what is held of it, its setup first where that differs.
func (s *splicer) take(c *source, now time.Time) bool {
	held := c.held
	s.promote(c, now)
	grown := false
	for _, m := range c.setup.messages(held[0].Timestamp) {
		if role := rtmp.RoleOf(m); !s.w.setup.has(m, role) {
			grown = s.emit(c, m, role, now) || grown
		}
	}
	for _, h := range held {
		grown = s.emit(c, h.Message, h.role, now) || grown
	}
	return grown
}

func (s *splicer) promote(c *source, now time.Time) {
	s.active, s.candidate, s.recent = c, nil, nil
	c.held, c.heldLen, c.settled, c.follows = nil, 0, now.Add(plausible), s.started
}

// rebase lets the candidate's clock go on where the stream is: by the last source's offset or none if that is
// plausible, for they share the publisher's clock; else so that as much stream time passes as real time did.
func (s *splicer) rebase(c *source, first uint32, now time.Time) {
	elapsed := max(0, now.Sub(s.arrived))
	for _, offset := range []uint32{s.offset, 0} {
		step := time.Duration(int32(first+offset-s.newest)) * time.Millisecond
		if step > 0 && step <= elapsed+plausible {
			c.offset = offset
			return
		}
	}
	c.offset = s.newest + uint32(max(1, elapsed.Milliseconds())) - first
}

// emit appends a message of the active source, unless a source that was just joined repeats what is there.
func (s *splicer) emit(src *source, m rtmp.Message, role rtmp.Role, now time.Time) bool {
	frame := isFrame(role)
	if frame && src.joined {
		if s.repeats(m, src.offset) {
			return false
		}
		src.joined = now.Before(src.settled)
	}
	m.Timestamp += src.offset
	if last, ok := s.last[m.Type]; ok && frame {
		if back := int32(last - m.Timestamp); back > maxBackStep {
			src.offset += uint32(back) + 1
			m.Timestamp = last + 1
			s.floor, s.epoch = m.Timestamp, s.w.next()
		} else if back > 0 {
			m.Timestamp = last
		}
	}
	if frame {
		first := len(s.last) == 0 // what came before it, metadata above all, may have no time
		if first || int32(m.Timestamp-s.newest) > 0 {
			s.newest = m.Timestamp
		}
		if first {
			s.floor = m.Timestamp
		}
		s.last[m.Type] = m.Timestamp
		s.arrived, s.started = now, true
		s.forget()
	}
	s.offset = src.offset
	s.w.append(m, role, now)
	if s.candidate != nil {
		s.remember(m)
	}
	return true
}
