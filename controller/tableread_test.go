package controller

import (
	"bytes"
	"slices"
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

// TestPartsOutliveTheirMessage takes a table that comes in two messages, the second of which is read into the memory of the first.
// What the first said of actions that are unknown here stays what it was.
func TestPartsOutliveTheirMessage(t *testing.T) {
	own := wish(1)
	part := func(fill byte) ofproto.FlowStats {
		data := bytes.Repeat([]byte{fill}, 12)
		return ofproto.FlowStats{{Match: own.Match, Cookie: uint64(own.Cookie), Actions: []ofproto.Action{
			ofproto.Output{Port: 1}, ofproto.VendorAction{Vendor: 7, Data: append(data, 0, 0, 0, 0)}, ofproto.RawAction{ActionType: 99, Data: data},
		}}}
	}
	var have entries
	var room []byte
	for _, fill := range []byte{1, 2} {
		frame, err := ofproto.Append(room[:0], 1, &ofproto.StatsReply{Body: part(fill)})
		if err != nil {
			t.Fatal(err)
		}
		room = frame
		_, m, err := ofproto.Decode(frame)
		if err != nil {
			t.Fatal(err)
		}
		if err := have.add(m.(*ofproto.StatsReply).Body.(ofproto.FlowStats)); err != nil {
			t.Fatal(err)
		}
	}
	for i, fill := range []byte{1, 2} {
		if got, want := have.ours[i].Actions, part(fill)[0].Actions; !slices.EqualFunc(got, want, ofproto.SameAction) {
			t.Errorf("of message %d is kept %v, want %v", i+1, got, want)
		}
	}
}
