package relay

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// An inlet is one connection to an upstream that brings, or may bring, a stream.
type inlet struct {
	*source
	url    rtmp.URL
	began  time.Time
	cancel context.CancelFunc

	opened   atomic.Bool  // the upstream has agreed to send
	media    atomic.Bool  // and has sent
	lastByte atomic.Int64 // unix nanoseconds
	err      error        // why it ended; set before it is reported as finished
}

// states of an inlet, as the metric names them.
const (
	stateDialling  = "dialling"
	stateWaiting   = "waiting"
	stateReceiving = "receiving"
)

func newInlet(ctx context.Context, u rtmp.URL) (context.Context, *inlet) {
	ctx, cancel := context.WithCancel(ctx)
	in := &inlet{source: &source{name: u.String(), stop: cancel}, url: u, began: time.Now(), cancel: cancel}
	in.lastByte.Store(in.began.UnixNano())
	return ctx, in
}

// run brings the stream until the connection or ctx ends.
func (in *inlet) run(ctx context.Context, s *stream) {
	defer in.cancel()
	m := s.relay.metrics
	state := stateDialling
	enter := func(next string) {
		m.upstreams.WithLabelValues(state).Dec()
		if state = next; next != "" {
			m.upstreams.WithLabelValues(state).Inc()
		}
	}
	m.upstreams.WithLabelValues(state).Inc()
	defer enter("")

	req := s.request(in.url)
	c, conn, err := open(ctx, in.url, &req, s.relay.o)
	if err != nil {
		m.dials.WithLabelValues("failed").Inc()
		in.err = err
		return
	}
	defer c.Close()
	m.dials.WithLabelValues("ok").Inc()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	enter(stateWaiting)
	in.at = remote(c)
	in.opened.Store(true)
	s.offer(in.source)
	defer s.drop(in.source)
	for {
		ms, err := conn.ReadBatch()
		if err != nil {
			in.err = err
			return
		}
		in.lastByte.Store(time.Now().UnixNano())
		for _, m := range ms {
			if m.Type == rtmp.TypeVideo || m.Type == rtmp.TypeAudio {
				if !in.media.Swap(true) {
					enter(stateReceiving)
				}
			} else if err := rtmp.Refusal(m); err != nil {
				in.err = err
				return
			}
		}
		s.feed(in.source, ms, payloadBytes(ms))
	}
}

// remote is the address at the other end of a connection.
func remote(c net.Conn) netip.AddrPort {
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// request is what an upstream is asked for: the stream, with the arguments that its first viewer or publisher gave.
func (s *stream) request(u rtmp.URL) rtmp.Request {
	s.mu.RLock()
	key := withArgs(s.id.key, s.args.key)
	u.App = withArgs(u.App, s.args.app)
	s.mu.RUnlock()
	marks := rtmp.StrictArray{}
	for _, m := range s.via() {
		marks = append(marks, m)
	}
	connect := rtmp.Object{{Name: viaProperty, Value: marks}}
	if past := s.past(time.Now()); past > 0 {
		connect = append(connect, rtmp.Property{Name: pastProperty, Value: float64(past.Milliseconds())})
	}
	return rtmp.Request{
		App: u.App, Key: key, TcURL: u.String(), FlashVer: "LNX 11,1,102,55",
		Connect: connect,
	}
}

// quiet returns for how long nothing has come.
func (in *inlet) quiet(now time.Time) time.Duration {
	return time.Duration(now.UnixNano() - in.lastByte.Load())
}
