package topo

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestExpireHosts has the hosts forgotten that say nothing, also those that moved and were measured meanwhile.
func TestExpireHosts(t *testing.T) {
	began := time.Unix(1_000_000, 0)
	s := NewStore()
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
