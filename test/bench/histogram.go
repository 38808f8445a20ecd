package main

import (
	"math/bits"
	"time"
)

// A histogram counts durations in buckets no wider than 1/32 of what they hold, without allocating. The zero value is
// empty.
type histogram struct {
	buckets [64 * 32]uint64
	n       uint64
}

// bucketOf returns the bucket of a duration in nanoseconds: 32 linear steps for each power of two.
func bucketOf(ns uint64) int {
	if ns < 32 {
		return int(ns)
	}
	shift := bits.Len64(ns) - 6
	return shift*32 + int(ns>>shift)
}

// upper returns the largest duration of a bucket.
func upper(bucket int) time.Duration {
	if bucket < 32 {
		return time.Duration(bucket)
	}
	shift := bucket/32 - 1
	return time.Duration((uint64(bucket%32+32)+1)<<shift - 1)
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
