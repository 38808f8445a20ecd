package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	var h, half histogram
	var all []time.Duration
	for i := range 10_000 {
		d := time.Duration(rand.ExpFloat64() * 1e5)
		all = append(all, d)
		if i%2 == 0 {
			h.add(d)
		} else {
			half.add(d)
		}
	}
	h.merge(&half)
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.99, 0.999, 1} {
		want := all[min(int(q*10_000), 9_999)]
		if got := h.quantile(q); got < want || got > want+want/100+1 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := new(histogram).quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing is %v", got)
	}
}

func TestBucketsAreInOrder(t *testing.T) {
	last := -1
	for ns := uint64(0); ns < 1<<20; ns++ {
		b := bucketOf(ns)
		if b < last || b > last+1 || uint64(upper(b)) < ns {
			t.Fatalf("%d ns is in bucket %d up to %d, after bucket %d", ns, b, upper(b), last)
		}
		last = b
	}
	if b := bucketOf(1 << 62); b >= len(histogram{}.buckets) {
		t.Errorf("the longest duration is in bucket %d", b)
	}
}
