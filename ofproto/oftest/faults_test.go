package oftest

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

func TestLoseConnection(t *testing.T) {
	for _, tt := range []struct {
		outcome Outcome
		left    int
	}{{CloseBefore, 1}, {CloseAfter, 2}} {
		sw := NewSwitch(Options{Ports: ports(2)})
		sw.Intercept(LoseAt(3, tt.outcome)) // HELLO, first flow mod, second
		p := connect(t, sw)
		p.send(add(1, ofproto.MatchAll), add(2, ofproto.MatchAll), add(3, ofproto.MatchAll), &ofproto.BarrierRequest{})
		if _, err := p.conn.ReadBatch(); err == nil {
			t.Errorf("outcome %d: the connection is there after its third message", tt.outcome)
		}
		if n := len(sw.Flows()); n != tt.left {
			t.Errorf("outcome %d: %d entries, want %d", tt.outcome, n, tt.left)
		}
		connect(t, sw).expectNone(add(4, ofproto.MatchAll), add(5, ofproto.MatchAll)) // only once
	}
}

func TestHoldAndRelease(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2)})
	p := connect(t, sw)
	sw.Intercept(HoldBarriers)
	first := p.send(&ofproto.BarrierRequest{})
	second := p.send(add(1, ofproto.MatchAll, output(2)), &ofproto.BarrierRequest{})
	echo := p.send(&ofproto.EchoRequest{})
	if r := p.next(); r.xid != echo {
		t.Fatalf("%+v overtakes", r)
	}
	if sw.Held() != 2 || len(sw.Flows()) != 1 {
		t.Errorf("%d replies withheld, %d entries", sw.Held(), len(sw.Flows()))
	}
	sw.Intercept(nil)
	sw.Release(func(int) []int { return []int{1, 0} })
	if a, b := p.next(), p.next(); a.xid != second || b.xid != first {
		t.Errorf("released %d and %d, want %d and %d", a.xid, b.xid, second, first)
	}
	sw.Intercept(HoldBarriers)
	p.send(&ofproto.BarrierRequest{})
	Eventually(t, "withheld", func() bool { return sw.Held() == 1 })
	sw.Disconnect()
	sw.Intercept(nil)
	p = connect(t, sw)
	sw.Release(nil)
	p.expectNone()
}

func TestRefuseAndSwallow(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2)})
	p := connect(t, sw)
	sw.Intercept(RefuseFlowMods(TableFull, func(m *ofproto.FlowMod) bool { return m.Priority == 2 }))
	p.expectRefusal(add(2, ofproto.MatchAll), TableFull)
	p.expectNone(add(3, ofproto.MatchAll))
	sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v Verdict) {
		if m.Type() == ofproto.TypeFlowMod {
			v.Do = Swallow
		}
		return v
	})
	p.expectNone(add(4, ofproto.MatchAll))
	if f := sw.Flows(); len(f) != 1 || f[0].Priority != 3 {
		t.Errorf("%+v", f)
	}
}

// TestDelay runs in virtual time, which shows that a Switch on a Pipe can.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sw := NewSwitch(Options{Ports: ports(2)})
		p := connect(t, sw)
		sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v Verdict) {
			if m.Type() == ofproto.TypeBarrierRequest {
				v.Delay = time.Hour
			}
			return v
		})
		start := time.Now()
		barrier := p.send(&ofproto.BarrierRequest{})
		echo := p.send(&ofproto.EchoRequest{})
		if r := p.next(); r.xid != echo || time.Since(start) > time.Minute {
			t.Errorf("the echo waited %v", time.Since(start))
		}
		if r := p.next(); r.xid != barrier || time.Since(start) < time.Hour {
			t.Errorf("%+v came after %v", r.m, time.Since(start))
		}
		mod := with(add(1, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.HardTimeout, m.Flags = 30, ofproto.SendFlowRem })
		sw.Intercept(nil)
		p.expectNone(mod)
		if r, ok := p.next().m.(*ofproto.FlowRemoved); !ok || r.DurationSec < 30 || r.DurationSec > 31 {
			t.Errorf("expired by itself: %+v", r)
		}
	})
}

// TestShuffle sends two entries of the same match: the last executed wins, and that is not always the last sent, unless
// there is a barrier between.
func TestShuffle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sw := NewSwitch(Options{Ports: ports(2), Shuffle: rng.Perm})
	p := connect(t, sw)
	first := with(add(1, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.Cookie = 1 })
	second := with(add(1, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.Cookie = 2 })
	wins := map[uint64]int{}
	for range 50 {
		p.expectNone(first, second)
		wins[cookies(sw)[0]]++
	}
	if wins[1] < 5 || wins[2] < 5 {
		t.Errorf("without a barrier: %v", wins)
	}
	for range 50 {
		p.ask(first, &ofproto.BarrierRequest{}, second)
		if got := cookies(sw); !reflect.DeepEqual(got, []uint64{2}) {
			t.Fatalf("with a barrier: %d", got)
		}
	}
}

func TestLateFlowRemoved(t *testing.T) {
	sw := NewSwitch(Options{Shuffle: rand.Perm})
	p := connect(t, sw)
	p.expectNone(with(add(1, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.Flags = ofproto.SendFlowRem }))
	p.expectNone(with(add(1, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.Command = ofproto.FlowDelete }))
	if r := p.next(); r.m.Type() != ofproto.TypeFlowRemoved {
		t.Errorf("%+v", r.m)
	}
}

func TestNothingPassesABarrier(t *testing.T) {
	sw := NewSwitch(Options{Shuffle: rand.Perm})
	p := connect(t, sw)
	for range 50 {
		// ask fails to see the ERROR where it comes behind the reply to the barrier.
		if replies := p.ask(add(1, ofproto.MatchAll, output(0))); len(replies) != 1 {
			t.Fatalf("%d answers before the barrier's", len(replies))
		}
	}
}
