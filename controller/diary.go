package controller

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// diaryRate is how many sessions a second are told of one by one. A line costs more than a decision, so in a rush the rest
// are only counted, and told of in one line; the metrics have them all.
const diaryRate = 200

// A diary logs what becomes of sessions. Its zero value is not usable: log must be set.
type diary struct {
	log logrus.FieldLogger

	mu      sync.Mutex
	share   bucket
	untold  int
	alarmed bool // a line about the untold is due
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
	told := j.share.take(time.Now(), diaryRate, diaryRate)
	if !told {
		j.untold++
		if !j.alarmed {
			j.alarmed = true
			time.AfterFunc(time.Second, j.summarise)
		}
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

func (j *diary) summarise() {
	j.mu.Lock()
	n := j.untold
	j.untold, j.alarmed = 0, false
	j.mu.Unlock()
	j.log.WithField("untold", n).Info("sessions change too fast to tell of each")
}
