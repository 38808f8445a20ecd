package controller

import (
	"testing"
	"testing/synctest"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
)

// TestDiaryUnderFlood has sessions come for hours, faster than they can be told of: the log grows at a rate that it can go on at,
// and whoever was not told of is counted. In quieter times after it, each is told of again.
func TestDiaryUnderFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, hook := logtest.NewNullLogger()
		j := diary{log: log}
		told, sessions, seconds := 0, 0, 0
		come := func(perSecond, forSeconds int) {
			for range forSeconds {
				for range perSecond {
					sessions++
					if j.may() {
						told++
					}
					time.Sleep(time.Second / time.Duration(perSecond))
				}
				seconds++
			}
		}
		come(400, 600)
		if most := diaryBurst + diaryLasts*seconds + 1; told > most || told < most*9/10 {
			t.Errorf("%d lines in %d s, want all but %d", told, seconds, most)
		}
		j.settle()
		j.settle()
		if e := hook.AllEntries(); len(e) != 1 || e[0].Data["untold"] != sessions-told {
			t.Errorf("%d lines about %d who were not told of: %v", len(e), sessions-told, e)
		}
		time.Sleep(10 * time.Minute)
		told, sessions = 0, 0
		come(50, 60)
		if told != sessions {
			t.Errorf("%d told of %d", told, sessions)
		}
	})
}

// TestDiaryTold has a flood of connections be summed up in a line of the log.
func TestDiaryTold(t *testing.T) {
	inLab(t, single, func(l *lab) {
		for range 2 * diaryRate {
			l.c.diary.may()
		}
		l.after(l.c.o.AuditInterval)
		if n := l.logged("sessions change too fast to tell of each"); n != 1 {
			l.t.Errorf("told of in %d lines, want 1", n)
		}
	})
}
