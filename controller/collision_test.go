package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestOwnDialSecond has a viewer who is served by the peer dial the peer itself from the same port. It is refused at once, and
// the first goes on; another port will do.
func TestOwnDialSecond(t *testing.T) {
	inLab(t, line, func(l *lab) {
		viewer := l.Host("hv1")
		first := viewer.DialFrom(40000, cdnIP, 1935)
		l.after(time.Second)
		l.servedBy(first, "hv1", "hb")
		second := viewer.DialFrom(40000, peerIP, 1935)
		l.after(time.Second)
		if second.State() != oftest.Reset {
			l.t.Errorf("the second connection is in state %v, want it refused\n%s", second.State(), l.dump())
		}
		l.servedBy(first, "hv1", "hb")
		third := viewer.DialFrom(40001, peerIP, 1935)
		l.after(time.Second)
		l.servedBy(third, "hv1", "hb")
		if n := l.c.Peers()[0].Viewers; n != 2 {
			l.t.Errorf("%d viewers counted at the peer, want both", n)
		}
	})
}

// TestOwnDialFirst has a viewer dial the peer itself, and then the service from the same port: it is served by the service's
// own node, and both work, also after a restart.
func TestOwnDialFirst(t *testing.T) {
	for _, restart := range []bool{false, true} {
		inLab(t, line, func(l *lab) {
			viewer := l.Host("hv1")
			first := viewer.DialFrom(40000, peerIP, 1935)
			l.after(time.Second)
			l.servedBy(first, "hv1", "hb")
			if restart {
				l.restart()
				l.settle()
			}
			second := viewer.DialFrom(40000, cdnIP, 1935)
			l.after(time.Second)
			l.servedBy(second, "hv1", "hs")
			l.servedBy(first, "hv1", "hb")
			l.servedBy(l.watch("hv1"), "hv1", "hb")
			for _, s := range l.c.Sessions() {
				if s.Tuple.Service == peerIP && (s.Source.Name != "hb" || s.Service != "") {
					l.t.Errorf("it dialled the peer itself: %+v", s)
				}
			}
		})
	}
}

// TestOwnDialOverheard has a client publish to the peer itself: the directory knows.
func TestOwnDialOverheard(t *testing.T) {
	inLab(t, single, func(l *lab) {
		c := l.Host("hv2").Dial(peerIP, 1935)
		l.after(time.Second)
		c.Write(publishing(l.t))
		l.after(time.Second)
		live, ok := l.c.streams.Load().Stream(liveA)
		if !ok || live.Service != "" {
			l.t.Fatalf("known: %v, of service %q", ok, live.Service)
		}
		if at, _ := live.Copy("hb"); !at.Published || at.Publisher != l.Host("hv2").IP {
			l.t.Errorf("%+v", at)
		}
	})
}

// TestOwnDialOfRelay has another peer dial the peer, as relays do that form a tree: it is nobody's session, and its packets
// have a rule.
func TestOwnDialOfRelay(t *testing.T) {
	inLab(t, func(l *lab) {
		line(l)
		l.Host("hv1").Listen(1935)
		l.o.Peers = append(l.o.Peers, stream.Peer{Name: "far", Address: l.Host("hv1").IP, Port: 1935})
	}, func(l *lab) {
		pull := l.Host("hv1").Dial(peerIP, 1935)
		l.after(time.Second)
		l.servedBy(pull, "hv1", "hb")
		l.hasRule(pull, "s1")
		if n := len(l.c.Sessions()); n != 0 {
			l.t.Errorf("%d sessions", n)
		}
	})
}

// TestSameClientPort has a viewer dial two services from one port of its own. The peer could not tell the two connections
// from each other, so the second goes to the node that it dialled, and both work.
func TestSameClientPort(t *testing.T) {
	other := ofproto.IPv4{10, 0, 0, 9}
	inLab(t, func(l *lab) {
		single(l)
		l.AddHost("other", other.String(), "s1", 9, 100*time.Millisecond).Listen(1935)
		l.o.Services = append(l.o.Services, stream.Service{Name: "other", Address: other, Port: 1935})
	}, func(l *lab) {
		viewer := l.Host("hv1")
		first := viewer.DialFrom(40000, cdnIP, 1935)
		l.after(time.Second)
		second := viewer.DialFrom(40000, other, 1935)
		l.after(time.Second)
		if !first.Established() || !second.Established() {
			l.t.Fatalf("connected: %v and %v\n%s", first.Established(), second.Established(), l.dump())
		}
		l.servedBy(second, "hv1", "other")
		l.servedBy(first, "hv1", "hb")

		elsewhere := viewer.DialFrom(40001, other, 1935) // another port of the same viewer is free to go to the peer
		l.after(time.Second)
		l.servedBy(elsewhere, "hv1", "hb")
	})
}
