package relay_test

import (
	"context"
	"io"
	"net"
	"slices"
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

// An arrival is a frame that a viewer got.
type arrival struct {
	number uint32
	at     time.Time
	age    time.Duration // since it was published
}

// watcher collects what a viewer gets.
type watcher struct {
	nc    net.Conn
	mu    sync.Mutex
	got   []rtmp.Message // frames and configurations
	came  []arrival      // frames
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
			now := time.Now()
			w.mu.Lock()
			for _, m := range ms {
				if m.Type == rtmp.TypeVideo {
					w.got = append(w.got, m)
					if isVideoFrame(m) {
						w.came = append(w.came, arrival{frameNumber(m.Payload), now, frameAge(m.Payload, now)})
					}
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

// arrivals returns the frames that came.
func (w *watcher) arrivals() []arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.came)
}

// frames returns their numbers.
func (w *watcher) frames() []uint32 {
	var ns []uint32
	for _, a := range w.arrivals() {
		ns = append(ns, a.number)
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
