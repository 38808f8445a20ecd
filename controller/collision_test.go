package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

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
