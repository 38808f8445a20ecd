package controller

import (
	"errors"
	"fmt"
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
