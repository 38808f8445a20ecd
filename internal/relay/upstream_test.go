package relay_test

import (
	"net"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/relay"
)

// TestPullOnceForAll has three viewers at two relays below a third.
func TestPullOnceForAll(t *testing.T) {
	origin := startRelay(t, relay.Options{Name: "origin"})
	edge := startRelay(t, relay.Options{Name: "edge", Upstream: []string{"rtmp://" + origin.address + "/live"}, Keep: 300 * time.Millisecond})
	leaf := startRelay(t, relay.Options{Name: "leaf", Upstream: []string{"rtmp://" + edge.address}})
	var ws []*watcher
	for _, a := range []string{edge.address, leaf.address, leaf.address} {
		ws = append(ws, watch(t, a, "a?token=x"))
	}
	p := newPublisher(t, origin.address, "a")
	p.frames(1, 0)
	for _, w := range ws {
		w.reaches(t, 0)
	}
	p.frames(89, time.Millisecond)
	for _, w := range ws {
		w.reaches(t, 89)
		w.consecutive(t, 0, 89)
	}
	if n := metric(t, origin, "ofctl_relay_viewers"); n != 1 {
		t.Errorf("the origin has %v viewers, want the edge alone", n)
	}
	if n := metric(t, edge, "ofctl_relay_viewers"); n != 2 {
		t.Errorf("the edge has %v viewers, want one and the leaf", n)
	}
	for _, w := range ws {
		w.nc.Close()
	}
	leaf.stop(t)
	eventually(t, 5*time.Second, "the edge lets the stream go", func() bool { return metric(t, origin, "ofctl_relay_viewers") == 0 })
}

func TestPush(t *testing.T) {
	cdn := startRelay(t, relay.Options{Name: "cdn"})
	host, port, _ := net.SplitHostPort(cdn.address)
	ingest := startRelay(t, relay.Options{Name: "ingest", Push: []string{"rtmp://" + cdn.address + "/live"}})
	w := watch(t, cdn.address, "a")
	p := newPublisher(t, ingest.address, "a")
	p.frames(45, 10*time.Millisecond)
	w.reaches(t, 44)
	w.consecutive(t, 0, 44)

	cdn.stop(t) // the push comes back with it
	p.frames(30, time.Millisecond)
	cdn = startRelay(t, relay.Options{Name: "cdn", Listen: []string{net.JoinHostPort(host, port)}})
	w = watch(t, cdn.address, "a")
	for end := time.Now().Add(5 * time.Second); w.last() < 0 && time.Now().Before(end); {
		p.frames(1, 10*time.Millisecond)
	}
	w.reaches(t, int(p.next)-1)
	w.check(t)
}

// TestPushBeginsLate has the server behind a push come up when the stream is long under way. It gets the latest group of
// pictures on, and not a backlog that everybody behind it would have to watch first.
func TestPushBeginsLate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ingest := startRelay(t, relay.Options{Name: "ingest", Push: []string{"rtmp://" + address + "/live"}})
	p := newPublisher(t, ingest.address, "a")
	p.frames(75, 5*time.Millisecond)
	cdn := startRelay(t, relay.Options{Name: "cdn", Listen: []string{address}})
	w := watch(t, cdn.address, "a")
	for end := time.Now().Add(10 * time.Second); w.last() < 0 && time.Now().Before(end); {
		p.frames(1, 20*time.Millisecond)
	}
	w.reaches(t, int(p.next)-1)
	w.check(t)
	if first := w.frames()[0]; first < 60 || first%30 != 0 {
		t.Errorf("the server got the stream from frame %d on, want the latest keyframe, 60 or later", first)
	}
}

// TestUpstreamDies kills the upstream under ten viewers; another has the stream, or gets it from where it is published. What
// those have stored closes the gap, also where viewers who come late begin at the next keyframe.
func TestUpstreamDies(t *testing.T) {
	for _, join := range []relay.Join{relay.JoinGOP, relay.JoinLive} {
		t.Run(string(join), func(t *testing.T) { upstreamDies(t, join) })
	}
}

func upstreamDies(t *testing.T, join relay.Join) {
	const limit = 500 * time.Millisecond // from a frame's being published to its arrival at a viewer
	origin := startRelay(t, relay.Options{Name: "origin", Join: join})
	first := startRelay(t, relay.Options{Name: "first", Upstream: []string{"rtmp://" + origin.address}})
	second := startRelay(t, relay.Options{Name: "second", Upstream: []string{"rtmp://" + origin.address}, Join: join})
	edge := startRelay(t, relay.Options{Name: "edge", Upstream: []string{"rtmp://" + first.address, "rtmp://" + second.address}})
	var ws []*watcher
	for range 10 {
		ws = append(ws, watch(t, edge.address, "a"))
	}
	eventually(t, 5*time.Second, "the stream is asked for", func() bool { return metric(t, origin, "ofctl_relay_viewers") == 1 })
	p := newPublisher(t, origin.address, "a")
	p.base = 1<<31 - 50*33 // half of the range is passed, after 24.8 days
	p.frames(1, 0)
	for _, w := range ws {
		w.reaches(t, 0)
	}
	p.frames(40, 15*time.Millisecond)
	killed := time.Now()
	first.stop(t)
	p.frames(100, 15*time.Millisecond)
	for _, w := range ws {
		w.reaches(t, 140)
		w.consecutive(t, 0, 140)
		for _, f := range w.arrivals() {
			if f.at.After(killed) && f.age > limit {
				t.Errorf("frame %d took %v, want at most %v", f.number, f.age, limit)
			}
		}
	}
}

// TestUpstreamStalls has an upstream that goes on accepting and falls silent. The next has several keyframes meanwhile: what
// came before them is made up for. Meanwhile the stream's timestamps come to their end, after 49.7 days, and begin anew.
func TestUpstreamStalls(t *testing.T) {
	origin := startRelay(t, relay.Options{Name: "origin"})
	hole := newProxy(t, origin.address)
	edge := startRelay(t, relay.Options{
		Name: "edge", Upstream: []string{"rtmp://" + hole.address, "rtmp://" + origin.address}, Stall: 300 * time.Millisecond,
	})
	w := watch(t, edge.address, "a")
	p := newPublisher(t, origin.address, "a")
	p.base = 1<<32 - 50*33
	p.frames(1, 0)
	w.reaches(t, 0)
	p.frames(20, 5*time.Millisecond)
	hole.stall()
	p.frames(200, 5*time.Millisecond)
	w.reaches(t, 220)
	w.consecutive(t, 0, 220)
	froze := time.Duration(0)
	came := w.arrivals()
	for i := 1; i < len(came); i++ {
		froze = max(froze, came[i].at.Sub(came[i-1].at))
	}
	if froze > time.Second { // 300 ms of silence and what it takes to call and compare
		t.Errorf("a freeze of %v", froze)
	}
	late := watch(t, edge.address, "a")
	late.reaches(t, 220)
	late.consecutive(t, 210, 220)
	for i, m := range late.got {
		if want := p.base + 33*uint32(210+max(0, i-1)); m.Timestamp != want { // the configuration is first
			t.Errorf("message %d for who comes late has time %d, want %d", i, m.Timestamp, want)
		}
	}
}
