package controller

import (
	"io"
	"net"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// What others can cause is told of sparingly, or whoever means ill writes the disk full: of one culprit some lines at once
// and then one now and then, with the number of those left out; of one kind of line somewhat more.
const (
	culpritBurst = 20
	culpritRate  = 0.1 // a second
	kindBurst    = 5000
	kindRate     = 1.0
	maxCulprits  = 4096 // told apart; those beyond share one allowance for each kind of line
)

// warnings is how much has been told of whom. Its zero value is ready.
type warnings struct {
	mu    sync.Mutex
	known map[warning]*told
}

// A warning is a kind of line, and whom it is about; nobody for all of the kind.
type warning struct{ what, whom string }

type told struct {
	share bucket
	left  int // lines left out since the last one
}

var muted = func() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	l.SetLevel(logrus.PanicLevel)
	return l
}()

// sparingly returns the logger for one more line about somebody, or one that says nothing where too much has been said.
func (c *Controller) sparingly(log logrus.FieldLogger, what, whom string) logrus.FieldLogger {
	switch left, ok := c.warnings.due(warning{what, whom}, time.Now()); {
	case !ok:
		return muted
	case left > 0:
		return log.WithField("left_out", left)
	}
	return log
}

// sparingly returns the logger for one more line about the switch.
func (d *datapath) sparingly(what string) logrus.FieldLogger {
	return d.c.sparingly(d.log, what, d.dpid.String())
}

// due reports whether a line may be told, and how many like it were not.
func (w *warnings) due(k warning, now time.Time) (left int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kind := w.of(warning{what: k.what})
	one := kind
	if len(w.known) < maxCulprits || w.known[k] != nil {
		one = w.of(k)
	}
	if one != kind && !one.share.take(now, culpritRate, culpritBurst) || !kind.share.take(now, kindRate, kindBurst) {
		one.left++
		return 0, false
	}
	left, one.left = one.left, 0
	return left, true
}

func (w *warnings) of(k warning) *told {
	t, ok := w.known[k]
	if !ok {
		t = new(told)
		if w.known == nil {
			w.known = make(map[warning]*told)
		}
		w.known[k] = t
	}
	return t
}

// settle tells how many lines were left out of those whose turn no next line has come to, and forgets those who have been
// quiet for so long that they have their whole allowance again.
func (w *warnings) settle(log logrus.FieldLogger, now time.Time) {
	type line struct {
		warning
		left int
	}
	var due []line
	w.mu.Lock()
	for k, t := range w.known {
		quiet := time.Duration(culpritBurst / culpritRate * float64(time.Second))
		if k.whom == "" {
			quiet = time.Duration(kindBurst / kindRate * float64(time.Second))
		}
		switch {
		case t.left > 0:
			due = append(due, line{k, t.left})
			t.left = 0
		case now.Sub(t.share.last) > quiet:
			delete(w.known, k)
		}
	}
	w.mu.Unlock()
	const most = 20 // culprits told of by name in one round
	rest := 0
	for i, l := range due {
		if i < most {
			log.WithFields(logrus.Fields{"what": l.what, "about": l.whom, "left_out": l.left}).Warn("lines left out of the log")
		} else {
			rest += l.left
		}
	}
	if rest > 0 {
		log.WithField("left_out", rest).Warn("lines left out of the log")
	}
}

// hostOf is the address of a connection's other end, without the port.
func hostOf(nc net.Conn) string {
	remote := nc.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}
