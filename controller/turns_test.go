package controller

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestPaced counts what five hundred switches are told at once: each is asked for its table once an audit interval and for its
// sessions' counters once a meter interval, for a sign of life and by discovery packets as often as it should be, and at no moment
// more than a few of them.
func TestPaced(t *testing.T) {
	const switches = 500
	const few = switches / 20
	inLab(t, func(l *lab) {
		for i := range switches {
			l.AddSwitch(fmt.Sprint("s", i), oftest.Options{DPID: ofproto.DPID(i + 1), Ports: []ofproto.Port{9}})
		}
		for i, ip := range []string{"10.0.0.1", "10.0.0.2"} {
			l.AddHost(fmt.Sprint("h", i), ip, fmt.Sprint("s", i), 1, time.Millisecond).Listen(1935)
		}
	}, func(l *lab) {
		for i, sw := range l.Switches() {
			if i%3 == 0 {
				sw.Disconnect() // and come back
			}
		}
		l.after(10 * time.Second) // past what is measured of a switch in its first moments
		type moment struct {
			time.Time
			ofproto.Type
		}
		var mu sync.Mutex
		asked := make(map[moment]int)
		sent := make(map[ofproto.Type]int)
		tables := make(map[*oftest.Switch]int)
		counters := make(map[*oftest.Switch]int)
		for _, sw := range l.Switches() {
			sw.Intercept(func(_ int, _ uint32, m ofproto.Message) oftest.Verdict {
				mu.Lock()
				defer mu.Unlock()
				asked[moment{time.Now().Truncate(l.c.o.ProbeInterval / turns), m.Type()}]++
				sent[m.Type()]++
				if q, ok := m.(*ofproto.StatsRequest); ok {
					if f, ok := q.Body.(ofproto.FlowStatsRequest); ok && f.Match == ofproto.MatchAll {
						tables[sw]++
					} else if ok {
						counters[sw]++
					}
				}
				return oftest.Verdict{}
			})
		}
		l.after(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for at, n := range asked {
			if n > few {
				l.t.Errorf("%d messages %v in %v, want no more than %d", n, at.Type, l.c.o.ProbeInterval/turns, few)
			}
		}
		for kind, each := range map[ofproto.Type]time.Duration{ofproto.TypeEchoRequest: l.c.o.EchoInterval, ofproto.TypePacketOut: l.c.o.LLDPInterval} {
			if want := switches * int(time.Minute/each); sent[kind] < want {
				l.t.Errorf("%d messages %v in a minute, want at least %d", sent[kind], kind, want)
			}
		}
		for _, sw := range l.Switches() {
			if tables[sw] != 1 || counters[sw] != int(time.Minute/meterInterval) {
				l.t.Errorf("%v was asked for its table %d times and for counters %d times", sw.DPID(), tables[sw], counters[sw])
			}
		}
	})
}

// TestMissedTurns has what is done at each turn take longer than a turn. Every switch has its turn once an interval all the same.
func TestMissedTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval, rounds = time.Second, 20
		ctx, end := context.WithTimeout(t.Context(), rounds*interval)
		defer end()
		var had [turns]int
		err := new(Controller).inTurn(ctx, interval, func(_ time.Time, due func(*datapath) bool) {
			for turn := range had {
				if due(&datapath{turn: turn}) {
					had[turn]++
				}
			}
			time.Sleep(interval / 7)
		})
		for turn, n := range had {
			if n < rounds-1 || n > rounds+1 || err != nil { // the last call may be late
				t.Errorf("turn %d came %d times in %d intervals: %v", turn, n, rounds, err)
			}
		}
	})
}
