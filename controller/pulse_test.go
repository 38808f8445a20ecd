package controller

import (
	"testing"
	"time"
)

// TestPulse has a channel's round trip grow for good: for a while that looks as if something did not keep up, later not.
func TestPulse(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var p pulse
	p.xid, p.sent = 1, now
	if e := p.excess(now.Add(time.Second), 0); e != 0 {
		t.Errorf("%v late before any round trip is known", e)
	}
	answer := func(took time.Duration) time.Duration {
		p.xid, p.sent = 1, now
		now = now.Add(took)
		if !p.answered(1, now) {
			t.Fatal("the answer is not taken")
		}
		return p.excess(now, 0)
	}
	for range 100 {
		if e := answer(time.Millisecond); e != 0 {
			t.Fatalf("%v late at the usual round trip", e)
		}
	}
	if e := answer(100 * time.Millisecond); e != 99*time.Millisecond {
		t.Errorf("%v late, want 99 ms", e)
	}
	for begin := now; now.Sub(begin) < 2*leastFor+time.Second; {
		answer(100 * time.Millisecond)
	}
	if e := answer(100 * time.Millisecond); e != 0 {
		t.Errorf("%v late after two minutes at the same round trip", e)
	}
	if e := answer(130 * time.Millisecond); e != 30*time.Millisecond {
		t.Errorf("%v late, want 30 ms", e)
	}
}
