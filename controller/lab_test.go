package controller

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
	"github.com/ofctl-live/ofctl-live/policies/bypass"
	"github.com/ofctl-live/ofctl-live/policies/direct"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A lab is a simulated network with a controller, in virtual time: what takes a minute takes no time, and equal runs are
// equal. Everything in it ends with the test, or the test fails.
type lab struct {
	*oftest.Network
	t    *testing.T
	c    *Controller
	o    Options
	logs *logtest.Hook
	reg  *prometheus.Registry
	ctx  context.Context // of the network

	latency []time.Duration // one way, of the connections to the controller in turn; nil for none
	slower  atomic.Int64    // by how much each way takes longer now, of all that have one

	mu       sync.Mutex
	dialled  int
	corks    []*cork // of the connections, in turn
	listener *pipes  // nil while no controller runs
	stop     func()
}

// inLab runs a test in virtual time on a network that build makes, once all is connected, discovered and probed.
func inLab(t *testing.T, build func(*lab), test func(*lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, build)
		l.start()
		l.Connect(l.ctx, l.dial)
		l.settle()
		test(l)
		l.stop()
		if len(l.latency) > 0 {
			l.after(10 * time.Second) // until nothing is under way
		}
		l.Check(t)
	})
}

// newLab makes a network and no controller yet. Its policy is bypass, its service the host hs, its peer the host hb.
func newLab(t *testing.T, build func(*lab)) *lab {
	l := &lab{Network: oftest.NewNetwork(), t: t}
	var end func()
	l.ctx, end = context.WithCancel(context.Background())
	t.Cleanup(func() {
		l.stop()
		end()
	})
	p, err := bypass.New("", 0)
	if err != nil {
		t.Fatal(err)
	}
	l.o.Settings = Settings{
		Policy:   p,
		Services: []stream.Service{{Name: "live", Address: cdnIP, Port: 1935}},
		Peers:    []stream.Peer{{Name: "hb", Address: peerIP, Port: 1935}},
	}
	l.stop = func() {}
	build(l)
	return l
}

// start starts a controller that knows nothing of any before it.
func (l *lab) start() {
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	log.SetOutput(io.Discard)
	l.logs, l.reg = hook, prometheus.NewRegistry()
	l.o.Log, l.o.Registerer = log, l.reg
	c, err := New(l.o)
	if err != nil {
		l.t.Fatal(err)
	}
	at := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, at) }()
	l.mu.Lock()
	l.c, l.listener = c, at
	l.mu.Unlock()
	l.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Errorf("Run: %v", err)
		}
	})
}

// restart has the controller replaced by one that knows nothing, and returns when the switches have found it.
func (l *lab) restart() {
	l.stop()
	l.start()
	l.after(200 * time.Millisecond)
}

// settle gives everything time to be connected, discovered and probed.
func (l *lab) settle() { l.after(7 * time.Second) }

// after lets time pass, and whatever happens meanwhile happen.
func (l *lab) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (l *lab) dial(ctx context.Context) (net.Conn, error) {
	l.mu.Lock()
	at, i := l.listener, l.dialled
	l.dialled++
	l.mu.Unlock()
	nc, err := at.dial(ctx)
	if err == nil && len(l.latency) > 0 {
		usual := l.latency[i%len(l.latency)]
		nc = slowed(nc, func() time.Duration { return usual + time.Duration(l.slower.Load()) })
	}
	if err != nil {
		return nil, err
	}
	held := &cork{Conn: nc}
	l.mu.Lock()
	l.corks = append(l.corks, held)
	l.mu.Unlock()
	return held, nil
}

// atOnce has what the switches send in the course of f come to the controller in one piece.
func (l *lab) atOnce(f func()) {
	l.mu.Lock()
	corks := slices.Clone(l.corks)
	l.mu.Unlock()
	for _, c := range corks {
		c.put()
	}
	f()
	for _, c := range corks {
		c.pull()
	}
}

// A cork is a connection that can keep back what is written to it.
type cork struct {
	net.Conn
	mu   sync.Mutex
	in   bool
	held []byte
}

func (c *cork) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.in {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

func (c *cork) put() {
	c.mu.Lock()
	c.in = true
	c.mu.Unlock()
}

func (c *cork) pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.Conn.Write(c.held) // a connection that has ended lost it
	c.in, c.held = false, nil
}

// flowMods is how many flow mods all switches have received.
func (l *lab) flowMods() (n int) {
	for _, sw := range l.Switches() {
		n += sw.Received(ofproto.TypeFlowMod)
	}
	return n
}

// session finds the one session of a viewer.
func (l *lab) session(viewer *oftest.Host) SessionState {
	l.t.Helper()
	for _, s := range l.c.Sessions() {
		if s.Client == viewer.IP {
			return s
		}
	}
	l.t.Fatalf("%s has no session", viewer.Name)
	return SessionState{}
}

// rules are a switch's entries of a kind.
func (l *lab) rules(sw string, k flow.Kind) (found []oftest.Flow) {
	for _, f := range l.Switch(sw).Flows() {
		if flow.Cookie(f.Cookie).Kind() == k {
			found = append(found, f)
		}
	}
	return found
}

// sessionRules counts the session rules of all switches.
func (l *lab) sessionRules() (n int) {
	for _, sw := range l.Switches() {
		for _, f := range sw.Flows() {
			if flow.Cookie(f.Cookie).Kind() == flow.KindSession {
				n++
			}
		}
	}
	return n
}

// logged counts the log lines with a message.
func (l *lab) logged(message string) (n int) {
	for _, e := range l.logs.AllEntries() {
		if e.Message == message {
			n++
		}
	}
	return n
}

// metric is the sum of a metric's series.
func (l *lab) metric(name string) float64 {
	l.t.Helper()
	return l.series(name, nil)
}

// pipes is a net.Listener without a network.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	near, far := oftest.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// slowed is a connection whose bytes take time, each way.
func slowed(far net.Conn, latency func() time.Duration) net.Conn {
	near, between := oftest.Pipe()
	go carry(between, far, latency)
	go carry(far, between, latency)
	return near
}

func carry(from, to net.Conn, latency func() time.Duration) {
	type part struct {
		data []byte
		due  time.Time
	}
	parts := make(chan part, 1000)
	go func() {
		for p := range parts {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err != nil {
				_ = from.Close()
			}
		}
		_ = to.Close()
	}()
	defer close(parts)
	for {
		data := make([]byte, 64<<10)
		n, err := from.Read(data)
		if err != nil {
			return
		}
		parts <- part{data[:n], time.Now().Add(latency())}
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

var (
	peerIP = ofproto.IPv4{10, 0, 0, 1}
	cdnIP  = ofproto.IPv4{10, 0, 0, 2}
)

// single is one switch with a peer 10 ms away, a CDN 100 ms away and two viewers.
func single(l *lab) { singleWith(l, oftest.Options{}) }

func singleWith(l *lab, o oftest.Options) {
	o.DPID = 1
	l.AddSwitch("s1", o)
	l.AddHost("hb", "10.0.0.1", "s1", 1, 10*time.Millisecond).Listen(1935)
	l.AddHost("hs", "10.0.0.2", "s1", 2, 100*time.Millisecond).Listen(1935)
	l.AddHost("hv1", "10.0.0.3", "s1", 3, 5*time.Millisecond)
	l.AddHost("hv2", "10.0.0.4", "s1", 4, 5*time.Millisecond)
}

// line is viewers - s1 - s2 - s3 - CDN, the peer at s2.
func line(l *lab) {
	for i, name := range []string{"s1", "s2", "s3"} {
		l.AddSwitch(name, oftest.Options{DPID: ofproto.DPID(i + 1)})
	}
	l.Join("s1", 10, "s2", 11, 5*time.Millisecond)
	l.Join("s2", 10, "s3", 11, 50*time.Millisecond)
	l.AddHost("hb", "10.0.0.1", "s2", 1, 2*time.Millisecond).Listen(1935)
	l.AddHost("hs", "10.0.0.2", "s3", 1, 2*time.Millisecond).Listen(1935)
	l.AddHost("hv1", "10.0.0.3", "s1", 1, 2*time.Millisecond)
	l.AddHost("hv2", "10.0.0.4", "s1", 2, 2*time.Millisecond)
}

// direct has the lab's controllers send everybody where he dialled.
func (l *lab) direct() { l.o.Policy = direct.Policy{} }

// from returns the connections that a host has accepted from another: probes of the controller are left out.
func from(h, client *oftest.Host) (conns []*oftest.Conn) {
	for _, c := range h.Accepted() {
		if ip, _ := c.Remote(); ip == client.IP {
			conns = append(conns, c)
		}
	}
	return conns
}

// watch dials the CDN and waits for the answer.
func (l *lab) watch(viewer string) *oftest.Conn {
	l.t.Helper()
	c := l.Host(viewer).Dial(cdnIP, 1935)
	l.after(2 * time.Second)
	if !c.Established() {
		l.t.Fatalf("%s is not connected: state %v\n%s", viewer, c.State(), l.dump())
	}
	return c
}

// servedBy fails the test unless a viewer's newest connection is with that host, and bytes pass both ways.
func (l *lab) servedBy(c *oftest.Conn, viewer, server string) {
	l.t.Helper()
	l.after(time.Second)
	accepted := from(l.Host(server), l.Host(viewer))
	if len(accepted) == 0 {
		l.t.Fatalf("%s has no connection from %s\n%s", server, viewer, l.dump())
	}
	s := accepted[len(accepted)-1]
	c.Read()
	s.Read()
	c.Write([]byte("play"))
	l.after(time.Second)
	s.Write([]byte("chunk"))
	l.after(time.Second)
	if got := string(s.Read()); got != "play" {
		l.t.Errorf("%s got %q from %s, want play\n%s", server, got, viewer, l.dump())
	}
	if got := string(c.Read()); got != "chunk" {
		l.t.Errorf("%s got %q from %s, want chunk\n%s", viewer, got, server, l.dump())
	}
}

// saw counts the TCP segments that came to a host from or for an address, probes left out.
func saw(h *oftest.Host, ip ofproto.IPv4) (n int) {
	for _, f := range h.Frames() {
		var p packet.Peeked
		if packet.Peek(f, &p) == nil && p.Proto == packet.ProtoTCP && (p.SrcIP == ip || p.DstIP == ip) &&
			p.SrcPort != probePort && p.DstPort != probePort {
			n++
		}
	}
	return n
}

// dump is what tells why a test fails.
func (l *lab) dump() (text string) {
	for _, e := range l.logs.AllEntries() {
		line, _ := e.String()
		text += line
	}
	for _, sw := range l.Switches() {
		text += "switch " + sw.DPID().String() + "\n" + sw.DumpFlows()
	}
	return text
}
