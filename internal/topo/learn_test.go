package topo

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestLearnUnnamed has packets come in on ports that a switch never named, and from a switch that is not known: they teach nothing.
func TestLearnUnnamed(t *testing.T) {
	s := NewStore()
	s.SetSwitch(1, upPorts(2))
	for _, at := range []Point{{1, 3}, {1, ofproto.PortLocal}, {2, 1}} {
		if l := s.Learn(ofproto.MAC{2, 1}, ofproto.IPv4{10, 0, 0, 1}, at, time.Unix(1, 0)); !l.Refused || s.Load().NumHosts() != 0 {
			t.Errorf("a host is learnt at %v", at)
		}
	}
	if l := s.Learn(ofproto.MAC{2, 1}, ofproto.IPv4{10, 0, 0, 1}, Point{1, 2}, time.Unix(1, 0)); l.Refused {
		t.Error("a host at a port that is known is not learnt")
	}
}

// TestExpireHosts has the hosts forgotten that say nothing, also those that moved and were measured meanwhile.
func TestExpireHosts(t *testing.T) {
	began := time.Unix(1_000_000, 0)
	s := NewStore()
	s.SetSwitch(1, upPorts(2))
	silent, talker := ofproto.MAC{0, 0, 0, 0, 0, 1}, ofproto.MAC{0, 0, 0, 0, 0, 2}
	s.Learn(silent, ofproto.IPv4{10, 0, 0, 1}, Point{1, 1}, began)
	s.Learn(talker, ofproto.IPv4{10, 0, 0, 2}, Point{1, 2}, began)
	before := s.Load()
	s.SetHostDelay(talker, time.Second)
	h, _ := s.Load().Host(talker)
	h.Heard(began.Add(time.Hour).Unix())
	h.Heard(began.Unix()) // a clock that was read earlier does not make it older
	if n := s.ExpireHosts(began.Add(time.Minute)); n != 1 {
		t.Errorf("%d hosts forgotten, want 1", n)
	}
	if _, ok := s.Load().HostByIP(ofproto.IPv4{10, 0, 0, 1}); ok {
		t.Error("the silent host is still known")
	}
	if _, ok := s.Load().Host(talker); !ok {
		t.Error("the host that talked is forgotten")
	}
	if _, ok := before.Host(silent); !ok {
		t.Error("an older snapshot changed")
	}
	if n := s.ExpireHosts(began.Add(time.Minute)); n != 0 {
		t.Errorf("%d hosts forgotten the second time, want 0", n)
	}
}
