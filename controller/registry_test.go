package controller

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestCrowdOfRegistrations has more peers announce themselves than there is room for: those that are known may renew.
func TestCrowdOfRegistrations(t *testing.T) {
	l := newLab(t, single)
	c, err := New(l.o)
	if err != nil {
		t.Fatal(err)
	}
	now, accepted := time.Now(), 0
	peer := func(i int) Registration {
		return Registration{Peer: stream.Peer{Name: fmt.Sprint("p", i), Address: ofproto.IPv4{10, 1, byte(i >> 8), byte(i)}, Port: 1935}}
	}
	for i := range maxRegistered + 10 {
		switch err := c.Register(peer(i), now); {
		case err == nil:
			accepted++
		case !errors.Is(err, ErrCrowded):
			t.Fatal(err)
		}
	}
	if err := c.Register(peer(0), now); err != nil || accepted != maxRegistered {
		t.Errorf("%d accepted; a renewal: %v", accepted, err)
	}
}

// TestForgottenPeers has peers come under ever new names, one of which serves a viewer when it leaves: nothing is kept of
// those that are gone, and that one is probed, and has its series, until its viewer is gone too.
func TestForgottenPeers(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers = nil }, func(l *lab) {
		join := func(p stream.Peer) {
			if err := l.c.Register(Registration{Peer: p}, time.Now()); err != nil {
				l.t.Fatal(err)
			}
		}
		join(stream.Peer{Name: "serving", Address: peerIP, Port: 1935})
		l.after(4 * time.Second)
		l.servedBy(l.watch("hv1"), "hv1", "hb")
		if err := l.c.Leave("serving"); err != nil {
			l.t.Fatal(err)
		}
		for i := range 20 {
			join(stream.Peer{Name: fmt.Sprint("p", i), Address: ofproto.IPv4{10, 1, 0, byte(i)}, Port: 1935})
			join(stream.Peer{Name: fmt.Sprint("p", i), Address: peerIP, Port: uint16(2000 + i)}) // and moves
			l.after(3 * time.Second)
			if err := l.c.Leave(fmt.Sprint("p", i)); err != nil {
				l.t.Fatal(err)
			}
		}
		probes := func(hosts, peers int) {
			w := &l.c.probes
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.hosts) != hosts || len(w.peers) != peers {
				l.t.Errorf("probes of %d hosts and %d peers are kept, want %d and %d", len(w.hosts), len(w.peers), hosts, peers)
			}
		}
		probes(2, 1) // the service's, and of who serves
		if got := l.sources(); !slices.Equal(got, []string{"cdn", "serving"}) {
			l.t.Errorf("series of %v", got)
		}
		if n := l.metric("ofctl_sessions"); n != 1 {
			l.t.Errorf("%.0f sessions shown, want 1", n)
		}
		l.after(3 * time.Hour) // its viewer's rules go, and then it
		probes(1, 0)
		if got := l.sources(); !slices.Equal(got, []string{"cdn"}) {
			l.t.Errorf("series of %v after its last viewer", got)
		}
		if n := l.metric("ofctl_sessions"); n != 0 {
			l.t.Errorf("%.0f sessions shown", n)
		}
	})
}

// sources are those that have a series, in order.
func (l *lab) sources() (names []string) {
	families, err := l.reg.Gather()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, p := range m.GetLabel() {
				if p.GetName() == "source" {
					names = append(names, p.GetValue())
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
