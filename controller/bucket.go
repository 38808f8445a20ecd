package controller

import "time"

// A bucket is a token bucket. Its zero value is full.
type bucket struct {
	spent float64
	last  time.Time
}

// take spends one token of a bucket that holds burst tokens and regains rate of them a second; false where it is empty.
func (b *bucket) take(now time.Time, rate, burst float64) bool { return b.spend(1, now, rate, burst) }

// spend spends n tokens, or none where it holds less.
func (b *bucket) spend(n float64, now time.Time, rate, burst float64) bool {
	b.spent = max(0, b.spent-now.Sub(b.last).Seconds()*rate)
	b.last = now
	if b.spent+n > burst {
		return false
	}
	b.spent += n
	return true
}
