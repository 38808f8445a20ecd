package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// slowTable has a switch take so long to answer a question about its table.
func slowTable(sw *oftest.Switch, delay time.Duration) {
	sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
		if r, ok := m.(*ofproto.StatsRequest); ok {
			if _, ok := r.Body.(ofproto.FlowStatsRequest); ok {
				v.Delay = delay
			}
		}
		return v
	})
}

// TestSlowTable has a switch answer about its table after more than the time between two questions: what it says is used all the
// same, for the sessions' rates and for the audit.
func TestSlowTable(t *testing.T) {
	tests := []struct {
		what  string
		delay time.Duration
		kbps  bool
	}{
		{"metering", 3 * meterInterval / 2, true},
		{"the audit", 70 * time.Second, false},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			inLab(t, single, func(l *lab) {
				sw := l.Switch("s1")
				l.watch("hv1")
				srv := l.atPeer("hv1")
				slowTable(sw, tt.delay)
				if err := sw.AddFlow("cookie=0x1,priority=7,tcp,tp_dst=7,actions=drop"); err != nil {
					t.Fatal(err)
				}
				for range 300 {
					srv.Write(make([]byte, 5000))
					l.after(time.Second)
				}
				if n := l.series("ofctl_rules", map[string]string{"rules": "foreign"}); n != 1 {
					t.Errorf("the audit has found %v rules of others, want 1", n)
				}
				if kbps := l.session(l.Host("hv1")).Kbps; tt.kbps && (kbps < 20 || kbps > 100) {
					t.Errorf("the session is taken to carry %v kb/s, want about 40", kbps)
				}
				sw.Intercept(nil)
				l.after(2 * time.Minute)
			})
		})
	}
}

// TestUnansweredTable asks a switch that never answers again after a while, and only then.
func TestUnansweredTable(t *testing.T) {
	r := newRig(t)
	var read tableRead
	const interval = time.Second
	begin := time.Now()
	for n := range openFor + 1 {
		read.ask(r.d, ofproto.MatchAll, interval, begin.Add(time.Duration(n)*interval))
		want := 0
		if n%openFor == 0 {
			want = 1
		}
		if got := r.settle(t)[ofproto.TypeStatsRequest]; got != want {
			t.Errorf("%d questions after %d intervals, want %d", got, n, want)
		}
	}
}
