package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// quietly fails the test where a switch is sent a flow mod, but for rules of pairs of hosts, until the function that it
// returns is called.
func (l *lab) quietly() (end func()) {
	for _, sw := range l.Switches() {
		sw.Intercept(func(_ int, _ uint32, m ofproto.Message) oftest.Verdict {
			if mod, ok := m.(*ofproto.FlowMod); ok && flow.Cookie(mod.Cookie).Kind() != flow.KindPair {
				l.t.Errorf("a rule is sent again: %v", mod)
			}
			return oftest.Verdict{}
		})
	}
	return func() {
		for _, sw := range l.Switches() {
			sw.Intercept(nil)
		}
	}
}

// TestRestartWithEqualHashes restarts the controller while two sessions have rules of the same cookie. Both are known again,
// each as itself.
func TestRestartWithEqualHashes(t *testing.T) {
	one := stream.Tuple{Client: ofproto.IPv4{10, 0, 155, 100}, ClientPort: 36361, Service: cdnIP, ServicePort: 1935}
	other := stream.Tuple{Client: ofproto.IPv4{10, 0, 13, 50}, ClientPort: 39710, Service: cdnIP, ServicePort: 1935}
	if one.Hash() != other.Hash() {
		t.Fatalf("%x and %x are not equal", one.Hash(), other.Hash())
	}
	inLab(t, func(l *lab) {
		for i, name := range []string{"s1", "s2"} {
			l.AddSwitch(name, oftest.Options{DPID: ofproto.DPID(i + 1)})
		}
		l.Join("s1", 10, "s2", 11, 5*time.Millisecond)
		l.AddHost("hb", "10.0.0.1", "s2", 1, 2*time.Millisecond).Listen(1935)
		l.AddHost("hs", "10.0.0.2", "s2", 2, 50*time.Millisecond).Listen(1935)
		l.AddHost("one", one.Client.String(), "s1", 1, time.Millisecond)
		l.AddHost("other", other.Client.String(), "s1", 2, time.Millisecond)
		l.o.Peers[0].MaxViewers = 1
	}, func(l *lab) {
		first := l.Host("one").DialFrom(one.ClientPort, cdnIP, 1935)
		l.after(time.Second)
		second := l.Host("other").DialFrom(other.ClientPort, cdnIP, 1935)
		l.after(time.Second)
		l.servedBy(first, "one", "hb")
		l.servedBy(second, "other", "hs")
		end := l.quietly()
		l.restart()
		l.settle()
		end()
		for name, source := range map[string]string{"one": "hb", "other": stream.CDN} {
			if s := l.session(l.Host(name)); s.Source.Name != source || s.State != "active" {
				l.t.Errorf("%s: %s from %s, want %s", name, s.State, s.Source.Name, source)
			}
		}
		if n := l.c.Peers()[0].Viewers; n != 1 {
			l.t.Errorf("%d viewers at the peer, want 1", n)
		}
		l.servedBy(first, "one", "hb")
		l.servedBy(second, "other", "hs")
		l.whole()
	})
}

// TestRestartWhileOverheard restarts the controller when a client is connected and has not said what it wants. Its rules stay
// as they are until it does, and the new controller reads it; or, where it never says a word, until it has had a minute.
func TestRestartWhileOverheard(t *testing.T) {
	for _, build := range []func(*lab){single, line} {
		for _, says := range []bool{true, false} {
			inLab(t, func(l *lab) { build(l); l.o.Peers[0].Ingest = true }, func(l *lab) {
				one := l.watch("hv1")
				copying := func() (n int) {
					for _, f := range l.rules("s1", flow.KindSession) {
						if out, ok := f.Actions[len(f.Actions)-1].(ofproto.Output); ok && out.Port == ofproto.PortController {
							n++
						}
					}
					return n
				}
				if copying() != 1 {
					l.t.Fatalf("the client is not overheard\n%s", l.dump())
				}
				end := l.quietly()
				l.restart()
				l.settle()
				end()
				if copying() != 1 {
					l.t.Error("the client is not overheard any more")
				}
				if says {
					one.Write(publishing(l.t))
				} else {
					l.after(2 * time.Minute)
				}
				l.after(time.Second)
				if copying() != 0 {
					l.t.Error("the client is overheard for ever")
				}
				if s := l.session(l.Host("hv1")); says && (s.Intent == nil || s.Intent.Key != "a") {
					l.t.Errorf("what it says is not understood: %+v", s.Intent)
				}
				l.servedBy(one, "hv1", "hb")
				l.whole()
			})
		}
	}
}

// TestRestartFindsEdge restarts the controller, the switches returning in another order each time. Once the links are known
// again, the client's switch is told from the others although none of them rewrites.
func TestRestartFindsEdge(t *testing.T) {
	for late := range 3 {
		inLab(t, func(l *lab) { line(l); l.direct() }, func(l *lab) {
			one := l.watch("hv1")
			l.servedBy(one, "hv1", "hs")
			for i, sw := range l.Switches() {
				sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
					if m.Type() == ofproto.TypeFeaturesRequest {
						v.Delay = time.Duration((i+late)%3) * 50 * time.Millisecond
					}
					return v
				})
			}
			l.restart()
			l.settle()
			s, _ := l.c.sessions.Load(l.session(l.Host("hv1")).Tuple)
			s.mu.Lock()
			if edge := s.plan.Edge(); edge != 1 || len(s.plan.Steps) != 3 {
				l.t.Errorf("the client's switch is %v of %d, want s1 of 3", edge, len(s.plan.Steps))
			}
			if s.meter.bytes == 0 {
				l.t.Error("what it carries is not measured")
			}
			s.mu.Unlock()
			l.servedBy(one, "hv1", "hs")
			l.whole()
		})
	}
}

// TestTupleOf reads the connection from each rule that a session has, on every switch.
func TestTupleOf(t *testing.T) {
	for _, tt := range []struct{ client, server string }{{"hv1", "hb"}, {"hv1", "hs"}, {"hb", "hb"}} {
		inLab(t, line, func(l *lab) {
			from, to := l.Host(tt.client), l.Host(tt.server)
			s := stream.Session{
				Tuple:     stream.Tuple{Client: from.IP, ClientPort: 40000, Service: cdnIP, ServicePort: 1935},
				ClientMAC: from.MAC, DialedMAC: l.Host("hs").MAC,
				Source: stream.Source{Name: tt.server, MAC: to.MAC, Address: to.IP, Port: 1935},
			}
			for _, h := range []*oftest.Host{from, to} {
				at := map[string]topo.Point{"hv1": {DPID: 1, Port: 1}, "hb": {DPID: 2, Port: 1}, "hs": {DPID: 3, Port: 1}}[h.Name]
				l.c.topo.Learn(h.MAC, h.IP, at, time.Now())
			}
			plan, err := steer.Session(&s, l.c.topo.Load(), 180)
			if err != nil {
				l.t.Fatal(err)
			}
			for _, step := range plan.Steps {
				for i, r := range step.Rules {
					if got, ok := l.c.settings().tupleOf(r); !ok || got != s.Tuple {
						l.t.Errorf("%s, rule %d on %v: %v", fmt.Sprint(tt), i, step.DPID, got)
					}
					r.Cookie++
					if got, ok := l.c.settings().tupleOf(r); ok {
						l.t.Errorf("with another cookie: %v", got)
					}
				}
			}
		})
	}
}
