package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// warmWindow is how many requests per switch are outstanding while the controller gets to know everybody.
const warmWindow = 32

// A lap asks for so many pairs that every host is in one, each until the answer is right: until then the controller did not
// know one of the two.
type lap struct {
	*window
	todo int // slots not yet answered rightly
	last error
}

// warm has the controller learn every host of every switch, and proves that it has. Settle is how long a controller may
// watch a new port before it uses it.
func warm(ctx context.Context, switches []*simSwitch, settle time.Duration) error {
	for _, s := range switches {
		for _, h := range hosts(s.slots) {
			if err := s.announce(h); err != nil {
				return err
			}
		}
	}
	time.Sleep(settle)
	laps := make([]*lap, len(switches))
	for i, s := range switches {
		laps[i] = &lap{window: newWindow(s, warmWindow), todo: sources}
		if err := laps[i].start(); err != nil {
			return err
		}
	}
	const most = time.Minute
	for deadline := time.Now().Add(most); ; {
		left := 0
		for _, l := range laps {
			n, err := l.again()
			if err != nil {
				return err
			}
			left += n
		}
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			for _, l := range laps {
				if wrong := l.wrong(); wrong != nil {
					return fmt.Errorf("after %v the controller still answers wrongly, for one: %w", most, wrong)
				}
			}
			return fmt.Errorf("after %v %d requests are still without an answer", most, left)
		}
		if err := wait(ctx, switches, lostCheck/4, func() error { return nil }); err != nil {
			return err
		}
	}
	for _, s := range switches {
		s.set(idle{})
	}
	return nil
}

// hosts returns the end systems of the slots that a lap asks for, servers first.
func hosts(all []slot) (list []host) {
	seen := map[ofproto.MAC]bool{}
	add := func(h host) {
		if !seen[h.mac] {
			seen[h.mac] = true
			list = append(list, h)
		}
	}
	for i := range all[:sources] {
		if all[i].peer == nil { // else both servers are there and can be asked
			add(all[i].to)
		}
	}
	for i := range all[:sources] {
		add(all[i].from)
	}
	return list
}

func (s *simSwitch) announce(h host) error {
	m, err := ofproto.Append(nil, 0, announce(h))
	if err != nil {
		return err
	}
	return s.send(m)
}

func (l *lap) start() error {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.load = l
	for i := range l.entries {
		l.fill(&l.entries[i])
	}
	return l.flush()
}

// answer implements load: what is right is not asked again, what is wrong is left waiting, to be asked again.
func (l *lap) answer(id uint32, message []byte) bool {
	e, ours := l.waiting(id)
	if e == nil {
		return ours
	}
	if err := checkResponse(message, e.slot, id, l.s.buffered); err != nil {
		l.last = err
		return true
	}
	e.waits = false
	l.todo--
	if l.todo >= len(l.entries) {
		l.fill(e)
	}
	return true
}

// wrong is what was wrong with the last wrong answer, nil if none was. The reader goes on meanwhile.
func (l *lap) wrong() error {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.last
}

// again asks once more for what has waited too long, and returns how many slots are left.
func (l *lap) again() (int, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	for i := range l.entries {
		if e := &l.entries[i]; e.waits && time.Since(e.sent) > lostCheck {
			e.id += maxWindow
			l.ask(e)
		}
	}
	return l.todo, l.flush()
}
