package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	pulseEvery = 20 * time.Millisecond
	lagging    = 20 * time.Millisecond // behind the least round trip: one of the two does not keep up
	leastFor   = time.Minute
	// answerFor is how long a switch may take, for each rule that it should have, to tell of its table: what comes behind that answer
	// is then no sign that something does not keep up. Open vSwitch takes 1 to 6 µs, and the daemon one more.
	answerFor = 10 * time.Microsecond
	// excused bounds that. Less than half of strainFor, or a flood would be free for a moment at each question.
	excused = strainFor * 2 / 5
)

// A pulse tells how far a switch and the daemon are behind each other while packets come: an echo request waits on the switch
// behind all it was told before, and its answer behind all the packets that it has sent. Its zero value is ready. It is the
// reading goroutine's.
type pulse struct {
	xid  uint32 // of the open request; 0 for none
	sent time.Time
	lag  time.Duration // of the last answer
	due  time.Time     // until when the answer to the open request is not late, as a longer one comes before it

	// The least round trips of the present span of leastFor and of the one before it, 0 while unmeasured: a channel that takes
	// longer for good is the usual one after a while.
	least, before time.Duration
	since         time.Time // when the present span began
}

var pulseRequest ofproto.EchoRequest

// beat asks, where nothing is open and the last time is long enough ago.
func (p *pulse) beat(d *datapath, now time.Time) {
	if p.xid == 0 && now.Sub(p.sent) >= pulseEvery {
		p.xid, p.sent, p.due = d.nextXID(), now, time.Time{}
		for _, r := range [...]*tableRead{&d.metering, &d.auditing} {
			asked, open := r.openSince()
			if until := asked.Add(min(time.Duration(d.table.size())*answerFor, excused)); open && until.After(p.due) {
				p.due = until
			}
		}
		_ = d.conn.Write(p.xid, &pulseRequest)
	}
}

// answered takes an echo reply, and answers false where it is not to a pulse.
func (p *pulse) answered(xid uint32, now time.Time) bool {
	if p.xid == 0 || xid != p.xid {
		return false
	}
	p.xid, p.lag = 0, max(now.Sub(p.sent), 1) // 0 is unmeasured
	if now.Sub(p.since) > leastFor {
		p.before, p.least, p.since = p.least, 0, now
	}
	if p.least == 0 || p.lag < p.least {
		p.least = p.lag
	}
	if now.Before(p.due) {
		p.lag = 0 // it tells nothing
	}
	return true
}

// excess is how much longer than the least round trip the last answer took, or the one that is due takes by now. rtt is the
// round trip as keepalive knows it. Where none is known, nothing is late.
func (p *pulse) excess(now time.Time, rtt time.Duration) time.Duration {
	least := rtt
	for _, l := range [...]time.Duration{p.least, p.before} {
		if l > 0 && (least == 0 || l < least) {
			least = l
		}
	}
	switch {
	case least == 0:
	case p.xid != 0 && now.Before(p.due):
	case p.xid != 0:
		return now.Sub(p.sent) - least
	case now.Sub(p.sent) < strainFor:
		return p.lag - least
	}
	return 0
}
