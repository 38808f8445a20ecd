package controller

import (
	"testing"
	"time"
)

// silence has nothing to read come for so long, and reports whether it was polled.
func (b *busyPoll) silence(now *time.Time, d time.Duration, alone bool) (polled bool) {
	until := now.Add(d)
	if polled = b.begin(*now); polled {
		for now.Before(until) && b.goesOn(*now) {
			*now = now.Add(shortSilence / 50)
		}
		found := !now.Before(until)
		b.end(found)
		if found {
			return polled
		}
	}
	*now = until
	b.slept(*now, alone)
	return polled
}

func TestBusyPoll(t *testing.T) {
	const short, long = shortSilence / 4, 2 * shortSilence
	type step struct {
		d      time.Duration
		others bool // speak meanwhile
		polled bool
	}
	for name, steps := range map[string][]step{
		"not before it is known how long a silence lasts": {{d: short}, {d: short, polled: true}},
		"not where silences are long":                     {{d: long}, {d: long}, {d: short}, {d: short, polled: true}},
		"not where others speak":                          {{d: short, others: true}, {d: short, others: true}, {d: short}, {d: short, polled: true}},
		"once in vain, and a short silence without":       {{d: short}, {d: long, polled: true}, {d: short}, {d: short}, {d: short, polled: true}},
	} {
		t.Run(name, func(t *testing.T) {
			var b busyPoll
			now := time.Unix(1, 0)
			for i, s := range steps {
				if polled := b.silence(&now, s.d, !s.others); polled != s.polled {
					t.Errorf("silence %d: polled %v, want %v", i+1, polled, s.polled)
				}
			}
		})
	}
}

// However quickly messages follow each other, the connection is slept on every so often.
func TestBusyPollSleeps(t *testing.T) {
	var b busyPoll
	now := time.Unix(1, 0)
	slept, polls := now, 0
	for range 1000 {
		if b.silence(&now, shortSilence/8, true) {
			polls++
		} else {
			slept = now
		}
		if d := now.Sub(slept); d > pollStretch+shortSilence {
			t.Fatalf("%v without a sleep", d)
		}
	}
	if polls < 900 {
		t.Errorf("%d polls in 1000 short silences", polls)
	}
}

// Where nothing ever comes while it is looked for, as where the switch waits for the same core, it is hardly ever polled; once
// something comes of it, it is again.
func TestBusyPollInVain(t *testing.T) {
	var b busyPoll
	now := time.Unix(1, 0)
	polls := 0
	for range 10_000 {
		if b.begin(now) {
			b.end(false)
			polls++
			now = now.Add(shortSilence)
		}
		now = now.Add(shortSilence / 2)
		b.slept(now, true)
	}
	if polls < 10 || polls > 20 {
		t.Errorf("%d polls in vain", polls)
	}
	for i := 0; !b.silence(&now, shortSilence/2, true); i++ {
		if i > 2<<maxVain {
			t.Fatal("never polled any more")
		}
	}
	if !b.silence(&now, shortSilence/2, true) {
		t.Error("not polled though something came of the last")
	}
}
