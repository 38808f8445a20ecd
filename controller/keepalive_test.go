package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// hang has a switch do nothing of what it is told.
func hang(int, uint32, ofproto.Message) oftest.Verdict { return oftest.Verdict{Do: oftest.Swallow} }

// TestEchoInterval has a switch do nothing of what it is told, in a network where nothing else asks for a sign of life. It
// is asked every five seconds, and given up when three requests are unanswered: not before, not later.
func TestEchoInterval(t *testing.T) {
	inLab(t, func(l *lab) {
		l.AddSwitch("s1", oftest.Options{DPID: 1})
		l.o.ProbeInterval = time.Hour
	}, func(l *lab) {
		l.after(10 * time.Second) // past what a new switch is asked at first
		sw := l.Switch("s1")
		for range 4 {
			before := sw.Received(ofproto.TypeEchoRequest)
			l.after(5 * time.Second)
			if n := sw.Received(ofproto.TypeEchoRequest) - before; n != 1 {
				l.t.Errorf("%d echo requests in five seconds, want one", n)
			}
		}
		asked := 0
		sw.Intercept(func(_ int, _ uint32, m ofproto.Message) oftest.Verdict {
			if m.Type() == ofproto.TypeEchoRequest {
				asked++
			}
			return oftest.Verdict{Do: oftest.Swallow}
		})
		for range 40 {
			if l.after(time.Second); l.logged("switch does not answer: closed") > 0 {
				break
			}
		}
		if asked != 3 {
			l.t.Errorf("given up with %d echo requests unanswered, want 3", asked)
		}
		sw.Intercept(nil)
	})
}

// TestTalksAndDoesNotListen has a switch send packets all the time and answer no echo request. It is given time, but not
// for ever, and what it owes takes no more room the longer it lasts.
func TestTalksAndDoesNotListen(t *testing.T) {
	inLab(t, single, func(l *lab) {
		sw := l.Switch("s1")
		sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
			if m.Type() == ofproto.TypeEchoRequest {
				v.Do = oftest.Swallow
			}
			return v
		})
		d, _ := l.c.datapath(1)
		silent := 0
		for range 90 {
			sw.Receive(3, announce(l.Host("hv1")))
			for range 10 { // as when somebody claims its name again and again
				d.ping(time.Now())
			}
			if l.after(time.Second); l.logged("switch down") > 0 {
				break
			}
			silent++
			d.echo.mu.Lock()
			if n := len(d.echo.open); n > maxOpen {
				l.t.Fatalf("%d open requests are remembered", n)
			}
			d.echo.mu.Unlock()
		}
		if silent < 50 || silent > 65 {
			l.t.Errorf("given up after %d s, want about a minute", silent)
		}
		sw.Intercept(nil)
	})
}

// TestDeadSwitch has a switch fall silent without its connection ending. It is given up after three unanswered echoes,
// and not before; once it answers again it is up again.
func TestDeadSwitch(t *testing.T) {
	inLab(t, single, func(l *lab) {
		sw := l.Switch("s1")
		one := l.watch("hv1") // goes on all the time: its peer is well, only nobody can ask it
		sw.Intercept(hang)
		l.after(14 * time.Second)
		if len(l.c.Switches()) != 1 {
			l.t.Error("given up too early")
		}
		for range 1000 { // the network's own reconnection comes soon after
			l.after(10 * time.Millisecond)
			if l.logged("switch down") > 0 {
				break
			}
		}
		if l.logged("switch does not answer: closed") != 1 || l.logged("switch down") != 1 {
			l.t.Errorf("closed %d times", l.logged("switch does not answer: closed"))
		}
		sw.Intercept(nil)
		l.settle()
		if len(l.c.Switches()) != 1 {
			l.t.Fatal("not up again")
		}
		l.servedBy(one, "hv1", "hb")
		l.servedBy(l.watch("hv1"), "hv1", "hb")
	})
}

// TestLivelySwitch answers in time, for ever, and its control channel's round trip is known.
func TestLivelySwitch(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.Switch("s1").Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
			if m.Type() == ofproto.TypeEchoRequest {
				v.Delay = 30 * time.Millisecond
			}
			return v
		})
		l.after(5 * time.Minute)
		if n := l.logged("switch down"); n != 0 {
			l.t.Errorf("lost %d times", n)
		}
		if rtt := l.c.Switches()[0].RTT; rtt != 30*time.Millisecond {
			l.t.Errorf("round trip %v, want 30 ms", rtt)
		}
	})
}

// TestDuplicate has a second switch claim a datapath id. While the first answers it stays, undisturbed; once it does not,
// the second takes its place.
func TestDuplicate(t *testing.T) {
	inLab(t, single, func(l *lab) {
		mods := l.flowMods()
		second := oftest.NewSwitch(oftest.Options{DPID: 1, Ports: []ofproto.Port{1, 2}})
		go second.Run(l.ctx, l.dial)
		l.after(10 * time.Second)
		if second.Received(ofproto.TypeFlowMod) != 0 {
			l.t.Error("the second was taken for the first")
		}
		if l.logged("switch down") != 0 || l.flowMods() != mods {
			l.t.Errorf("the first was disturbed: %d flow mods", l.flowMods()-mods)
		}
		l.servedBy(l.watch("hv1"), "hv1", "hb")

		l.Switch("s1").Intercept(hang)
		l.after(4 * time.Second)
		if second.Received(ofproto.TypeFlowMod) == 0 {
			l.t.Error("the second waits although the first is dead")
		}
		if l.metric("ofctl_switches_connected") != 1 {
			l.t.Errorf("%v switches", l.metric("ofctl_switches_connected"))
		}
		if l.metric("ofctl_packet_ins_total") == 0 { // the first's series went with it, and not the second's
			second.Receive(1, announce(l.Host("hv1")))
			l.after(time.Second)
			if n := l.metric("ofctl_packet_ins_total"); n == 0 {
				l.t.Error("what the second sends is not counted")
			}
		}
	})
}

// TestManyDuplicates has five hundred connections a second claim the datapath id of a switch that is 200 ms away. It is asked once for
// all that come in a round trip, its answer counts, and it stays.
func TestManyDuplicates(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		l.latency = []time.Duration{100 * time.Millisecond}
	}, func(l *lab) {
		l.latency = nil
		asked := l.Switch("s1").Received(ofproto.TypeEchoRequest)
		for range 1500 {
			nc, err := l.dial(l.ctx)
			if err != nil {
				l.t.Fatal(err)
			}
			go func() { _ = oftest.NewSwitch(oftest.Options{DPID: 1}).Serve(l.ctx, nc) }()
			time.Sleep(2 * time.Millisecond)
		}
		l.after(challengeTimeout)
		if n := l.logged("switch down"); n != 0 {
			l.t.Errorf("the first was closed %d times", n)
		}
		if n := l.metric("ofctl_handshakes_total"); n != 1501 {
			l.t.Errorf("%v handshakes, want 1501", n)
		}
		if n := l.Switch("s1").Received(ofproto.TypeEchoRequest) - asked; n > 100 { // probes and links take some
			l.t.Errorf("asked %d times in 25 round trips", n)
		}
		l.servedBy(l.watch("hv1"), "hv1", "hb")
		l.stop()
		l.after(time.Second) // what is under way arrives
	})
}

// TestOldestOpenCounts has more echo requests sent to a switch than are remembered before the first is answered. The first answer
// counts, however many follow it.
func TestOldestOpenCounts(t *testing.T) {
	var e echoes
	now := time.Now()
	answer, first := e.wait()
	if _, second := e.wait(); !first || second {
		t.Error("the second who waits is taken for the first")
	}
	for i := range uint32(2 * maxOpen) {
		e.sent(i, now, now)
	}
	e.answered(0)
	select {
	case <-answer:
	default:
		t.Error("the answer to the first of many requests does not count")
	}
}

// TestDuplicateOfOneThatLeaves has a switch connect anew while its first connection, which does not answer any more, is still there
// and then ends. That took no challenge, and nobody says so.
func TestDuplicateOfOneThatLeaves(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.Switch("s1").Intercept(hang)
		second := oftest.NewSwitch(oftest.Options{DPID: 1, Ports: []ofproto.Port{1, 2}})
		go second.Run(l.ctx, l.dial)
		l.after(challengeTimeout / 2)
		l.Switch("s1").Disconnect()
		l.after(100 * time.Millisecond)
		if second.Received(ofproto.TypeFlowMod) == 0 {
			l.t.Error("the second waits although the first has left")
		}
		if n := l.logged("no answer to a challenge by a newer connection: closed"); n != 0 || l.logged("switch down") != 1 {
			l.t.Errorf("closed %d times, down %d times", n, l.logged("switch down"))
		}
		l.Switch("s1").Intercept(nil)
	})
}

// slowly has a switch take so long for each rule.
func slowly(each time.Duration) oftest.Interceptor {
	return func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
		if m.Type() == ofproto.TypeFlowMod {
			time.Sleep(each)
		}
		return v
	}
}

// slowTable is what it takes to have a switch come back empty that is to have n rules, each of which takes it so long.
func (l *lab) slowTable(n int, each time.Duration) {
	for i := range n {
		m := ofproto.MatchAll
		m.Wildcards &^= ofproto.WildDLType | ofproto.WildNWProto | ofproto.WildTPSrc
		m.DLType, m.NWProto, m.TPSrc = 0x800, 6, uint16(1+i)
		l.c.table(1).install([]flow.Rule{{Match: m, Priority: flow.PrioritySession, Cookie: flow.NewCookie(flow.KindSession, uint32(i)), Notify: true}}, "", nil)
	}
	l.after(10 * time.Second)
	l.Switch("s1").Intercept(slowly(each))
	l.Switch("s1").Restart()
	l.after(500 * time.Millisecond)
	if have := l.sessionRules(); have == 0 || have == n {
		l.t.Fatalf("%d of %d rules", have, n)
	}
}

// TestDuplicateWhileBusy has a second switch claim the datapath id of one that is busy taking its rules.
func TestDuplicateWhileBusy(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.slowTable(20000, 200*time.Microsecond)
		second := oftest.NewSwitch(oftest.Options{DPID: 1, Ports: []ofproto.Port{1, 2}})
		go second.Run(l.ctx, l.dial)
		l.after(20 * time.Second)
		if second.Received(ofproto.TypeFlowMod) != 0 || l.logged("switch down") != 1 { // by its restart
			l.t.Errorf("the second was taken for the first, which was down %d times", l.logged("switch down"))
		}
		if n := l.sessionRules(); n != 20000 {
			l.t.Errorf("%d rules", n)
		}
	})
}

// TestBusyForLong has a switch take its rules for more than a minute. It is not given up, although its answers wait behind them; what it
// confirms tells that it lives.
func TestBusyForLong(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.slowTable(10000, 4*time.Millisecond)
		l.after(2 * time.Minute)
		if n := l.logged("switch down"); n != 1 { // by its restart
			l.t.Errorf("down %d times", n)
		}
		if n := l.sessionRules(); n != 10000 {
			l.t.Errorf("%d rules", n)
		}
	})
}

// TestSlowSwitch has a switch lack rules, or have too many, and take so long for each that a thousand take longer than its silence is
// borne. It says of some of them after the other that they are done, and is not given up.
func TestSlowSwitch(t *testing.T) {
	const each = 25 * time.Millisecond
	t.Run("adds", func(t *testing.T) {
		inLab(t, single, func(l *lab) {
			l.slowTable(2000, each)
			l.after(2 * time.Minute)
			if n := l.logged("switch down"); n != 1 { // by its restart
				l.t.Errorf("down %d times", n)
			}
			if n := l.sessionRules(); n != 2000 {
				l.t.Errorf("%d rules", n)
			}
		})
	})
	t.Run("deletes", func(t *testing.T) {
		inLab(t, single, func(l *lab) {
			sw := l.Switch("s1")
			sw.Disconnect()
			for i := range 2000 {
				var mod ofproto.FlowMod
				surplus := byPort(i)
				surplus.Add(&mod)
				if err := sw.Apply(&mod); err != nil {
					l.t.Fatal(err)
				}
			}
			l.c.table(1).install([]flow.Rule{byPort(2000)}, "", nil)
			sw.Intercept(slowly(each))
			l.after(2 * time.Minute)
			if n := l.logged("switch down"); n != 1 {
				l.t.Errorf("down %d times", n)
			}
			if n := l.sessionRules(); n != 1 {
				l.t.Errorf("%d rules", n)
			}
		})
	})
}

// TestConfirmingIsLife has a switch that answers no echo request, as they wait behind many rules, confirm some of these.
func TestConfirmingIsLife(t *testing.T) {
	var e echoes
	start := time.Unix(1000, 0)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	for i := range uint32(3) {
		e.sent(i, start, start)
	}
	e.heard(at(59)) // packets
	if !e.dead(at(60), 5*time.Second) {
		t.Error("not dead after a minute without an answer")
	}
	e.took(at(50))
	if e.heard(at(109)); e.dead(at(109), 5*time.Second) {
		t.Error("dead within a minute of its last word about its rules")
	}
	if !e.dead(at(110), 5*time.Second) {
		t.Error("not dead a minute after that")
	}
}
