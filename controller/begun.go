package controller

const (
	maxUnheard = 4096    // sessions of one port whose client has said nothing yet
	maxHeard   = 1 << 16 // and others that began there
)

// begun is the sessions that began on one port, so that no host can have the controller remember any number of them: who only
// sends SYNs drives out his own, oldest first, before their rules would expire. Its zero value is empty. It is the reading
// goroutine's.
type begun struct {
	young []*session // in their order. Invariant: no more than maxUnheard
	heard []*session // Invariant: no more than maxHeard
}

func (b *begun) add(s *session) { b.young = append(b.young, s) }

// room makes room for one more session, and reports whether there is any: where the oldest has been heard of it stays, and
// where there are too many of those, one that has fallen silent goes.
func (b *begun) room() bool {
	for len(b.young) > 0 {
		oldest := b.young[0]
		life := oldest.life()
		if life != over && len(b.young) < maxUnheard {
			break
		}
		switch life {
		case unheard:
			oldest.forget("its client never said a word, and others came")
		case talking, silent:
			if !b.heardRoom() {
				return false
			}
			b.heard = append(b.heard, oldest)
		}
		b.young[0] = nil
		b.young = b.young[1:]
	}
	return true
}

// heardRoom looks at a few of the oldest for one that is dispensable; those that are not go to the end.
func (b *begun) heardRoom() bool {
	const looks = 8
	for range looks {
		if len(b.heard) < maxHeard {
			return true
		}
		oldest := b.heard[0]
		b.heard[0] = nil
		b.heard = b.heard[1:]
		switch oldest.life() {
		case over:
		case talking:
			b.heard = append(b.heard, oldest)
		default:
			oldest.forget("silent, and others came")
		}
	}
	return len(b.heard) < maxHeard
}

// A life is how much a session is needed.
type life uint8

const (
	unheard life = iota // its client has said nothing since its SYN, whether its rules have expired or not
	talking
	silent // its rules have expired
	over
)

func (s *session) life() life {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == ended:
		return over
	case !s.heard:
		return unheard
	case s.state == parked || s.state == finished:
		return silent
	}
	return talking
}
