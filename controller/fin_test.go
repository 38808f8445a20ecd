package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
	"github.com/ofctl-live/ofctl-live/policies/direct"
)

// ended is how many sessions have ended in a way.
func (l *lab) ended(how string) float64 {
	return testutil.ToFloat64(l.c.metrics.ends.WithLabelValues(how))
}

// gone fails the test unless no session is left, nor a rule or a place of one.
func (l *lab) gone() {
	l.t.Helper()
	if n := len(l.c.Sessions()); n != 0 {
		l.t.Errorf("%d sessions, want none\n%s", n, l.dump())
	}
	if n := l.sessionRules(); n != 0 {
		l.t.Errorf("%d session rules, want none\n%s", n, l.dump())
	}
	if n := l.c.Peers()[0].Viewers; n != 0 {
		l.t.Errorf("%d viewers counted at the peer", n)
	}
}

// atPeer is the peer's end of a viewer's newest connection.
func (l *lab) atPeer(viewer string) *oftest.Conn {
	l.t.Helper()
	conns := from(l.Host("hb"), l.Host(viewer))
	if len(conns) == 0 {
		l.t.Fatalf("the peer has no connection from %s\n%s", viewer, l.dump())
	}
	return conns[len(conns)-1]
}

// TestFinished closes connections, by FIN from both ends and by RST from one. Their sessions are gone within seconds, and
// what they carried is counted; an audit in between repairs nothing.
func TestFinished(t *testing.T) {
	for _, build := range []func(*lab){single, line} {
		for _, closed := range []func(l *lab, v, p *oftest.Conn){
			func(l *lab, v, p *oftest.Conn) { v.CloseWrite(); l.after(100 * time.Millisecond); p.CloseWrite() },
			func(l *lab, v, p *oftest.Conn) {
				l.Host("hv1").SendTCP(packet.TCP{DstIP: cdnIP, SrcPort: v.Local(), DstPort: 1935, Seq: v.Next(), Flags: packet.RST})
			},
		} {
			inLab(t, func(l *lab) { build(l); l.o.AuditInterval = time.Second }, func(l *lab) {
				v := l.watch("hv1")
				l.servedBy(v, "hv1", "hb")
				l.after(10 * time.Second)
				mods := l.flowMods()
				closed(l, v, l.atPeer("hv1"))
				l.after(4 * time.Second)
				if n := len(l.c.Sessions()); n != 1 {
					l.t.Errorf("%d sessions, want the one that may still say something", n)
				}
				if n := l.flowMods() - mods; n != 0 || l.metric("ofctl_audit_repairs_total") != 0 {
					l.t.Errorf("%d flow mods, %v repairs while the rules run out\n%s", n, l.metric("ofctl_audit_repairs_total"), l.dump())
				}
				l.after(4 * time.Second)
				l.gone()
				if n := l.ended("finished"); n != 1 || l.ended("idle") != 0 {
					l.t.Errorf("%v sessions finished, %v idle", n, l.ended("idle"))
				}
				if l.metric("ofctl_session_bytes_total") < 300 {
					l.t.Errorf("%v bytes counted", l.metric("ofctl_session_bytes_total"))
				}
				l.after(6 * time.Minute)
				if l.c.sessions.Len() != 0 {
					l.t.Error("remembered for ever")
				}
			})
		}
	}
}

// TestHalfClosed has the viewer close its end only. What the peer still sends comes through for as long as it sends, and after
// a pause in which the rules have gone, whatever the policy is by then; the last words after that need no rules.
func TestHalfClosed(t *testing.T) {
	for _, build := range []func(*lab){single, line} {
		inLab(t, build, func(l *lab) {
			v := l.watch("hv1")
			l.servedBy(v, "hv1", "hb")
			p := l.atPeer("hv1")
			v.CloseWrite()
			for range 20 {
				l.after(2 * time.Second)
				p.Write([]byte("."))
			}
			l.after(time.Second)
			if got := len(v.Read()); got != 20 || len(l.c.Sessions()) != 1 {
				l.t.Errorf("%d of 20 bytes came, %d sessions", got, len(l.c.Sessions()))
			}
			l.after(8 * time.Second)
			l.gone()

			s := l.c.Settings()
			s.Policy = direct.Policy{}
			l.c.Set(s)
			l.Host("hv1").Frames()
			p.Write([]byte("there is more"))
			l.after(time.Second)
			if got := string(v.Read()); got != "there is more" || saw(l.Host("hv1"), peerIP) != 0 {
				l.t.Errorf("after a pause %q came\n%s", got, l.dump())
			}
			if s := l.session(l.Host("hv1")); s.Source.Name != "hb" || s.State != "active" {
				l.t.Errorf("it is served by %s, %s", s.Source.Name, s.State)
			}
			l.servedBy(l.watch("hv2"), "hv2", "hs")

			l.after(4 * time.Minute) // silent once more, for so long that it is parked
			p.CloseWrite()
			l.after(7 * time.Second)
			if v.State() != oftest.Closed {
				l.t.Errorf("the viewer's end is in state %v", v.State())
			}
			for _, s := range l.c.Sessions() {
				if s.Client == l.Host("hv1").IP {
					l.t.Errorf("it is %s, want it gone", s.State)
				}
			}
		})
	}
}

// TestLastWords has one end close long after the other has. Its FIN and what answers it pass, and bring no rules back.
func TestLastWords(t *testing.T) {
	for _, viewerFirst := range []bool{true, false} {
		inLab(t, line, func(l *lab) {
			v := l.watch("hv1")
			l.servedBy(v, "hv1", "hb")
			first, last := v, l.atPeer("hv1")
			at, from := l.Host("hb"), l.Host("hv1").IP
			if !viewerFirst {
				first, last = last, first
				at, from = l.Host("hv1"), cdnIP // as whom it knows the peer
			}
			first.CloseWrite()
			l.after(8 * time.Second)
			l.gone()
			at.Frames()
			last.CloseWrite()
			l.after(time.Second)
			if n := saw(at, from); first.State() != oftest.Closed || n != 1 {
				l.t.Errorf("the end that closed first is in state %v, %d acknowledgements\n%s", first.State(), n, l.dump())
			}
			l.gone()
		})
	}
}

// TestBackMeanwhile has a packet bring a session back while its rules are still being removed, as both its ends have been silent
// or one of them has closed: the rules are there in the end.
func TestBackMeanwhile(t *testing.T) {
	for _, why := range []sessionState{parked, finished} {
		inLab(t, line, func(l *lab) {
			v := l.watch("hv1")
			l.servedBy(v, "hv1", "hb")
			s, _ := l.c.sessions.Load(l.session(l.Host("hv1")).Tuple)
			rules := l.sessionRules()
			plan, _ := s.rest(why)
			next, err := steer.Session(&s.Session, l.c.Topology(), l.c.idleSeconds())
			if err != nil {
				l.t.Fatal(err)
			}
			s.mu.Lock()
			s.setState(pending)
			s.mu.Unlock()
			s.install(next, nil) // as the packet does
			s.clear(plan, func(flow.Rule) bool { return true })
			l.after(time.Second)
			if n := l.sessionRules(); n != rules {
				l.t.Errorf("%v: %d rules, want %d\n%s", why, n, rules, l.dump())
			}
			l.servedBy(v, "hv1", "hb")
		})
	}
}

// TestRestartAfterFin has the daemon replaced between a connection's end and the end of its rules.
func TestRestartAfterFin(t *testing.T) {
	inLab(t, line, func(l *lab) {
		v := l.watch("hv1")
		l.servedBy(v, "hv1", "hb")
		stays := l.watch("hv2")
		v.CloseWrite()
		l.after(100 * time.Millisecond)
		l.atPeer("hv1").CloseWrite()
		l.after(100 * time.Millisecond)
		mods := l.flowMods()
		l.restart()
		if n := len(l.c.Sessions()); n != 2 {
			l.t.Errorf("%d sessions after the restart, want 2\n%s", n, l.dump())
		}
		if n := l.flowMods() - mods; n != 0 {
			l.t.Errorf("%d flow mods at the restart\n%s", n, l.dump())
		}
		l.after(8 * time.Second)
		if n := len(l.c.Sessions()); n != 1 || l.ended("finished") != 1 {
			l.t.Errorf("%d sessions, %v finished, want 1 and 1\n%s", n, l.ended("finished"), l.dump())
		}
		l.servedBy(stays, "hv2", "hb")
	})
}

// TestNoFinTimeout has switches that do not know fin_timeout, by their description or by their answer to it. Sessions come up
// as elsewhere, and end in a long silence.
func TestNoFinTimeout(t *testing.T) {
	withFin := func(m ofproto.Message) bool {
		mod, ok := m.(*ofproto.FlowMod)
		return ok && slices.ContainsFunc(mod.Actions, func(a ofproto.Action) bool { _, fin := a.(ofproto.FinTimeout); return fin })
	}
	packetIns := make(map[bool]float64) // while a session comes up
	for _, plain := range []bool{true, false} {
		asked := 0
		inLab(t, func(l *lab) {
			singleWith(l, oftest.Options{Plain: plain})
			l.Switch("s1").Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
				if withFin(m) {
					asked++
					v = oftest.Verdict{Do: oftest.Refuse, Refusal: oftest.BadActionVendor}
				}
				return v
			})
		}, func(l *lab) {
			before := l.metric("ofctl_packet_ins_total")
			v := l.watch("hv1")
			packetIns[plain] = l.metric("ofctl_packet_ins_total") - before
			l.servedBy(v, "hv1", "hb")
			want := map[bool]int{true: 0, false: 2}[plain] // both rules of the first session
			if l.servedBy(l.watch("hv2"), "hv2", "hb"); asked != want {
				l.t.Errorf("asked for fin_timeout %d times, want %d", asked, want)
			}
			for _, r := range l.rules("s1", flow.KindSession) {
				if r.Actions[0].Type() == ofproto.ActionVendor {
					l.t.Errorf("%v", r)
				}
			}
			l.Switch("s1").Disconnect()
			l.after(2 * time.Second)
			v.CloseWrite()
			l.atPeer("hv1").CloseWrite()
			l.after(4 * time.Minute)
			if asked != want || l.ended("idle") != 2 || l.ended("finished") != 0 || l.metric("ofctl_audit_repairs_total") != 0 {
				l.t.Errorf("asked %d times, %v idle, %v finished, %v repairs", asked, l.ended("idle"), l.ended("finished"), l.metric("ofctl_audit_repairs_total"))
			}
		})
	}
	if packetIns[true] != packetIns[false] {
		t.Errorf("%v packets came up where fin_timeout is refused, %v where it is not asked for", packetIns[false], packetIns[true])
	}
}

// TestFinBehindRequest has a client say what it wants and be gone in the same moment, which its source does not answer: the session
// ends as soon as any other that is closed, though its rule is replaced just then.
func TestFinBehindRequest(t *testing.T) {
	for name, flags := range map[string]uint8{"FIN": packet.FIN | packet.ACK, "RST": packet.RST} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) { single(l); l.o.Peers[0].Ingest = true }, func(l *lab) {
				v := l.watch("hv1")
				l.Switch("s1").Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
					if m.Type() == ofproto.TypeFlowMod {
						time.Sleep(50 * time.Millisecond)
					}
					return v
				})
				v.Write(publishing(l.t))
				l.Host("hv1").SendTCP(packet.TCP{DstIP: cdnIP, SrcPort: v.Local(), DstPort: 1935, Seq: v.Next(), Flags: flags})
				l.after(time.Second)
				if s := l.session(l.Host("hv1")); s.Intent == nil {
					l.t.Fatal("its request was not read")
				}
				l.after(9 * time.Second)
				if n := l.ended("finished"); n != 1 {
					l.t.Errorf("%v sessions finished, want 1\n%s", n, l.dump())
				}
				l.gone()
			})
		})
	}
}

// TestLastWordReads has a client be overheard in the midst of what it wants, and close: nothing of that is kept.
func TestLastWordReads(t *testing.T) {
	inLab(t, single, func(l *lab) {
		v := l.watch("hv1")
		v.Write(publishing(l.t)[:100])
		l.after(time.Second)
		all := l.c.sessionsWhere(func(s *session) bool { return s.reading != nil })
		if len(all) != 1 {
			l.t.Fatalf("%d are being read", len(all))
		}
		v.CloseWrite()
		l.after(time.Second)
		all[0].mu.Lock()
		defer all[0].mu.Unlock()
		if all[0].hearing || all[0].reading != nil {
			l.t.Error("what was read is kept")
		}
	})
}
