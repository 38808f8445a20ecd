package topo

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestEvictHosts floods one port with addresses, tens of thousands, beside hosts on other ports and an old one on the
// same port that goes on talking. There are never more than there may be, and none of the others has gone.
func TestEvictHosts(t *testing.T) {
	const most = 5000
	s := NewStore()
	s.SetSwitch(1, upPorts(40))
	s.SetSwitch(2, upPorts(40))
	mac := func(kind byte, i int) ofproto.MAC {
		return ofproto.MAC{2, kind, 0, byte(i >> 16), byte(i >> 8), byte(i)}
	}
	now := time.Unix(1_000_000, 0)
	for i := range 500 {
		s.Learn(mac(1, i), ofproto.IPv4{10, 1, byte(i >> 8), byte(i)}, Point{DPID: 1, Port: ofproto.Port(1 + i%40)}, now)
	}
	flooded := Point{DPID: 2, Port: 7}
	talker := mac(2, 0)
	s.Learn(talker, ofproto.IPv4{10, 2, 0, 1}, flooded, now)
	evicted := 0
	for i := range 40_000 {
		now = now.Add(10 * time.Millisecond)
		s.Learn(mac(3, i), ofproto.IPv4{}, flooded, now)
		if h, ok := s.Load().Host(talker); ok {
			h.Heard(now.Unix())
		}
		at, n := s.EvictHosts(most)
		if evicted += n; n > 0 && at != flooded.DPID {
			t.Fatalf("%d of %v go, and not of %v", n, at, flooded)
		}
		if n := s.Load().NumHosts(); n > most {
			t.Fatalf("%d hosts are known, want at most %d", n, most)
		}
	}
	if evicted < 35_000 {
		t.Errorf("%d have gone", evicted)
	}
	snap := s.Load()
	for i := range 500 {
		if _, ok := snap.Host(mac(1, i)); !ok {
			t.Errorf("a host on another port is gone")
		}
	}
	if _, ok := snap.HostByIP(ofproto.IPv4{10, 2, 0, 1}); !ok {
		t.Error("who talked all the time is gone")
	}
	if _, ok := snap.Host(mac(3, 39_999)); !ok {
		t.Error("the latest is not known")
	}
}

// TestEvictSwitch floods all ports of one switch with addresses, so that none of them has more than an honest port elsewhere. Only
// those go, many at a time, and not who is alone on a port there.
func TestEvictSwitch(t *testing.T) {
	const most = 5000
	s := NewStore()
	s.SetSwitch(1, upPorts(2))
	s.SetSwitch(2, upPorts(1300))
	mac := func(kind byte, i int) ofproto.MAC {
		return ofproto.MAC{2, kind, 0, byte(i >> 16), byte(i >> 8), byte(i)}
	}
	now := time.Unix(1_000_000, 0)
	for i := range 300 {
		s.Learn(mac(1, i), ofproto.IPv4{}, Point{DPID: 1, Port: 1}, now)
	}
	s.Learn(mac(2, 0), ofproto.IPv4{}, Point{DPID: 2, Port: 1}, now)
	rounds, evicted := 0, 0
	for i := range 20_000 {
		now = now.Add(time.Millisecond)
		s.Learn(mac(3, i), ofproto.IPv4{}, Point{DPID: 2, Port: ofproto.Port(2 + i%1200)}, now)
		at, n := s.EvictHosts(most)
		if n > 0 {
			rounds++
			evicted += n
			if at != 2 {
				t.Fatalf("%d of %v go", n, at)
			}
		}
		if n := s.Load().NumHosts(); n > most {
			t.Fatalf("%d hosts are known, want at most %d", n, most)
		}
	}
	if rounds > evicted/1000 {
		t.Errorf("%d rounds for %d hosts, want few", rounds, evicted)
	}
	kept := 0
	for i := range 300 {
		if _, ok := s.Load().Host(mac(1, i)); ok {
			kept++
		}
	}
	if kept != 300 {
		t.Errorf("%d of 300 hosts of another switch are known, want all", kept)
	}
	if _, ok := s.Load().Host(mac(2, 0)); !ok {
		t.Error("who was alone on a port of that switch is gone")
	}
}
