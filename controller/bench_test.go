package controller

import (
	"encoding/binary"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/policies/bypass"
)

// A rig drives one switch's connection without a network: batches go in by handleBatch, what is sent is kept.
type rig struct {
	c    *Controller
	d    *datapath
	sent []byte

	spare   []byte // of settled
	replies [][]byte
}

func (r *rig) Read([]byte) (int, error)         { return 0, io.EOF }
func (r *rig) Close() error                     { return nil }
func (r *rig) SetWriteDeadline(time.Time) error { return nil }
func (r *rig) Write(p []byte) (int, error)      { r.sent = append(r.sent, p...); return len(p), nil }

var (
	benchCDN   = topo.Host{MAC: ofproto.MAC{0, 0, 0, 0, 0, 2}, IP: ofproto.IPv4{10, 0, 0, 2}, At: topo.Point{DPID: 1, Port: 2}}
	benchRelay = topo.Host{MAC: ofproto.MAC{0, 0, 0, 0, 0, 1}, IP: ofproto.IPv4{10, 0, 0, 1}, At: topo.Point{DPID: 1, Port: 1}}
)

// newRig is a switch with a CDN on port 2, a healthy relay on port 1, and room for viewers on the others.
func newRig(tb testing.TB) *rig {
	tb.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	policy, err := bypass.New("", 0)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := New(Options{
		Log: log,
		Settings: Settings{
			Policy:   policy,
			Services: []stream.Service{{Name: "cdn", Address: benchCDN.IP, Port: 1935}},
			Peers:    []stream.Peer{{Name: "hb-relay", Address: benchRelay.IP, Port: 1935}},
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	r := &rig{c: c}
	f := &ofproto.FeaturesReply{DatapathID: 1}
	for no := ofproto.Port(1); no <= viewerPort(most); no++ {
		f.Ports = append(f.Ports, ofproto.PhyPort{No: no})
	}
	r.d = c.newDatapath(ofproto.NewConn(r, ofproto.ConnOptions{}), f, log)
	if err := c.register(r.d); err != nil {
		tb.Fatal(err)
	}
	close(r.d.closed) // or it would be measured now and then, and that counted
	for _, h := range []topo.Host{benchCDN, benchRelay} {
		c.topo.Learn(h.MAC, h.IP, h.At, time.Now())
	}
	c.settings().peers.order[0].health.Store(well)
	r.settle(tb)
	return r
}

// settle answers the barriers among what was sent, and returns how many messages of each type there were.
func (r *rig) settle(tb testing.TB) map[ofproto.Type]int {
	count := make(map[ofproto.Type]int)
	for {
		r.d.flush()
		var replies [][]byte
		for b := r.sent; len(b) > 0; b = b[binary.BigEndian.Uint16(b[2:]):] {
			t := ofproto.Type(b[1])
			count[t]++
			if t == ofproto.TypeBarrierRequest {
				reply, err := ofproto.Append(nil, binary.BigEndian.Uint32(b[4:]), &ofproto.BarrierReply{})
				if err != nil {
					tb.Fatal(err)
				}
				replies = append(replies, reply)
			}
		}
		r.sent = r.sent[:0]
		if len(replies) == 0 {
			return count
		}
		if err := r.d.handleBatch(replies); err != nil {
			tb.Fatal(err)
		}
	}
}

// most is how many viewers there are in any benchmark.
const most = 1 << 17

// viewerPort is where the nth viewer is: no port has more of them than may come at once.
func viewerPort(n int) ofproto.Port { return ofproto.Port(3 + n>>10) }

// syn is a packet-in of the nth viewer's first packet to the CDN.
func syn(n int) []byte {
	ip := ofproto.IPv4{10, byte(1 + n>>16), byte(n >> 8), byte(n)}
	frame := packet.AppendTCP(nil, packet.TCP{
		SrcMAC: [6]byte{0, 1, 0, byte(n >> 16), byte(n >> 8), byte(n)}, DstMAC: benchCDN.MAC, SrcIP: ip, DstIP: benchCDN.IP,
		SrcPort: 40000, DstPort: 1935, Seq: 7, Flags: packet.SYN, Window: 1024,
	})
	b, err := ofproto.Append(nil, 0, &ofproto.PacketIn{
		BufferID: ofproto.NoBuffer, TotalLen: uint16(len(frame)), InPort: viewerPort(n), Data: frame,
	})
	if err != nil {
		panic(err)
	}
	return b
}

// BenchmarkDecision is a viewer's first packet under bypass, to its release: two rewriting rules, a barrier, a packet-out.
func BenchmarkDecision(b *testing.B) {
	r := newRig(b)
	const batch = 64
	b.ReportAllocs()
	var frames [][]byte
	for n := 0; n < b.N; n++ {
		p := n
		ip := ofproto.IPv4{10, byte(1 + p>>16), byte(p >> 8), byte(p)}
		r.c.topo.Learn(ofproto.MAC{0, 1, 0, byte(p >> 16), byte(p >> 8), byte(p)}, ip, topo.Point{DPID: 1, Port: viewerPort(p)}, time.Now())
		if frames = append(frames, syn(p)); len(frames) == batch {
			if err := r.d.handleBatch(frames); err != nil {
				b.Fatal(err)
			}
			if got := r.settle(b); got[ofproto.TypePacketOut] < batch {
				b.Fatalf("released %d of %d: %v", got[ofproto.TypePacketOut], batch, got)
			}
			frames = frames[:0]
		}
	}
}

// A fleet is switches without links between them, each with a peer of its own on port 1 and viewers on ports 3 to 6; the
// node they dial is at the first.
type fleet struct {
	rigs []*rig
	next int // reads so far
}

const (
	fleetSize    = 16
	fleetViewers = 1000 // known ones, behind each switch
	fleetBatch   = 32   // connections that come in one read
)

func peerOf(sw int) topo.Host {
	return topo.Host{MAC: ofproto.MAC{0, 2, 0, 0, 0, byte(sw)}, IP: ofproto.IPv4{10, 0, 1, byte(sw)}}
}

func newFleet(tb testing.TB) *fleet {
	tb.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	policy, err := bypass.New("", 0)
	if err != nil {
		tb.Fatal(err)
	}
	s := Settings{Policy: policy, Services: []stream.Service{{Name: "cdn", Address: benchCDN.IP, Port: 1935}}}
	for i := range fleetSize {
		s.Peers = append(s.Peers, stream.Peer{Name: "peer" + string(rune('a'+i)), Address: peerOf(i).IP, Port: 1935})
	}
	c, err := New(Options{Log: log, Settings: s})
	if err != nil {
		tb.Fatal(err)
	}
	f := new(fleet)
	for i := range fleetSize {
		r := &rig{c: c}
		id := ofproto.DPID(i + 1)
		features := &ofproto.FeaturesReply{DatapathID: id}
		for no := ofproto.Port(1); no <= 6; no++ {
			features.Ports = append(features.Ports, ofproto.PhyPort{No: no})
		}
		r.d = c.newDatapath(ofproto.NewConn(r, ofproto.ConnOptions{}), features, log)
		if err := c.register(r.d); err != nil {
			tb.Fatal(err)
		}
		close(r.d.closed)
		c.topo.Learn(peerOf(i).MAC, peerOf(i).IP, topo.Point{DPID: id, Port: 1}, time.Now())
		c.settings().peers.order[i].health.Store(well)
		for v := range fleetViewers {
			c.topo.Learn(ofproto.MAC{0, 3, byte(i), 0, byte(v >> 8), byte(v)}, ofproto.IPv4{10, byte(16 + i), byte(v >> 8), byte(v)},
				topo.Point{DPID: id, Port: ofproto.Port(3 + v%4)}, time.Now())
		}
		r.settle(tb)
		f.rigs = append(f.rigs, r)
	}
	c.topo.Learn(benchCDN.MAC, benchCDN.IP, topo.Point{DPID: 1, Port: 2}, time.Now())
	for _, r := range f.rigs {
		r.settle(tb) // the probes that later switches gave rise to
	}
	return f
}

// dial has so many new connections come in at one switch after another, in reads of fleetBatch, and each be released.
func (f *fleet) dial(tb testing.TB, connections int) {
	batch := make([][]byte, 0, fleetBatch)
	for i := range fleetBatch {
		batch = append(batch, f.syn(0, 0, i))
	}
	for done := 0; done < connections; done += fleetBatch {
		sw := f.next % fleetSize
		for i := range fleetBatch {
			n := f.next/fleetSize*fleetBatch + i
			f.patch(batch[i], sw, n%fleetViewers, n/fleetViewers)
		}
		f.next++
		r := f.rigs[sw]
		if err := r.d.handleBatch(batch); err != nil {
			tb.Fatal(err)
		}
		if outs := r.settled(tb); outs != fleetBatch {
			tb.Fatalf("released %d of %d", outs, fleetBatch)
		}
		if f.next%(100*fleetSize) == 0 {
			for _, r := range f.rigs {
				clear(r.d.guards) // as if time had passed: a port may begin only so many in a second
			}
		}
	}
}

// syn is a packet-in of a connection of a viewer, one of many, behind a switch.
func (f *fleet) syn(sw, viewer, connection int) []byte {
	frame := packet.AppendTCP(nil, packet.TCP{
		DstMAC: benchCDN.MAC, DstIP: benchCDN.IP, DstPort: 1935, Seq: 7, Flags: packet.SYN, Window: 1024,
	})
	b, err := ofproto.Append(nil, 0, &ofproto.PacketIn{BufferID: ofproto.NoBuffer, TotalLen: uint16(len(frame)), InPort: 3, Data: frame})
	if err != nil {
		panic(err)
	}
	f.patch(b, sw, viewer, connection)
	return b
}

// patch makes a packet-in another viewer's or another connection's. Checksums are nobody's business here.
func (*fleet) patch(b []byte, sw, viewer, connection int) {
	binary.BigEndian.PutUint16(b[14:], uint16(3+viewer%4))
	frame := b[18:]
	copy(frame[6:], []byte{0, 3, byte(sw), 0, byte(viewer >> 8), byte(viewer)})
	copy(frame[26:], []byte{10, byte(16 + sw), byte(viewer >> 8), byte(viewer)})
	binary.BigEndian.PutUint16(frame[34:], uint16(20000+connection))
}

// settled answers the barriers among what was sent without a copy, and returns how many packets were sent on.
func (r *rig) settled(tb testing.TB) (outs int) {
	for {
		r.d.flush()
		r.replies = r.replies[:0]
		for b := r.sent; len(b) > 0; b = b[binary.BigEndian.Uint16(b[2:]):] {
			switch ofproto.Type(b[1]) {
			case ofproto.TypePacketOut:
				outs++
			case ofproto.TypeBarrierRequest:
				b[1] = byte(ofproto.TypeBarrierReply)
				r.replies = append(r.replies, b[:8])
			}
		}
		answered := r.sent
		r.sent, r.spare = r.spare[:0], answered
		if len(r.replies) == 0 {
			return outs
		}
		if err := r.d.handleBatch(r.replies); err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkConnection is the first packet of a new connection of a known viewer under bypass, to its release, on sixteen
// switches with a peer each.
func BenchmarkConnection(b *testing.B) {
	f := newFleet(b)
	b.ReportAllocs()
	b.ResetTimer()
	f.dial(b, b.N)
}

// BenchmarkDecide is who serves a new connection, among sixteen peers, and its session.
func BenchmarkDecide(b *testing.B) {
	f := newFleet(b)
	f.dial(b, fleetBatch)
	r := f.rigs[0]
	svc, own := r.d.dialled()
	snap := r.c.topo.Load()
	b.ReportAllocs()
	for b.Loop() {
		if s := r.c.decide(r.d, snap, svc, own, nil); s.peer == nil {
			b.Fatal(s.Reason)
		}
	}
}

// BenchmarkManySessions holds 100,000 sessions at once, of hosts each their own, and reports what each takes in memory, how
// long a change of policy takes among them, and how a packet-in of a known pair compares with one among 100.
func BenchmarkManySessions(b *testing.B) {
	const few, many = 100, 100_000
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	for b.Loop() {
		r := newRig(b)
		before := heap()
		r.hold(b, 0, few)
		alone := r.known(b)
		r.hold(b, few, many)
		if got := r.c.sessions.Len(); got != many {
			b.Fatalf("%d sessions, want %d", got, many)
		}
		b.ReportMetric((heap()-before)/many, "B/session")
		among := r.known(b)
		b.ReportMetric(float64(among.Nanoseconds()), "ns/packet")
		b.ReportMetric(float64(among)/float64(alone), "x-of-100")
		began := time.Now()
		r.c.Set(r.c.Settings())
		b.ReportMetric(float64(time.Since(began).Microseconds()), "µs/swap")
		runtime.KeepAlive(r)
	}
}

// hold begins the sessions from one number to another.
func (r *rig) hold(tb testing.TB, from, to int) {
	const batch = 64
	var frames [][]byte
	for n := from; n < to; n++ {
		mac := ofproto.MAC{0, 1, 0, byte(n >> 16), byte(n >> 8), byte(n)}
		r.c.topo.Learn(mac, ofproto.IPv4{10, byte(1 + n>>16), byte(n >> 8), byte(n)}, topo.Point{DPID: 1, Port: viewerPort(n)}, time.Now())
		if frames = append(frames, syn(n)); len(frames) == batch || n == to-1 {
			if err := r.d.handleBatch(frames); err != nil {
				tb.Fatal(err)
			}
			r.settle(tb)
			frames = frames[:0]
		}
	}
}

// known is the least time of several that a packet-in between the relay and the CDN took, in reads of 64.
func (r *rig) known(tb testing.TB) time.Duration {
	const batch, reads, rounds = 64, 100, 20
	frame := packet.AppendUDP(nil, packet.UDP{
		SrcMAC: benchRelay.MAC, DstMAC: benchCDN.MAC, SrcIP: benchRelay.IP, DstIP: benchCDN.IP, SrcPort: 5000, DstPort: 5001,
	})
	in, err := ofproto.Append(nil, 0, &ofproto.PacketIn{BufferID: ofproto.NoBuffer, TotalLen: uint16(len(frame)), InPort: 1, Data: frame})
	if err != nil {
		tb.Fatal(err)
	}
	frames := make([][]byte, batch)
	for i := range frames {
		frames[i] = in
	}
	least := time.Hour
	for range rounds {
		began := time.Now()
		for range reads {
			r.sent = r.sent[:0]
			if err := r.d.handleBatch(frames); err != nil {
				tb.Fatal(err)
			}
		}
		least = min(least, time.Since(began)/(reads*batch))
	}
	return least
}
