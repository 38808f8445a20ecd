package direct

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// However near, empty and well a peer is: the CDN.
func TestSource(t *testing.T) {
	s := topo.NewStore()
	s.SetSwitch(1, []topo.Port{{No: 1, Up: true}})
	s.Learn(ofproto.MAC{2, 1}, ofproto.IPv4{10, 0, 0, 1}, topo.Point{DPID: 1, Port: 1}, time.Time{})
	h, _ := s.Load().HostByIP(ofproto.IPv4{10, 0, 0, 1})
	v := stream.View{Snapshot: s.Load(), Peers: []stream.Candidate{{Peer: stream.Peer{Name: "p"}, Place: stream.PlaceOf(s.Load(), 1, h), Healthy: true}}}
	c := Policy{}.Source(v, stream.Request{At: topo.Point{DPID: 1, Port: 2}})
	if c.Peer != nil || c.Source() != stream.CDN || c.Reason != "policy direct: the address that was dialled" {
		t.Errorf("%+v", c)
	}
	if (Policy{}).Name() != Name {
		t.Error("it does not know its name")
	}
}
