package controller

import (
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestUplinkFull has the peer's line taken by what is no session: a host to which it sends 2,400 kbit/s. The next viewer goes
// elsewhere until it stops.
func TestUplinkFull(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].MaxKbps = 2000 }, func(l *lab) {
		l.Host("hv2").Listen(9000)
		bulk := l.Host("hb").Dial(l.Host("hv2").IP, 9000)
		l.after(time.Second)
		send := func(span time.Duration) {
			chunk := make([]byte, 600)
			for range span / (10 * time.Millisecond) {
				for range 5 {
					bulk.Write(chunk)
				}
				l.after(10 * time.Millisecond)
			}
		}
		send(3 * meterInterval)
		if p := l.c.Peers()[0]; p.Kbps < 2300 || p.Kbps > 2700 {
			l.t.Errorf("measured %.0f kbit/s", p.Kbps)
		}
		l.servedBy(l.watch("hv1"), "hv1", "hs")
		if s := l.session(l.Host("hv1")); !strings.Contains(s.Reason, "full") {
			l.t.Errorf("reason %q", s.Reason)
		}
		l.after(3 * meterInterval)
		l.servedBy(l.watch("hv1"), "hv1", "hb")
	})
}

// TestUplinkShared has another host behind the peer's port: what it sends is not the peer's.
func TestUplinkShared(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].MaxKbps = 2000 }, func(l *lab) {
		if n := len(l.c.ownPorts()); n != 1 {
			l.t.Errorf("%d ports, want the peer's", n)
		}
		hb, _ := l.c.topo.Load().HostByIP(peerIP)
		l.c.topo.Learn(ofproto.MAC{2, 9, 9, 9, 9, 9}, ofproto.IPv4{10, 0, 0, 99}, hb.At, time.Now())
		if own := l.c.ownPorts(); len(own) != 0 {
			l.t.Errorf("%v, want none", own)
		}
	})
}
