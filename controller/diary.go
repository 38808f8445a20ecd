package controller

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// A line costs more than a decision, and whoever opens connections for ever is not to fill the disk. Beyond these, sessions are
// only counted and told of in one line now and then; the metrics have them all.
const (
	diaryRate  = 200 // lines a second in a rush
	diaryBurst = 5000
	diaryLasts = 10 // lines a second for good, once the burst is used up
)

// A diary logs what becomes of sessions. Its zero value is not usable: log must be set.
type diary struct {
	log logrus.FieldLogger

	mu          sync.Mutex
	rush, whole bucket
	untold      int // since the last time they were told of
}

// note logs one line about a session, unless there are too many.
func (j *diary) note(s *session, what string, more logrus.Fields) {
	if j.may() {
		j.tell(s, what, more)
	}
}

// may reports whether there is room for one more line, which is then expected.
func (j *diary) may() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	told := j.rush.take(now, diaryRate, diaryRate) && j.whole.take(now, diaryLasts, diaryBurst)
	if !told {
		j.untold++
	}
	return told
}

// tell logs one line about a session.
func (j *diary) tell(s *session, what string, more logrus.Fields) {
	now := s.decided()
	fields := logrus.Fields{"session": now.Tuple.String(), "source": now.Source.Name}
	for k, v := range more {
		fields[k] = v
	}
	j.log.WithFields(fields).Info(what)
}

// announceDecision counts the decision and logs it.
func (s *session) announceDecision() {
	s.c.metrics.from(s.Policy, s.Source.Name).decisions.Inc()
	if s.c.diary.may() {
		s.c.diary.tell(s, "session decided", logrus.Fields{"service": s.Service, "policy": s.Policy, "reason": s.Reason})
	}
}

// settle tells how many lines were left out.
func (j *diary) settle() {
	j.mu.Lock()
	n := j.untold
	j.untold = 0
	j.mu.Unlock()
	if n > 0 {
		j.log.WithField("untold", n).Info("sessions change too fast to tell of each")
	}
}
