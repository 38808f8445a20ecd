package controller

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestPaced counts what five hundred switches are asked at once: each is asked for its table once an audit interval and for its
// sessions' counters once a meter interval, and at no moment more than a few of them.
func TestPaced(t *testing.T) {
	const switches = 500
	const few = switches / 20
	inLab(t, func(l *lab) {
		for i := range switches {
			l.AddSwitch(fmt.Sprint("s", i), oftest.Options{DPID: ofproto.DPID(i + 1)})
		}
	}, func(l *lab) {
		for i, sw := range l.Switches() {
			if i%3 == 0 {
				sw.Disconnect() // and come back
			}
		}
		l.after(time.Second)
		var mu sync.Mutex
		asked := make(map[time.Time]int)
		tables := make(map[*oftest.Switch]int)
		counters := make(map[*oftest.Switch]int)
		for _, sw := range l.Switches() {
			sw.Intercept(func(_ int, _ uint32, m ofproto.Message) oftest.Verdict {
				if q, ok := m.(*ofproto.StatsRequest); ok {
					mu.Lock()
					defer mu.Unlock()
					asked[time.Now().Truncate(meterInterval/turns)]++
					if f, ok := q.Body.(ofproto.FlowStatsRequest); ok && f.Match == ofproto.MatchAll {
						tables[sw]++
					} else {
						counters[sw]++
					}
				}
				return oftest.Verdict{}
			})
		}
		l.after(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for _, n := range asked {
			if n > few {
				l.t.Errorf("%d questions in a tenth of a second, want no more than %d", n, few)
			}
		}
		for _, sw := range l.Switches() {
			if tables[sw] != 1 || counters[sw] != int(time.Minute/meterInterval) {
				l.t.Errorf("%v was asked for its table %d times and for counters %d times", sw.DPID(), tables[sw], counters[sw])
			}
		}
	})
}
