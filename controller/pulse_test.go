package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
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

// TestLongAnswers has what a switch says of its table be so long that all behind it comes late, while packets come up all the time:
// nobody is held to his share for what the daemon itself has asked. Where a switch has little to say, does not answer, takes very long, or
// is late with all else too, it is as ever.
func TestLongAnswers(t *testing.T) {
	asks := func(m ofproto.Message) bool {
		q, ok := m.(*ofproto.StatsRequest)
		if ok {
			_, ok = q.Body.(ofproto.FlowStatsRequest)
		}
		return ok
	}
	const many = int(excused / answerFor)
	for _, tt := range []struct {
		name     string
		rules    int
		answer   func(m ofproto.Message) oftest.Verdict
		strained bool
	}{
		{"long", many, func(m ofproto.Message) (v oftest.Verdict) {
			if asks(m) {
				time.Sleep(excused / 2)
			}
			return v
		}, false},
		{"long for so few rules", 0, func(m ofproto.Message) (v oftest.Verdict) {
			if asks(m) {
				time.Sleep(excused / 2)
			}
			return v
		}, true},
		{"too long", many, func(m ofproto.Message) (v oftest.Verdict) {
			if asks(m) {
				time.Sleep(2 * excused)
			}
			return v
		}, true},
		{"none, and late", many, func(m ofproto.Message) (v oftest.Verdict) {
			switch {
			case asks(m):
				v.Do = oftest.Swallow
			case m.Type() == ofproto.TypeEchoRequest:
				v.Delay = 100 * time.Millisecond
			}
			return v
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inLab(t, single, func(l *lab) {
				l.watch("hv1")
				sw := l.Switch("s1")
				d, _ := l.c.datapath(1)
				d.table.mu.Lock()
				for i := range tt.rules {
					m := ofproto.MatchAll
					m.Wildcards &^= ofproto.WildDLType | ofproto.WildNWProto | ofproto.WildTPSrc
					m.DLType, m.NWProto, m.TPSrc = packet.TypeIPv4, packet.ProtoTCP, uint16(i)
					d.table.rules.put(&installed{rule: flow.Rule{Match: m, Cookie: flow.NewCookie(flow.KindSession, 1)}, sent: true, acked: true})
				}
				d.table.mu.Unlock()
				sw.Intercept(func(_ int, _ uint32, m ofproto.Message) oftest.Verdict { return tt.answer(m) })
				defer sw.Intercept(nil)
				begin := time.Now()
				for n := 0; time.Since(begin) < 2*meterInterval; n++ {
					sw.Receive(3, floods[0].frame(l, n))
					l.after(2 * time.Millisecond)
				}
				if n := l.metric("ofctl_overloads_total"); (n > 0) != tt.strained {
					l.t.Errorf("taken for strain %v times", n)
				}
			})
		})
	}
}
