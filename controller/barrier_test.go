package controller

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// known is one switch, and viewers that it has learnt.
func known(test func(*lab)) func(*lab) {
	return func(l *lab) {
		l.watch("hv1")
		l.watch("hv2")
		test(l)
	}
}

// together has viewers dial at one moment: their SYNs come to the controller in one read.
func (l *lab) together(viewers ...string) (conns []*oftest.Conn) {
	l.atOnce(func() {
		for _, v := range viewers {
			conns = append(conns, l.Host(v).Dial(cdnIP, 1935))
		}
		l.after(20 * time.Millisecond)
	})
	return conns
}

// fences has a switch count the barriers that follow rules of sessions, and tell of a packet that is sent before the barrier behind
// rules is.
func (l *lab) fences(sw *oftest.Switch, then oftest.Interceptor) *int {
	n, open := new(int), false
	sw.Intercept(func(at int, xid uint32, m ofproto.Message) (v oftest.Verdict) {
		switch m := m.(type) {
		case *ofproto.FlowMod:
			open = open || flow.Cookie(m.Cookie).Kind() == flow.KindSession && m.Command == ofproto.FlowAdd
		case *ofproto.BarrierRequest:
			if open {
				*n++
			}
			open = false
		case *ofproto.PacketOut:
			if open {
				l.t.Error("a packet is sent and no barrier between it and the rules")
			}
		}
		if then != nil {
			v = then(at, xid, m)
		}
		return v
	})
	return n
}

// TestOneBarrier has viewers dial at one moment. One barrier confirms the rules of all of them, each session is told by it and
// each counted; until its reply is there, all are pending, and their SYNs have gone.
func TestOneBarrier(t *testing.T) {
	inLab(t, single, known(func(l *lab) {
		sw := l.Switch("s1")
		before, timed := l.metric("ofctl_decisions_total"), l.metric("ofctl_flow_install_duration_seconds")
		n := l.fences(sw, oftest.HoldBarriers)
		conns := l.together("hv1", "hv2", "hv1", "hv2", "hv1")
		l.after(time.Second)
		if *n != 1 {
			l.t.Errorf("%d barriers for the rules of five sessions", *n)
		}
		pending := 0
		for _, s := range l.c.Sessions() {
			if s.State == "pending" {
				pending++
			}
		}
		if got := l.metric("ofctl_decisions_total") - before; got != 0 || pending != 5 {
			l.t.Errorf("%v decisions counted, %d sessions pending, want 0 and 5 before the reply", got, pending)
		}
		sw.Intercept(nil)
		sw.Release(nil)
		l.after(time.Second)
		l.whole()
		if got := l.metric("ofctl_decisions_total") - before; got != 5 {
			l.t.Errorf("%v decisions counted, want 5", got)
		}
		if got := l.metric("ofctl_flow_install_duration_seconds") - timed; got != 5 {
			l.t.Errorf("%v installations timed, want 5", got)
		}
		for _, c := range conns {
			if !c.Established() {
				l.t.Error("one is not connected")
			}
		}
		l.servedBy(conns[3], "hv2", "hb")
		l.servedBy(conns[4], "hv1", "hb")
	}))
}

// TestSlowSwitchAmongMany has hundreds dial in one read while their switch takes 20 rules a second. The first need not wait for the
// last, and the switch, which does as it is told, is not given up.
func TestSlowSwitchAmongMany(t *testing.T) {
	const each = 50 * time.Millisecond
	inLab(t, single, known(func(l *lab) {
		sw := l.Switch("s1")
		since, most := 0, 0
		sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
			switch m := m.(type) {
			case *ofproto.FlowMod:
				if flow.Cookie(m.Cookie).Kind() == flow.KindSession {
					since++
					most = max(most, since)
					time.Sleep(each)
				}
			case *ofproto.BarrierRequest:
				since = 0
			}
			return v
		})
		l.together(slices.Repeat([]string{"hv1", "hv2"}, 200)...)
		l.after((2*maxShared + 2) * each)
		if n := len(from(l.Host("hb"), l.Host("hv1"))) + len(from(l.Host("hb"), l.Host("hv2"))) - 2; n != maxShared {
			l.t.Errorf("%d are at the peer once the switch has taken the rules of eight", n)
		}
		l.after(time.Minute)
		if most != 2*maxShared {
			l.t.Errorf("a barrier behind %d rules, want no more than %d", most, 2*maxShared)
		}
		if n := l.logged("switch down"); n != 0 {
			l.t.Errorf("given up %d times", n)
		}
		sw.Intercept(nil)
		l.after(10 * time.Second)
		l.whole()
	}))
}

// TestOneOfBatchRefused has a switch refuse, of several sessions' rules before one barrier, those of one. That one falls back to the
// CDN, and the others are served by the peer.
func TestOneOfBatchRefused(t *testing.T) {
	for _, tt := range []struct {
		refusal oftest.Refusal
		fences  int // for all, for what is refused for an action and sent again without fin_timeout, and for the session that fell back
	}{{oftest.TableFull, 2}, {oftest.BadActionType, 3}} {
		inLab(t, single, known(func(l *lab) {
			of := l.Host("hv2").IP
			refuse := oftest.RefuseFlowMods(tt.refusal, func(m *ofproto.FlowMod) bool {
				return m.Command == ofproto.FlowAdd && m.Match.NWSrc == of && strings.Contains(m.String(), "mod_nw_dst")
			})
			syns := 0
			n := l.fences(l.Switch("s1"), func(at int, xid uint32, m ofproto.Message) oftest.Verdict {
				var p packet.Peeked
				if out, ok := m.(*ofproto.PacketOut); ok && packet.Peek(out.Data, &p) == nil && p.SrcIP == of && p.TCPFlags == packet.SYN {
					syns++
				}
				return refuse(at, xid, m)
			})
			conns := l.together("hv1", "hv2", "hv1")
			l.after(3 * time.Second)
			if *n != tt.fences || syns != 2 {
				l.t.Errorf("%d barriers, %d SYNs sent on, want %d and one for each source", *n, syns, tt.fences)
			}
			l.servedBy(conns[1], "hv2", "hs")
			l.servedBy(conns[2], "hv1", "hb")
			l.whole()
			if got := len(from(l.Host("hs"), l.Host("hv1"))); got != 0 {
				l.t.Errorf("%d connections of the other viewer at the CDN", got)
			}
			if got := l.metric("ofctl_flow_errors_total"); got != 1 {
				l.t.Errorf("%v refused rules counted, want 1", got)
			}
		}))
	}
}

// TestBatchLost loses the connection at each message by which several sessions that began at one moment are installed.
func TestBatchLost(t *testing.T) {
	for _, outcome := range []oftest.Outcome{oftest.CloseBefore, oftest.CloseAfter} {
		steps := 0
		for hit := true; hit; steps++ {
			hit = false
			inLab(t, single, known(func(l *lab) {
				l.Switch("s1").Intercept(loseNext(steps+1, outcome, &hit))
				conns := l.together("hv1", "hv2")
				l.after(50 * time.Millisecond)
				l.Switch("s1").Intercept(nil)
				l.after(3 * time.Second)
				l.whole()
				for i, v := range []string{"hv1", "hv2"} {
					if !conns[i].Established() {
						conns[i] = l.Host(v).DialFrom(conns[i].Local(), cdnIP, 1935)
						l.after(2 * time.Second)
					}
					if !conns[i].Established() {
						l.t.Fatalf("message %d: %s is not connected\n%s", steps+1, v, l.dump())
					}
					server := "hb"
					if len(from(l.Host("hs"), l.Host(v))) > 0 {
						server = "hs"
					}
					l.servedBy(conns[i], v, server)
				}
				l.whole()
			}))
		}
		if steps < 8 {
			t.Errorf("lost at %d messages only", steps)
		}
	}
}

// TestBatchInAnyOrder has a switch execute in any order what has no barrier between, while several begin at one moment, some from a
// port that another has just begun from. Nothing is left of the sessions that were replaced.
func TestBatchInAnyOrder(t *testing.T) {
	for seed := range uint64(20) {
		inLab(t, func(l *lab) { singleWith(l, oftest.Options{Shuffle: rand.New(rand.NewPCG(seed, 1)).Perm}) }, func(l *lab) {
			l.atOnce(func() {
				for i := range uint32(6) {
					for _, v := range []string{"hv1", "hv2"} {
						l.Host(v).SendTCP(packet.TCP{
							DstIP: cdnIP, SrcPort: uint16(42000 + i/2), DstPort: 1935, Seq: 1000 * i, Flags: packet.SYN, Window: 1000,
						})
					}
				}
				l.after(20 * time.Millisecond)
			})
			l.after(time.Second)
			l.whole()
			if n := len(l.c.Sessions()); n != 6 {
				l.t.Errorf("%d sessions, want 6", n)
			}
		})
	}
}

// TestSameReadBehindSYN has what a client says come up in the same read as its SYN: all of it goes on, in its order, and behind the
// rules and their barrier.
func TestSameReadBehindSYN(t *testing.T) {
	r := newRig(t)
	r.settle(t)
	var batch [][]byte
	for i := range byte(3) {
		in := bytes.Clone(syn(1))
		if tcp := in[ofproto.HeaderLen+10+14+20:]; i > 0 {
			tcp[13] = packet.ACK
			binary.BigEndian.PutUint32(tcp[4:], 7+uint32(i))
		}
		batch = append(batch, in)
	}
	if err := r.d.handleBatch(batch); err != nil {
		t.Fatal(err)
	}
	var got []ofproto.Type
	var outs [][]byte
	for b := r.sent; len(b) > 0; b = b[binary.BigEndian.Uint16(b[2:]):] {
		_, m, err := ofproto.Decode(b[:binary.BigEndian.Uint16(b[2:])])
		if err != nil {
			t.Fatal(err)
		}
		if m.Type() != ofproto.TypeEchoRequest {
			got = append(got, m.Type())
		}
		if out, ok := m.(*ofproto.PacketOut); ok {
			outs = append(outs, out.Data)
		}
	}
	if len(outs) != len(batch) {
		t.Fatalf("%d packets were sent on, want %d: %v", len(outs), len(batch), got)
	}
	for i, in := range batch {
		if !bytes.Equal(outs[i], in[ofproto.HeaderLen+10:]) {
			t.Errorf("the packet sent on as number %d is another", i+1)
		}
	}
	if got[0] != ofproto.TypeFlowMod || got[1] != ofproto.TypeFlowMod || got[2] != ofproto.TypeBarrierRequest {
		t.Errorf("sent %v", got)
	}
}

// A recorder is a sender that notes what is sent.
type recorder struct {
	xid  uint32
	xids []uint32
	sent []ofproto.Type
}

func (r *recorder) reserve(n uint32) uint32 { r.xid += n; return r.xid - n + 1 }
func (r *recorder) kick()                   {}
func (r *recorder) flush()                  {}
func (r *recorder) Write(xid uint32, m ofproto.Message) error {
	r.xids, r.sent = append(r.xids, xid), append(r.sent, m.Type())
	return nil
}

// TestOpenBatch changes and deletes rules that no barrier follows yet, and asks for the oldest barrier while there is none.
func TestOpenBatch(t *testing.T) {
	const mod, fence = ofproto.TypeFlowMod, ofproto.TypeBarrierRequest
	other := byPort(1)
	other.Idle = 7
	for _, tt := range []struct {
		name string
		do   func(*installer)
		want []ofproto.Type
	}{
		{"two", func(t *installer) { t.install([]flow.Rule{byPort(2)}, "", nil) }, []ofproto.Type{mod, mod, fence}},
		{"the same", func(t *installer) { t.install([]flow.Rule{byPort(1)}, "", nil) }, []ofproto.Type{mod, fence}},
		{"another in its place", func(t *installer) { t.install([]flow.Rule{other}, "", nil) }, []ofproto.Type{mod, fence, mod, fence}},
		{"deleted", func(t *installer) { t.remove([]flow.Key{byPort(1).Key()}) }, []ofproto.Type{mod, fence, mod}},
		{"deleted, and back", func(t *installer) {
			t.remove([]flow.Key{byPort(1).Key()})
			t.install([]flow.Rule{byPort(1)}, "", nil)
		}, []ofproto.Type{mod, fence, mod, fence, mod, fence}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table, out := newInstaller(1, newMetrics(prometheus.NewRegistry()), nil), &recorder{}
			table.connect(out, nil, false)
			table.share(out)
			table.install([]flow.Rule{byPort(1)}, "", nil)
			if b, ok := table.oldest(); ok {
				t.Errorf("barrier %d is out, want none yet", b)
			}
			if table.acknowledged(0, time.Unix(1, 0)) {
				t.Error("what no barrier follows is confirmed")
			}
			tt.do(table)
			table.settle()
			if !slices.Equal(out.sent, tt.want) {
				t.Errorf("sent %v, want %v", out.sent, tt.want)
			}
			for i, what := range out.sent {
				if what == fence && i > 0 {
					table.acknowledged(out.xids[i], time.Unix(1, 0))
				}
			}
			if n := table.unconfirmed(); n != 0 {
				t.Errorf("%d installations are not confirmed by all barriers", n)
			}
			if table.acknowledged(out.xid+1, time.Unix(1, 0)) {
				t.Error("a barrier that was never sent confirms something")
			}
		})
	}
}

// TestShareEnds ends a connection in the midst of a batch: the rules of the next are not left without a barrier.
func TestShareEnds(t *testing.T) {
	table, first, second := newInstaller(1, newMetrics(prometheus.NewRegistry()), nil), &recorder{}, &recorder{}
	table.connect(first, nil, false)
	table.share(first)
	table.install([]flow.Rule{byPort(1)}, "", nil)
	table.disconnect(first)
	table.connect(second, nil, false)
	table.share(first) // whose last messages are still being handled
	table.install([]flow.Rule{byPort(2)}, "", nil)
	if want := []ofproto.Type{ofproto.TypeFlowMod, ofproto.TypeBarrierRequest, ofproto.TypeFlowMod, ofproto.TypeBarrierRequest}; !slices.Equal(second.sent, want) {
		t.Errorf("sent %v, want %v", second.sent, want)
	}
}

// TestRepairedInParts has an audit, which is of a batch as well, find thousands of rules missing: each part that is sent has a barrier
// of its own, so that it is known which have been taken.
func TestRepairedInParts(t *testing.T) {
	table, out := newInstaller(1, newMetrics(prometheus.NewRegistry()), nil), &recorder{}
	table.connect(out, nil, false)
	for i := range 3 * atOnce {
		table.rules.put(&installed{rule: byPort(i)})
	}
	surplus := byPort(3 * atOnce)
	have := entries{ours: []ofproto.FlowStat{{Match: surplus.Match, Priority: surplus.Priority, Cookie: uint64(surplus.Cookie)}}}
	table.share(out)
	table.repair(have, time.Unix(1, 0))
	n := 0
	for _, what := range out.sent {
		if what == ofproto.TypeBarrierRequest {
			n++
		}
	}
	if n != 4 {
		t.Errorf("%d barriers for a deletion and three parts, want 4", n)
	}
}
