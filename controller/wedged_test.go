package controller

import (
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestWedgedSwitch has a switch stop reading while more and more waits for it. Connections that cross it wait as well; those of
// another switch's hosts to each other are served as ever, and what the controller does for everybody goes on. Once the switch
// reads again it is connected anew, and has what it should.
func TestWedgedSwitch(t *testing.T) {
	farIP := ofproto.IPv4{10, 0, 0, 9}
	inLab(t, func(l *lab) {
		l.direct()
		l.o.Services = append(l.o.Services, stream.Service{Name: "far", Address: farIP, Port: 1935})
		l.AddSwitch("wedged", oftest.Options{DPID: 1})
		l.AddSwitch("well", oftest.Options{DPID: 2})
		l.Join("wedged", 10, "well", 10, time.Millisecond)
		l.AddHost("far", "10.0.0.9", "wedged", 1, time.Millisecond).Listen(1935)
		l.AddHost("hb", "10.0.0.1", "well", 1, time.Millisecond).Listen(1935)
		l.AddHost("hs", "10.0.0.2", "well", 2, time.Millisecond).Listen(1935)
		l.AddHost("hv1", "10.0.0.3", "well", 3, time.Millisecond)
		l.AddHost("hv2", "10.0.0.4", "well", 4, time.Millisecond)
	}, func(l *lab) {
		l.servedBy(l.watch("hv2"), "hv2", "hs")
		l.Host("hv1").Dial(farIP, 1935)
		l.after(time.Second)
		reads := make(chan struct{})
		l.Switch("wedged").Intercept(func(int, uint32, ofproto.Message) oftest.Verdict {
			<-reads
			return oftest.Verdict{}
		})
		d, _ := l.c.datapath(1)
		go func() {
			for range 100 {
				d.emit(1, make([]byte, 60_000))
			}
		}()
		l.after(10 * time.Millisecond)
		for range 50 {
			across := l.Host("hv1").Dial(farIP, 1935)
			c := l.Host("hv2").Dial(cdnIP, 1935)
			l.after(100 * time.Millisecond)
			if !c.Established() {
				l.t.Fatal("a connection between hosts of another switch is not served within 100 ms")
			}
			if across.Established() {
				l.t.Fatal("a connection across the switch that does not read is served: it reads")
			}
		}
		probes := l.Switch("well").Received(ofproto.TypePacketOut)
		l.after(15 * time.Second)
		if n := l.Switch("well").Received(ofproto.TypePacketOut) - probes; n < 5 {
			l.t.Errorf("%d packets sent by the other switch in 15 s: nothing is discovered or probed", n)
		}
		if l.logged("switch down") != 1 {
			l.t.Error("the switch that takes nothing is kept")
		}
		close(reads)
		l.Switch("wedged").Intercept(nil)
		l.after(10 * time.Second)
		l.whole()
		c := l.Host("hv1").Dial(farIP, 1935)
		l.after(time.Second)
		l.servedBy(c, "hv1", "far")
	})
}

// A slowSwitch is a sender whose switch takes what is sent only when it is told to.
type slowSwitch struct {
	t     *testing.T
	sw    *oftest.Switch
	takes chan struct{} // a flush waits for one of these

	mu      sync.Mutex
	xid     uint32
	pending int // messages since the last flush
	most    int // of those
}

func (s *slowSwitch) reserve(n uint32) uint32 { s.xid += n; return s.xid - n + 1 }
func (s *slowSwitch) kick()                   {}

func (s *slowSwitch) Write(_ uint32, m ofproto.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending++
	s.most = max(s.most, s.pending)
	if mod, ok := m.(*ofproto.FlowMod); ok {
		if err := s.sw.Apply(mod); err != nil {
			s.t.Error(err)
		}
	}
	return nil
}

func (s *slowSwitch) flush() {
	<-s.takes
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = 0
}

// byPort is a rule for all that comes in by the ith port.
func byPort(i int) flow.Rule {
	m := ofproto.MatchAll
	m.Wildcards &^= ofproto.WildInPort
	m.InPort = ofproto.Port(1 + i)
	return flow.Rule{Match: m, Priority: flow.PrioritySession, Cookie: flow.NewCookie(flow.KindSession, 1)}
}

// TestBroughtInParts connects a switch that lacks thousands of rules, has thousands of ours too many, and takes its time. It is
// sent some at a time; whoever installs a rule meanwhile does not wait for it, and has it.
func TestBroughtInParts(t *testing.T) {
	const n = 5 * atOnce
	table := newInstaller(1, newMetrics(prometheus.NewRegistry()), nil)
	sw := &slowSwitch{t: t, sw: oftest.NewSwitch(oftest.Options{DPID: 1}), takes: make(chan struct{})}
	var have []ofproto.FlowStat
	for i := range n {
		table.install([]flow.Rule{byPort(i)}, "", nil)
		surplus := byPort(n + i)
		var mod ofproto.FlowMod
		surplus.Add(&mod)
		_ = sw.Write(0, &mod)
		have = append(have, ofproto.FlowStat{Match: surplus.Match, Priority: surplus.Priority, Cookie: uint64(surplus.Cookie)})
	}
	sw.pending, sw.most = 0, 0
	connected := make(chan int)
	go func() {
		sent, _ := table.connect(sw, have, false)
		connected <- sent
	}()
	sw.takes <- struct{}{} // it is in the midst of it
	late := []flow.Rule{byPort(n), byPort(2*n - 1), byPort(2 * n)}
	table.install(late, "", nil) // of which the switch had two, and was to lose them
	table.remove([]flow.Key{byPort(0).Key(), byPort(n - 1).Key()})
	close(sw.takes)
	if sent := <-connected; sent != 2*n {
		t.Errorf("%d rules sent, want %d", sent, 2*n)
	}
	if sw.most > 2*atOnce {
		t.Errorf("%d messages at once", sw.most)
	}
	want := make(map[flow.Key]bool)
	for i := 1; i < n-1; i++ {
		want[byPort(i).Key()] = true
	}
	for _, r := range late {
		want[r.Key()] = true
	}
	for _, f := range sw.sw.Flows() {
		k := flow.Key{Match: f.Match, Priority: f.Priority}
		if !want[k] {
			t.Errorf("%v is there", k)
		}
		delete(want, k)
	}
	if len(want) > 0 {
		t.Errorf("%d rules are missing", len(want))
	}
}
