package main

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// A redirector is a controller that sends every viewer to the peer at a port, by rules as a bypass makes them, and
// releases the SYN when they are confirmed.
type redirector struct {
	peer host
	back func(*ofproto.FlowMod) // spoils the way back
}

func (c *redirector) serve(nc net.Conn) {
	conn := ofproto.NewConn(nc, ofproto.ConnOptions{})
	defer conn.Close()
	_ = conn.Write(1, &ofproto.Hello{})
	_ = conn.Write(2, &ofproto.SetConfig{MissSendLen: 0xffff})
	held := map[uint32]*ofproto.PacketOut{}
	for xid := uint32(10); conn.Flush() == nil; {
		frames, err := conn.ReadBatch()
		if err != nil {
			return
		}
		for _, f := range frames {
			h, m, err := ofproto.Decode(append([]byte(nil), f...))
			if err != nil {
				return
			}
			var p packet.Peeked
			switch m := m.(type) {
			case *ofproto.BarrierReply:
				_ = conn.Write(3, held[h.XID])
				delete(held, h.XID)
			case *ofproto.PacketIn:
				if packet.Peek(m.Data, &p) == nil && p.TCPFlags == packet.SYN {
					xid++
					there, back, out := c.rules(m, &p)
					_ = conn.Write(4, back)
					_ = conn.Write(5, there)
					_ = conn.Write(xid, &ofproto.BarrierRequest{})
					held[xid] = out
				}
			}
		}
	}
}

func (c *redirector) rules(in *ofproto.PacketIn, p *packet.Peeked) (there, back *ofproto.FlowMod, out *ofproto.PacketOut) {
	rule := func(in ofproto.Port, src ofproto.IPv4, sport uint16, dst ofproto.IPv4, dport uint16, actions ...ofproto.Action) *ofproto.FlowMod {
		m := ofproto.MatchAll
		m.Wildcards &^= ofproto.WildInPort | ofproto.WildDLType | ofproto.WildNWProto | ofproto.WildTPSrc | ofproto.WildTPDst
		m.Wildcards = m.Wildcards.WithNWSrcBits(32).WithNWDstBits(32)
		m.InPort, m.DLType, m.NWProto, m.NWSrc, m.NWDst, m.TPSrc, m.TPDst = in, packet.TypeIPv4, packet.ProtoTCP, src, dst, sport, dport
		return &ofproto.FlowMod{Match: m, Priority: 9, BufferID: ofproto.NoBuffer, OutPort: ofproto.PortNone, Actions: actions}
	}
	actions := []ofproto.Action{ofproto.SetDLDst{MAC: c.peer.mac}, ofproto.SetNWDst{IPv4: c.peer.ip}, ofproto.Output{Port: c.peer.port}}
	there = rule(in.InPort, p.SrcIP, p.SrcPort, p.DstIP, p.DstPort, actions...)
	back = rule(c.peer.port, c.peer.ip, p.DstPort, p.SrcIP, p.SrcPort,
		ofproto.SetDLSrc{MAC: p.Dst}, ofproto.SetNWSrc{IPv4: p.DstIP}, ofproto.Output{Port: in.InPort})
	if c.back != nil {
		c.back(back)
	}
	return there, back, &ofproto.PacketOut{BufferID: ofproto.NoBuffer, InPort: in.InPort, Actions: actions, Data: in.Data}
}

// stream runs the loop with one switch against a redirector.
func stream(t *testing.T, c *redirector, connections int) result {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			c.serve(conn)
		}
	}()
	all := streamSlots(0, connections)
	s, err := dialSwitch(ctx, l.Addr().String(), oftest.NewSwitch(oftest.Options{Ports: switchPorts()}), all, newSessionRules(all), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := warm(ctx, []*simSwitch{s}, 0); err != nil {
		t.Fatal(err)
	}
	r, err := streamLoop(ctx, []*simSwitch{s})
	if err != nil {
		t.Fatal(err)
	}
	r.quantiles()
	return r
}

func TestStreamLoop(t *testing.T) {
	const n = 3000
	r := stream(t, &redirector{peer: *peerOf(0)}, n)
	if r.bad() != "" || r.Responses != n || r.FlowMods != 2*n || r.Lost+r.Unmatched > 0 || r.P50 <= 0 {
		t.Errorf("%q: %+v", r.bad(), r)
	}
}

// TestStreamSwitchTellsOfItsRules asks a switch for its table after the load: a controller that finds rules missing sends them
// again.
func TestStreamSwitchTellsOfItsRules(t *testing.T) {
	all := streamSlots(0, 600)
	near, far := net.Pipe()
	defer near.Close()
	s := &simSwitch{rules: newSessionRules(all), load: idle{}, slots: all, conn: near, sim: near}
	c := &redirector{peer: *peerOf(0)}
	want := make(map[ofproto.Match]*ofproto.FlowMod)
	for i := range all {
		var p packet.Peeked
		if err := packet.Peek(all[i].request[frameAt:], &p); err != nil {
			t.Fatal(err)
		}
		there, back, _ := c.rules(&ofproto.PacketIn{InPort: all[i].from.port}, &p)
		for j, m := range []*ofproto.FlowMod{there, back} {
			m.Cookie, m.IdleTimeout, m.HardTimeout = uint64(i), uint16(180+j), 7
			want[m.Match] = m
			b, err := ofproto.Append(nil, 5, m)
			if err != nil {
				t.Fatal(err)
			}
			s.handle(b)
		}
	}
	go func() {
		defer near.Close()
		b, _ := ofproto.Append(nil, 77, &ofproto.StatsRequest{Body: ofproto.FlowStatsRequest{Match: ofproto.MatchAll}})
		s.handle(b)
	}()
	conn := ofproto.NewConn(far, ofproto.ConnOptions{})
	for more := true; more; {
		frames, err := conn.ReadBatch()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames {
			h, m, err := ofproto.Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			reply, ok := m.(*ofproto.StatsReply)
			if !ok { // the question, for the simulated switch to answer for the rest
				more = false
				break
			}
			if h.XID != 77 || reply.Flags != ofproto.StatsMore {
				t.Fatalf("%v %v", h, reply.Flags)
			}
			for _, e := range reply.Body.(ofproto.FlowStats) {
				m := want[e.Match]
				if m == nil || e.Cookie != m.Cookie || e.Priority != m.Priority || e.IdleTimeout != m.IdleTimeout ||
					e.HardTimeout != m.HardTimeout || !slices.EqualFunc(e.Actions, m.Actions, ofproto.SameAction) {
					t.Fatalf("%+v, want %+v", e, m)
				}
				delete(want, e.Match)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("%d of %d rules are not told of", len(want), 2*len(all))
	}
}

func TestStreamFindsAWrongWayBack(t *testing.T) {
	// The peer's own address stays: a viewer would not know whom this is from.
	r := stream(t, &redirector{peer: *peerOf(0), back: func(m *ofproto.FlowMod) { m.Actions = m.Actions[2:] }}, 3000)
	if !strings.Contains(r.bad(), "leaves as") {
		t.Errorf("%q: %+v", r.bad(), r)
	}
}

func TestStreamConfigNamesEveryPeer(t *testing.T) {
	text := streamConfig()
	for i, sw := range streamNetwork() {
		if !strings.Contains(text, peerOf(i).ip.String()) || int(sw.DPID()) != i+1 {
			t.Errorf("switch %v: its peer %v is not in\n%s", sw.DPID(), peerOf(i).ip, text)
		}
	}
}

// TestDialsAreOne adds two dials up: counts and times are summed, processor time is by connection, memory the most there was.
func TestDialsAreOne(t *testing.T) {
	one := result{
		Seconds: 1, Responses: 300, FlowMods: 600, Lost: 1, Checked: 2, CPUMicros: 8, GeneratorCPU: 1, ResidentBytes: 9, ResidentBefore: 3,
		latency: new(histogram),
	}
	other := result{
		Seconds: 3, Responses: 100, FlowMods: 200, Unmatched: 1, Checked: 3, Wrong: 1, FirstWrong: "that", CPUMicros: 12, GeneratorCPU: 5,
		ResidentBytes: 7, ResidentBefore: 4, latency: new(histogram),
	}
	one.latency.add(time.Millisecond)
	other.latency.add(time.Second)
	all := result{latency: new(histogram)}
	all.add(&one)
	all.add(&other)
	if n := all.latency.n; n != 2 {
		t.Errorf("%d latencies, want 2", n)
	}
	all.latency = nil
	want := result{
		Seconds: 4, Responses: 400, PerSecond: 100, FlowMods: 800, Lost: 1, Unmatched: 1, Checked: 5, Wrong: 1, FirstWrong: "that",
		CPUMicros: 9, GeneratorCPU: 2, ResidentBytes: 9, ResidentBefore: 4,
	}
	if all != want {
		t.Errorf("got %+v, want %+v", all, want)
	}
}
