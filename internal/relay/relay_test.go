package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/relay"
	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// running is a relay within the test.
type running struct {
	*relay.Relay
	address  string
	registry *prometheus.Registry
	cancel   context.CancelFunc
	done     chan error
}

// startRelay runs a relay on a free port, or on o.Listen, until the test ends.
func startRelay(t testing.TB, o relay.Options) *running {
	t.Helper()
	if len(o.Listen) == 0 {
		o.Listen = []string{"127.0.0.1:0"}
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	if testing.Verbose() {
		log.SetOutput(testWriter{t})
	}
	log.SetLevel(logrus.DebugLevel)
	o.Log, o.Registry = log, prometheus.NewRegistry()
	r, err := relay.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	run := &running{Relay: r, registry: o.Registry, cancel: cancel, done: make(chan error, 1)}
	go func() { run.done <- r.Run(ctx) }()
	eventually(t, 5*time.Second, "the relay listens", func() bool { return len(r.Addrs()) > 0 })
	run.address = r.Addrs()[0].String()
	t.Cleanup(func() { run.stop(t) })
	return run
}

// stop ends it and expects no error. A second call does nothing.
func (r *running) stop(t testing.TB) {
	t.Helper()
	r.cancel()
	select {
	case err, ok := <-r.done:
		if ok && err != nil {
			t.Errorf("Run: %v", err)
		}
		if ok {
			close(r.done)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the relay does not end")
	}
}

// metric returns a counter's or gauge's value; name is as in the exposition, labels included.
func metric(t testing.TB, r *running, name string) float64 {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			full := f.GetName()
			for _, l := range m.GetLabel() {
				full += "{" + l.GetName() + `="` + l.GetValue() + `"}`
			}
			if full == name {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	if strings.Contains(name, "{") {
		return 0 // a label that has not come up yet
	}
	t.Fatalf("no metric %s", name)
	return 0
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// publisher sends frames as the test says.
type publisher struct {
	t    testing.TB
	nc   net.Conn
	conn *rtmp.Conn
	next uint32 // number of the next frame
	base uint32 // its clock's beginning, milliseconds
}

func newPublisher(t testing.TB, address, key string) *publisher {
	t.Helper()
	nc, conn := dialRTMP(t, address, &rtmp.Request{Publish: true, Key: key})
	t.Cleanup(func() { nc.Close() })
	p := &publisher{t: t, nc: nc, conn: conn}
	p.send(0, avcConfig(1))
	return p
}

func (p *publisher) send(ms uint32, payload []byte) {
	m := rtmp.Message{Type: rtmp.TypeVideo, StreamID: 1, ChunkStream: 6, Timestamp: ms, Payload: payload}
	if err := p.conn.Write(m); err != nil {
		p.t.Errorf("publish: %v", err)
	}
}

// frames sends n frames at the given pace; every 30th, counted from the first, is a keyframe.
func (p *publisher) frames(n int, pace time.Duration) {
	for range n {
		payload := videoFrame(p.next, 1000)
		if p.next%30 == 0 {
			payload[0] = 0x17
		}
		p.send(p.base+p.next*33, payload)
		p.next++
		time.Sleep(pace)
	}
}

// watcher collects what a viewer gets.
type watcher struct {
	nc    net.Conn
	mu    sync.Mutex
	got   []rtmp.Message // frames and configurations
	other []string       // commands
	err   error
	done  chan struct{}
}

func watch(t testing.TB, address, key string) *watcher {
	t.Helper()
	nc, conn := dialRTMP(t, address, &rtmp.Request{Key: key})
	w := &watcher{nc: nc, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for {
			ms, err := conn.ReadBatch()
			w.mu.Lock()
			for _, m := range ms {
				if m.Type == rtmp.TypeVideo {
					w.got = append(w.got, m)
				} else if rtmp.IsCommand(m) {
					if cmd, err := rtmp.ParseCommand(m); err == nil {
						w.other = append(w.other, cmd.Info().String("code"))
					}
				}
			}
			w.err = err
			w.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		nc.Close()
		<-w.done
	})
	return w
}

// frames returns the numbers of the frames that came.
func (w *watcher) frames() []uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ns []uint32
	for _, m := range w.got {
		if isVideoFrame(m) {
			ns = append(ns, frameNumber(m.Payload))
		}
	}
	return ns
}

func (w *watcher) last() int {
	ns := w.frames()
	if len(ns) == 0 {
		return -1
	}
	return int(ns[len(ns)-1])
}

// check expects that frames came in order, each once, that time never stepped back, and that the viewer is still there.
func (w *watcher) check(t testing.TB) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		t.Errorf("the viewer was disconnected: %v", w.err)
	}
	for i := 1; i < len(w.got); i++ {
		if int32(w.got[i].Timestamp-w.got[i-1].Timestamp) < 0 {
			t.Errorf("time steps back from %d to %d", w.got[i-1].Timestamp, w.got[i].Timestamp)
		}
	}
}

// consecutive expects frames first to last, each once.
func (w *watcher) consecutive(t testing.TB, first, last int) {
	t.Helper()
	w.check(t)
	ns := w.frames()
	for i, n := range ns {
		if int(n) != first+i {
			t.Fatalf("frame %d where %d was due: %v", n, first+i, ns)
		}
	}
	if len(ns) != last-first+1 {
		t.Fatalf("%d frames, want %d to %d", len(ns), first, last)
	}
}

func (w *watcher) reaches(t testing.TB, n int) {
	t.Helper()
	eventually(t, 5*time.Second, "the viewer gets the last frame", func() bool { return w.last() >= n })
}

func TestPublishAndPlay(t *testing.T) {
	r := startRelay(t, relay.Options{})
	early := watch(t, r.address, "a")
	p := newPublisher(t, r.address, "a?token=x")
	p.frames(45, time.Millisecond)
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
	p := newPublisher(t, r.address, "a")
	p.frames(45, time.Millisecond)
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

// TestUpstreamDies kills the upstream under ten viewers; another has the stream.
func TestUpstreamDies(t *testing.T) {
	origin := startRelay(t, relay.Options{Name: "origin"})
	first := startRelay(t, relay.Options{Name: "first", Upstream: []string{"rtmp://" + origin.address}})
	second := startRelay(t, relay.Options{Name: "second", Upstream: []string{"rtmp://" + origin.address}})
	edge := startRelay(t, relay.Options{Name: "edge", Upstream: []string{"rtmp://" + first.address, "rtmp://" + second.address}})
	var ws []*watcher
	for range 10 {
		ws = append(ws, watch(t, edge.address, "a"))
	}
	p := newPublisher(t, origin.address, "a")
	p.frames(1, 0)
	for _, w := range ws {
		w.reaches(t, 0)
	}
	p.frames(40, 5*time.Millisecond)
	first.stop(t)
	p.frames(100, 5*time.Millisecond)
	for _, w := range ws {
		w.reaches(t, 140)
		w.consecutive(t, 0, 140) // the second relay's stored group of pictures closes the gap
	}
}

// TestUpstreamStalls has an upstream that goes on accepting and falls silent.
func TestUpstreamStalls(t *testing.T) {
	origin := startRelay(t, relay.Options{Name: "origin"})
	hole := newProxy(t, origin.address)
	edge := startRelay(t, relay.Options{
		Name: "edge", Upstream: []string{"rtmp://" + hole.address, "rtmp://" + origin.address}, Stall: 300 * time.Millisecond,
	})
	w := watch(t, edge.address, "a")
	p := newPublisher(t, origin.address, "a")
	p.frames(1, 0)
	w.reaches(t, 0)
	p.frames(20, 5*time.Millisecond)
	hole.stall()
	p.frames(200, 5*time.Millisecond)
	w.reaches(t, 220)
	w.check(t)
	ns := w.frames()
	for i := 1; i < len(ns); i++ {
		if ns[i] <= ns[i-1] || ns[i] != ns[i-1]+1 && ns[i]%30 != 0 {
			t.Errorf("frame %d after %d", ns[i], ns[i-1])
		}
	}
	// 300 ms of silence and what it takes to call and compare; a frame comes every 5 ms here.
	if len(ns) < 120 {
		t.Errorf("only %d of 221 frames: the freeze is too long", len(ns))
	}
}

func TestPublisherReturns(t *testing.T) {
	r := startRelay(t, relay.Options{})
	w := watch(t, r.address, "a")
	p := newPublisher(t, r.address, "a")
	p.base = 1_000_000
	p.frames(40, time.Millisecond)
	w.reaches(t, 39)
	p.nc.Close()
	time.Sleep(100 * time.Millisecond)
	p = newPublisher(t, r.address, "a") // its clock and frames begin anew
	p.frames(40, time.Millisecond)
	eventually(t, 5*time.Second, "the stream goes on", func() bool { return len(w.frames()) == 80 })
	w.check(t)
}

func TestSecondPublisherIsRefused(t *testing.T) {
	r := startRelay(t, relay.Options{Stall: 300 * time.Millisecond})
	p := newPublisher(t, r.address, "a")
	p.frames(2, 0)
	var status *rtmp.StatusError
	if _, _, err := tryRTMP(r.address, &rtmp.Request{Publish: true, Key: "a"}); !errors.As(err, &status) || status.Code != "NetStream.Publish.BadName" {
		t.Errorf("error %v", err)
	}
	time.Sleep(400 * time.Millisecond) // now the first is as good as dead
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
	eventually(t, time.Second, "the refused connection is gone", connections(1))
	one, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	eventually(t, time.Second, "the second connection is counted", connections(2))
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
	_, err := relay.New(relay.Options{Listen: []string{"nowhere"}, Upstream: []string{"http://x"}, Join: "soon", DSCP: 64, Controller: "x"})
	for _, part := range []string{"nowhere", "http://x", "soon", "64", "controller", "advertise"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error does not mention %q: %v", part, err)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r, err := relay.New(relay.Options{Listen: []string{taken.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error %v", err)
	}
}

// controller is what a relay needs of ofctl-live.
type controller struct {
	*httptest.Server
	mu        sync.Mutex
	reports   []map[string]any
	left      bool
	upstreams []string
	asked     []string
}

func newController(t testing.TB) *controller {
	c := &controller{}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/peers/{name}", func(w http.ResponseWriter, r *http.Request) {
		var m map[string]any
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		m["name"] = r.PathValue("name")
		c.mu.Lock()
		defer c.mu.Unlock()
		c.reports = append(c.reports, m)
		_, _ = io.WriteString(w, `{"ttl_seconds":15}`)
	})
	mux.HandleFunc("DELETE /v1/peers/{name}", func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.left = true
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /v1/upstream", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = append(c.asked, r.URL.RawQuery)
		_ = json.NewEncoder(w).Encode(map[string]any{"upstreams": c.upstreams})
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *controller) name(upstreams ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.upstreams = upstreams
}

// TestControllerNamesTheUpstream lets the controller move a stream to a better upstream under its viewers.
func TestControllerNamesTheUpstream(t *testing.T) {
	origin := startRelay(t, relay.Options{Name: "origin"})
	first := startRelay(t, relay.Options{Name: "first", Upstream: []string{"rtmp://" + origin.address}})
	c := newController(t)
	c.name("rtmp://" + first.address + "/live")
	edge := startRelay(t, relay.Options{Name: "edge", Controller: c.URL, Advertise: "10.0.0.1", MaxViewers: 9, MaxKbps: 5000})
	w := watch(t, edge.address, "a")
	p := newPublisher(t, origin.address, "a")
	p.frames(1, 0)
	w.reaches(t, 0)
	c.name("rtmp://"+origin.address+"/live", "rtmp://"+first.address+"/live")
	eventually(t, 15*time.Second, "the edge moves to the origin", func() bool {
		p.frames(10, 5*time.Millisecond)
		return metric(t, first, "ofctl_relay_viewers") == 0
	})
	p.frames(30, 5*time.Millisecond)
	w.reaches(t, int(p.next)-1)
	w.consecutive(t, 0, int(p.next)-1)
	if n := metric(t, edge, `ofctl_relay_upstream_switches_total{kind="seamless"}`); n != 1 {
		t.Errorf("%v seamless switches", n)
	}
	c.mu.Lock()
	last, asked := c.reports[len(c.reports)-1], c.asked[0]
	c.mu.Unlock()
	if asked != "app=live&key=a&relay=edge" {
		t.Errorf("asked %s", asked)
	}
	if last["name"] != "edge" || last["address"] != "10.0.0.1" || last["port"] != 1935.0 || last["max_viewers"] != 9.0 ||
		last["max_kbps"] != 5000.0 || last["viewers"] != 1.0 || last["draining"] != false {
		t.Errorf("report %v", last)
	}
	streams := last["streams"].([]any)
	if len(streams) != 1 || streams[0].(map[string]any)["key"] != "a" || streams[0].(map[string]any)["published"] != false {
		t.Errorf("streams %v", streams)
	}
	w.nc.Close()
	edge.stop(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left || c.reports[len(c.reports)-1]["draining"] != true {
		t.Errorf("left %v, last report %v", c.left, c.reports[len(c.reports)-1])
	}
}
