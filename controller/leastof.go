package controller

import (
	"slices"
	"time"
)

// leastOf is the least of the last few measurements: queues only ever add. What is to be subtracted from it is so
// afterwards, for the least of two differences would prefer the worst of what was subtracted.
type leastOf struct {
	last [4]time.Duration
	n    int
}

func (l *leastOf) add(d time.Duration) time.Duration {
	l.last[l.n%len(l.last)] = d
	l.n++
	least := l.last[0]
	for _, d := range l.last[:min(l.n, len(l.last))] {
		least = min(least, d)
	}
	return least
}

// full reports whether it is of as many as it may be.
func (l *leastOf) full() bool { return l.n >= len(l.last) }

// recent is the greatest of them.
func (l *leastOf) recent() time.Duration { return slices.Max(l.last[:]) }

// positive keeps a measured delay from reading as unmeasured.
func positive(d time.Duration) time.Duration { return max(d, time.Microsecond) }
