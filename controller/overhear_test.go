package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// forge has a host send what looks like a copy of what a viewer's connection says.
func (l *lab) forge(host, viewer string, c *oftest.Conn, flags uint8, said []byte) {
	h := l.Host(host)
	h.Send(packet.AppendTCP(nil, packet.TCP{
		SrcMAC: l.Host(viewer).MAC, DstMAC: steer.CopyMAC, SrcIP: l.Host(viewer).IP, DstIP: cdnIP, SrcPort: c.Local(), DstPort: 1935,
		Seq: c.Next(), Flags: flags, Payload: said,
	}))
	l.after(time.Second)
}

// TestForgedCopy has a host send what looks like a copy of a paused viewer's last word, or of his first: from another port of his
// switch, and from the port of the same number of another. Neither says anything, and he goes on after the pause.
func TestForgedCopy(t *testing.T) {
	for name, tt := range map[string]struct {
		build func(*lab)
		host  string
	}{"his switch": {single, "hv2"}, "another switch": {line, "hb"}} {
		for flags, said := range map[uint8][]byte{packet.ACK: publishing(t), packet.FIN | packet.ACK: nil, packet.RST: nil} {
			t.Run(name, func(t *testing.T) {
				inLab(t, tt.build, func(l *lab) {
					c := l.watch("hv1")
					at := l.atPeer("hv1")
					s, _ := l.c.sessions.Load(l.session(l.Host("hv1")).Tuple)
					s.mu.Lock()
					s.heard = false
					s.mu.Unlock()
					rules := l.rules("s1", flow.KindSession)
					l.forge(tt.host, "hv1", c, flags, said)
					s.mu.Lock()
					heard, intent := s.heard, s.intent
					s.mu.Unlock()
					if heard || intent != nil {
						l.t.Errorf("heard: %v, and that he wants %v", heard, intent)
					}
					for _, r := range l.rules("s1", flow.KindSession) {
						if !slices.ContainsFunc(rules, func(was oftest.Flow) bool { return was.IdleTimeout == r.IdleTimeout && was.Match == r.Match }) {
							l.t.Errorf("changed to %v", r)
						}
					}
					l.after(time.Minute)
					if n := l.ended("finished"); n != 0 {
						l.t.Errorf("%v sessions finished", n)
					}
					at.Read()
					c.Write([]byte("and on"))
					l.after(time.Second)
					if got := string(at.Read()); got != "and on" {
						l.t.Errorf("the peer got %q\n%s", got, l.dump())
					}
				})
			})
		}
	}
}

// TestForgedAfterRestart has a host say, in the name of a viewer whom an earlier run of the daemon has served, that he publishes. He is
// not taken at that word, and what he says himself is still read.
func TestForgedAfterRestart(t *testing.T) {
	inLab(t, line, func(l *lab) {
		c := l.watch("hv1")
		l.restart()
		l.forge("hb", "hv1", c, packet.ACK, publishing(l.t))
		l.forge("hv2", "hv1", c, packet.ACK, publishing(l.t))
		if c.State() != oftest.Established || l.logged("session publishes") != 0 {
			l.t.Fatalf("state %v, %d publish", c.State(), l.logged("session publishes"))
		}
		c.Write(publishing(l.t))
		l.after(time.Second)
		if l.logged("session publishes") != 1 {
			l.t.Error("what he says himself is not read")
		}
	})
}

// TestPlainRefused has a switch refuse the rule that ends the copies of what a viewer says. The one that copies does not stay in its
// place, wished for by nobody: it goes, and the next packet brings the right one.
func TestPlainRefused(t *testing.T) {
	inLab(t, single, func(l *lab) {
		c := l.watch("hv1")
		l.Switch("s1").Intercept(oftest.RefuseFlowMods(oftest.TableFull, func(m *ofproto.FlowMod) bool {
			return flow.Cookie(m.Cookie).Kind() == flow.KindSession && m.Command == ofproto.FlowAdd
		}))
		c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		l.after(time.Second)
		l.Switch("s1").Intercept(nil)
		if n := l.metric("ofctl_flow_errors_total"); n == 0 {
			l.t.Fatal("nothing was refused")
		}
		up := l.metric("ofctl_packet_ins_total")
		for range 200 {
			c.Write([]byte("more"))
			l.after(50 * time.Millisecond)
		}
		if n := l.metric("ofctl_packet_ins_total") - up; n > 50 { // probes and links take some
			l.t.Errorf("%v packets came up while the viewer sent 200", n)
		}
		l.whole()
		if got := len(l.atPeer("hv1").Read()); got != 818 {
			l.t.Errorf("%d bytes came to the peer, want 818", got)
		}
	})
}
