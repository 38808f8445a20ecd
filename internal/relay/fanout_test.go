package relay

import (
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// A noted connection is one of which it is known when it is written to.
type noted struct {
	syscall.RawConn
	note func()
}

func (n noted) Control(f func(fd uintptr)) error {
	n.note()
	return n.RawConn.Control(f)
}

func silentStream(t *testing.T) *stream {
	log := logrus.New()
	log.SetOutput(io.Discard)
	r, err := New(Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return newStream(r, streamID{"live", "a"}, time.Now())
}

// TestRelaysComeFirst has relays and players come and leave: relays are always the first in the list, and everybody is where he is
// said to be.
func TestRelaysComeFirst(t *testing.T) {
	s, random := silentStream(t), rand.New(rand.NewPCG(1, 2))
	var present []*viewer
	for range 10_000 {
		if n := random.IntN(10); n >= len(present) {
			v := new(viewer)
			if random.IntN(2) == 0 {
				v.via = []string{"mark"}
			}
			s.addViewer(v)
			present = append(present, v)
		} else {
			s.removeViewer(present[n])
			present = slices.Delete(present, n, n+1)
		}
		for i, v := range s.viewers {
			if v.index != i || (len(v.via) > 0) != (i < s.below) || !slices.Contains(present, v) {
				t.Fatalf("%d of %d, of whom %d are relays, is said to be %d, and relay: %v", i, len(s.viewers), s.below, v.index, len(v.via) > 0)
			}
		}
		if len(s.viewers) != len(present) || s.below > len(present) {
			t.Fatalf("%d viewers and %d relays, want %d", len(s.viewers), s.below, len(present))
		}
	}
}

// TestOthersWaitForThem has relays and a push among players. With one processor each frame goes to the relays, then to the push, and
// then to the players.
func TestOthersWaitForThem(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s := silentStream(t)

	var mu sync.Mutex
	var order []string
	note := func(who string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, who)
	}
	come := func(who string, via ...string) {
		_, server := loopback(t, net.Dialer{})
		v := newViewer(s.relay.o, server, rtmp.NewConn(server, nil), rtmp.Request{StreamID: servedStream}, via)
		v.stream, v.raw = s, noted{v.raw, func() { note(who) }}
		if !s.addViewer(v) {
			t.Fatal("the stream takes no viewer")
		}
	}
	p := &push{wake: make(chan struct{}, 1)}
	s.pushes = []*push{p}
	var work sync.WaitGroup
	work.Go(func() {
		for range p.wake {
			note("push")
		}
	})
	come("player")
	come("relay", "mark")

	const sweeps = 100
	good := 0
	for i := range sweeps {
		if i%5 == 0 {
			come("player")
			come("relay", "mark")
		}
		role := rtmp.RoleFrame
		if i == 0 {
			role = rtmp.RoleKey
		}
		s.window.append((origin{}).message(2*i), role, time.Now())
		mu.Lock()
		order = order[:0]
		mu.Unlock()
		s.fanOut(time.Now())
		mu.Lock()
		if slices.IsSortedFunc(order, func(a, b string) int {
			rank := []string{"relay", "push", "player"}
			return slices.Index(rank, a) - slices.Index(rank, b)
		}) && len(order) > len(s.viewers) && slices.Contains(order, "push") {
			good++
		}
		mu.Unlock()
	}
	close(p.wake)
	work.Wait()
	s.relay.work.Wait()
	if good < sweeps*3/4 { // the runtime may let others go first now and then
		t.Errorf("%d of %d frames go out in that order, the last in %v", good, sweeps, order)
	}
}
