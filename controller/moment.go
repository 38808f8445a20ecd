package controller

import "time"

// A moment is a time in a third of the memory of a time.Time, and without its pointer, for what there is one of in each rule and
// session: nanoseconds since the program began, by the monotonic clock. The zero moment is never.
type moment int64

var beginning = time.Now()

func momentOf(t time.Time) moment { return moment(t.Sub(beginning)) }

// before reports whether it was before a time.
func (m moment) before(t time.Time) bool { return m < momentOf(t) }

// ago is how long before a time it was.
func (m moment) ago(now time.Time) time.Duration { return time.Duration(momentOf(now) - m) }
