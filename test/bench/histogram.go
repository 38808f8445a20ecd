package main

import (
	"math/bits"
	"time"
)

// steps are the buckets of each power of two: fine enough for a ratio of two medians to be told to the hundredth.
const (
	stepBits = 7
	steps    = 1 << stepBits
)

// A histogram counts durations in buckets no wider than 1/128 of what they hold, without allocating. The zero value is
// empty.
type histogram struct {
	buckets [64 * steps]uint64
	n       uint64
}

// bucketOf returns the bucket of a duration in nanoseconds: as many linear steps for each power of two.
func bucketOf(ns uint64) int {
	if ns < steps {
		return int(ns)
	}
	shift := bits.Len64(ns) - 1 - stepBits
	return shift*steps + int(ns>>shift)
}

// upper returns the largest duration of a bucket.
func upper(bucket int) time.Duration {
	if bucket < steps {
		return time.Duration(bucket)
	}
	shift := bucket/steps - 1
	return time.Duration((uint64(bucket%steps+steps)+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(uint64(max(d, 0)))]++
	h.n++
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
	h.n += o.n
}

// quantile returns a duration that a share q of all does not exceed, 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.n))
	var seen uint64
	for i, n := range h.buckets {
		if seen += n; n > 0 && seen > rank {
			return upper(i)
		}
	}
	if h.n == 0 {
		return 0
	}
	return h.quantile(q - 1/float64(h.n)) // q was 1
}
