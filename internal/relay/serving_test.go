package relay_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/relay"
	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

func TestPublishAndPlay(t *testing.T) {
	r := startRelay(t, relay.Options{})
	early := watch(t, r.address, "a")
	p := newPublisher(t, r.address, "a?token=x")
	p.frames(45, time.Millisecond)
	early.reaches(t, 44)
	late := watch(t, r.address, "a?user=1")
	p.frames(45, time.Millisecond)
	for _, w := range []*watcher{early, late} {
		w.reaches(t, 89)
	}
	early.consecutive(t, 0, 89)
	late.consecutive(t, 30, 89)
	if late.got[0].Payload[1] != 0 || late.got[0].Timestamp != late.got[1].Timestamp {
		t.Error("a viewer that joins gets the configuration first, at its first frame's time")
	}
}

func TestJoinLive(t *testing.T) {
	r := startRelay(t, relay.Options{Join: relay.JoinLive})
	early := watch(t, r.address, "a")
	p := newPublisher(t, r.address, "a")
	p.frames(45, time.Millisecond)
	early.reaches(t, 44)
	w := watch(t, r.address, "a")
	p.frames(45, time.Millisecond)
	w.reaches(t, 89)
	w.consecutive(t, 60, 89)
}

func TestLargeFramesAndChunks(t *testing.T) {
	r := startRelay(t, relay.Options{ChunkSize: 4096})
	p := newPublisher(t, r.address, "a")
	w := watch(t, r.address, "a")
	p.base = 0xffffff - 50 // crosses into extended timestamps
	for n := range uint32(6) {
		f := keyFrame(n, 300_000)
		p.send(p.base+n*33, f)
	}
	w.reaches(t, 5)
	w.consecutive(t, 0, 5)
}

// TestAggregate has a publisher hide in an aggregate message, beside a frame, what is for the connection itself: viewers get the
// frame, and go on reading chunks as they did.
func TestAggregate(t *testing.T) {
	r := startRelay(t, relay.Options{})
	p := newPublisher(t, r.address, "a")
	w := watch(t, r.address, "a")
	p.frames(1, 0)
	w.reaches(t, 0)
	part := func(typ byte, payload []byte) []byte {
		n := len(payload)
		b := append([]byte{typ, byte(n >> 16), byte(n >> 8), byte(n), 0, 0, 0, 0, 0, 0, 0}, payload...)
		return binary.BigEndian.AppendUint32(b, uint32(len(b)))
	}
	m := rtmp.Message{Type: rtmp.TypeAggregate, StreamID: 1, ChunkStream: 6, Timestamp: 33}
	m.Payload = append(part(rtmp.TypeSetChunkSize, []byte{0, 0, 0, 1}), part(rtmp.TypeVideo, videoFrame(1, 1000))...)
	if err := p.conn.Write(m); err != nil {
		t.Fatal(err)
	}
	p.next = 2
	p.frames(10, time.Millisecond)
	w.reaches(t, 11)
	w.consecutive(t, 0, 11)
}

func TestPublisherReturns(t *testing.T) {
	r := startRelay(t, relay.Options{})
	w := watch(t, r.address, "a")
	p := newPublisher(t, r.address, "a")
	p.base = 1_000_000
	p.frames(40, time.Millisecond)
	w.reaches(t, 39)
	p.nc.Close()
	eventually(t, 5*time.Second, "the publisher is gone", func() bool { return metric(t, r, "ofctl_relay_published_streams") == 0 })
	p = newPublisher(t, r.address, "a") // its clock and frames begin anew
	p.frames(40, time.Millisecond)
	eventually(t, 5*time.Second, "the stream goes on", func() bool { return len(w.frames()) == 80 })
	w.check(t)
}

func TestSecondPublisherIsRefused(t *testing.T) {
	r := startRelay(t, relay.Options{Stall: 500 * time.Millisecond})
	p := newPublisher(t, r.address, "a")
	refused := make(chan error, 1)
	go func() {
		_, _, err := tryRTMP(r.address, &rtmp.Request{Publish: true, Key: "a"})
		refused <- err
	}()
	for len(refused) == 0 {
		p.frames(1, 10*time.Millisecond)
	}
	var status *rtmp.StatusError
	if err := <-refused; !errors.As(err, &status) || status.Code != "NetStream.Publish.BadName" {
		t.Errorf("error %v", err)
	}
	time.Sleep(600 * time.Millisecond) // now the first is as good as dead
	nc, _, err := tryRTMP(r.address, &rtmp.Request{Publish: true, Key: "a"})
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

func TestPublishingIsGuarded(t *testing.T) {
	r := startRelay(t, relay.Options{Publish: relay.PublishOptions{
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Tokens: []string{"secret"},
	}})
	for key, ok := range map[string]bool{"a": false, "a?token=": false, "a?token=wrong": false, "b?x=1&token=secret": true} {
		nc, _, err := tryRTMP(r.address, &rtmp.Request{Publish: true, Key: key})
		if (err == nil) != ok {
			t.Errorf("%s: error %v", key, err)
		}
		if err == nil {
			nc.Close()
		}
	}
	far := startRelay(t, relay.Options{Publish: relay.PublishOptions{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
	if _, _, err := tryRTMP(far.address, &rtmp.Request{Publish: true, Key: "a"}); err == nil {
		t.Error("a publisher from an address that is not allowed")
	}
}

func TestLimits(t *testing.T) {
	r := startRelay(t, relay.Options{MaxViewers: 1, PerAddress: 2})
	w := watch(t, r.address, "a")
	if _, _, err := tryRTMP(r.address, &rtmp.Request{Key: "a"}); err == nil {
		t.Error("a viewer beyond max_viewers")
	}
	connections := func(n float64) func() bool {
		return func() bool { return metric(t, r, "ofctl_relay_connections") == n }
	}
	eventually(t, 5*time.Second, "the refused connection is gone", connections(1))
	one, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	eventually(t, 5*time.Second, "the second connection is counted", connections(2))
	if _, _, err := tryRTMP(r.address, &rtmp.Request{Publish: true, Key: "a"}); err == nil {
		t.Error("a connection beyond the bound for one address")
	}
	w.check(t)
}

// TestLoopIsRefused makes two relays each other's upstream.
func TestLoopIsRefused(t *testing.T) {
	a, b := freeAddress(t), freeAddress(t)
	one := startRelay(t, relay.Options{Name: "one", Listen: []string{a}, Upstream: []string{"rtmp://" + b}})
	startRelay(t, relay.Options{Name: "two", Listen: []string{b}, Upstream: []string{"rtmp://" + a}})
	watch(t, a, "x")
	eventually(t, 5*time.Second, "the loop is found", func() bool { return metric(t, one, `ofctl_relay_refused_total{reason="loop"}`) > 0 })
	if n := metric(t, one, "ofctl_relay_viewers"); n != 1 {
		t.Errorf("%v viewers", n)
	}
}

func TestSlowViewerHoldsNobodyUp(t *testing.T) {
	r := startRelay(t, relay.Options{Queue: 300 * time.Millisecond})
	p := newPublisher(t, r.address, "a")
	w := watch(t, r.address, "a")
	slow, _ := dialRTMP(t, r.address, &rtmp.Request{Key: "a"}) // never reads
	defer slow.Close()
	p.frames(1, 0)
	w.reaches(t, 0)
	for n := uint32(1); n < 150; n++ {
		f := videoFrame(n, 100_000)
		if n%30 == 0 {
			f[0] = 0x17
		}
		p.send(n*33, f)
		time.Sleep(5 * time.Millisecond)
	}
	w.reaches(t, 149)
	w.consecutive(t, 0, 149)
	// Once it reads again it finds the stream at a keyframe.
	go func() { _, _ = io.Copy(io.Discard, slow) }()
	p.next = 150
	eventually(t, 10*time.Second, "messages are skipped for the slow viewer", func() bool {
		p.frames(10, time.Millisecond)
		return metric(t, r, "ofctl_relay_skipped_messages_total") > 0
	})
}

func TestDrain(t *testing.T) {
	r := startRelay(t, relay.Options{Drain: 5 * time.Second})
	p := newPublisher(t, r.address, "a")
	p.frames(2, 0)
	w := watch(t, r.address, "a")
	w.reaches(t, 1)
	r.cancel()
	eventually(t, 2*time.Second, "new viewers are turned away", func() bool {
		nc, err := net.Dial("tcp", r.address)
		if err == nil {
			nc.Close()
		}
		return err != nil
	})
	p.frames(10, 10*time.Millisecond)
	w.reaches(t, 11)
	w.check(t)
	began := time.Now()
	w.nc.Close()
	r.stop(t)
	if d := time.Since(began); d > time.Second {
		t.Errorf("the relay stays for %v after its last viewer", d)
	}
}

func TestIdleStreamEnds(t *testing.T) {
	r := startRelay(t, relay.Options{Idle: 500 * time.Millisecond})
	w := watch(t, r.address, "a")
	select {
	case <-w.done:
	case <-time.After(5 * time.Second):
		t.Fatal("the viewer waits on")
	}
	if len(w.other) == 0 || w.other[len(w.other)-1] != "NetStream.Play.Stop" {
		t.Errorf("told %v", w.other)
	}
}

func TestOptionsAreJudgedTogether(t *testing.T) {
	_, err := relay.New(relay.Options{Listen: []string{"nowhere"}, Upstream: []string{"http://x"}, Join: "soon", DSCP: 64, Controller: "x", Ingest: true})
	for _, part := range []string{"nowhere", "http://x", "soon", "64", "controller", "advertise", "ingest"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error does not mention %q: %v", part, err)
		}
	}
	for _, a := range []string{"a:b:c", "hb", "0.0.0.0", "[::1]:1935", "10.0.0.1:0", "10.0.0.1:65536"} {
		if _, err := relay.New(relay.Options{Advertise: a}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("advertise: %q", a)) {
			t.Errorf("advertise %s: error %v", a, err)
		}
	}
}

// An address that cannot be had is one clear error, before anything is served or said to be.
func TestAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for what, o := range map[string]relay.Options{
		"RTMP": {Listen: []string{"127.0.0.1:0", taken.Addr().String()}},
		"HTTP": {Listen: []string{"127.0.0.1:0"}, HTTP: taken.Addr().String()},
	} {
		var said strings.Builder
		log := logrus.New()
		log.SetOutput(&said)
		o.Log = log
		r, err := relay.New(o)
		if err != nil {
			t.Fatal(err)
		}
		want := "listen on " + taken.Addr().String() + " for " + what + ": the port is in use by another process"
		if err := r.Run(t.Context()); err == nil || err.Error() != want || said.Len() != 0 {
			t.Errorf("error %v, log %q; want %s and no word more", err, said.String(), want)
		}
	}
}
