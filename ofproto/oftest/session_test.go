package oftest

import (
	"bytes"
	"context"
	"net"
	"reflect"
	"testing"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

func TestHandshake(t *testing.T) {
	sw := NewSwitch(Options{DPID: 0x1234567890abcdef, Ports: ports(2)})
	p := connect(t, sw)
	f := one[*ofproto.FeaturesReply](p, &ofproto.FeaturesRequest{})
	if f.DatapathID != 0x1234567890abcdef || f.NBuffers != 0 || f.NTables != 1 || len(f.Ports) != 3 ||
		f.Ports[0].No != 1 || f.Ports[2].No != ofproto.PortLocal || f.Ports[0].HWAddr == f.Ports[1].HWAddr {
		t.Errorf("%+v", f)
	}
	p.expectNone(&ofproto.SetConfig{Flags: ofproto.FragDrop, MissSendLen: 700})
	if c := one[*ofproto.GetConfigReply](p, &ofproto.GetConfigRequest{}); c.MissSendLen != 700 || c.Flags != ofproto.FragDrop {
		t.Errorf("%+v", c)
	}
	if e := one[*ofproto.EchoReply](p, &ofproto.EchoRequest{Data: []byte("ping")}); string(e.Data) != "ping" {
		t.Errorf("%+v", e)
	}
	if n := sw.Received(ofproto.TypeBarrierRequest); n != 4 {
		t.Errorf("%d barriers counted, want 4", n)
	}
}

func TestHelloFirst(t *testing.T) {
	sw := NewSwitch(Options{})
	p := connectSilently(t, sw)
	p.send(&ofproto.FeaturesRequest{})
	p.next() // the switch's own HELLO
	if e, ok := p.next().m.(*ofproto.Error); !ok || e.ErrType != ofproto.HelloFailed {
		t.Errorf("a message before HELLO is answered by %+v", e)
	}
	if _, err := p.conn.ReadBatch(); err == nil {
		t.Error("and the connection stays open")
	}
	if len(sw.Violations()) != 1 {
		t.Errorf("violations: %q", sw.Violations())
	}
}

func TestRefusals(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2), TableSize: 1})
	p := connect(t, sw)
	p.expectNone(add(1, ofproto.MatchAll))
	for _, tt := range []struct {
		m    ofproto.Message
		want Refusal
	}{
		{add(2, ofproto.MatchAll), TableFull},
		{with(add(1, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.Command = 9 }), BadCommand},
		{with(add(1, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.Flags = ofproto.Emergency }), Unsupported},
		{with(add(1, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.BufferID = 7 }), UnknownBuffer},
		{add(1, ofproto.MatchAll, output(0)), BadOutPort},
		{&ofproto.PacketOut{BufferID: 3, InPort: ofproto.PortNone}, UnknownBuffer},
		{&ofproto.PacketOut{BufferID: ofproto.NoBuffer, InPort: ofproto.PortNone, Actions: []ofproto.Action{output(0)}, Data: tcp(nil)}, BadOutPort},
		{&ofproto.PortMod{Port: 9}, BadPort},
		{&ofproto.PortMod{Port: 1, HWAddr: macA}, BadHWAddr},
		{&ofproto.Vendor{Vendor: 77}, BadVendor},
		{&ofproto.Raw{MessageType: 99}, BadType},
		{&ofproto.PacketIn{}, BadType},
		{&ofproto.StatsRequest{Body: ofproto.RawStats{StatsKind: 9}}, BadStat},
		{&ofproto.QueueGetConfigRequest{Port: 9}, BadQueuePort},
		{&ofproto.Raw{MessageType: ofproto.TypeFlowMod, Body: make([]byte, 70)}, BadActionLength},
		{&ofproto.Raw{MessageType: ofproto.TypeFeaturesRequest, Body: make([]byte, 3)}, BadLength},
	} {
		p.expectRefusal(tt.m, tt.want)
	}
	if len(sw.Refused()) != 16 || sw.Refused()[0] != TableFull {
		t.Errorf("%d refusals kept: %v", len(sw.Refused()), sw.Refused())
	}
}

func TestPacketIn(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2)})
	if sw.Receive(1, tcp(nil)); sw.LostPacketIns() != 1 {
		t.Error("a miss without a controller is not counted as lost")
	}
	p := connect(t, sw)
	long := tcp(func(t *packet.TCP) { t.Payload = make([]byte, 1000) })
	receive := func() *ofproto.PacketIn {
		t.Helper()
		sw.Receive(2, long)
		return p.next().m.(*ofproto.PacketIn)
	}
	if in := receive(); in.BufferID != ofproto.NoBuffer || in.InPort != 2 || in.Reason != ofproto.ReasonNoMatch ||
		int(in.TotalLen) != len(long) || !bytes.Equal(in.Data, long[:128]) {
		t.Errorf("before SET_CONFIG: %+v", in)
	}
	p.expectNone(&ofproto.SetConfig{MissSendLen: 0xffff})
	if in := receive(); !bytes.Equal(in.Data, long) {
		t.Errorf("miss_send_len 0xffff: %d bytes", len(in.Data))
	}
	p.expectNone(add(1, ofproto.MatchAll, ofproto.SetDLDst{MAC: macA}, ofproto.Output{Port: ofproto.PortController, MaxLen: 20}))
	if in := receive(); in.Reason != ofproto.ReasonAction || len(in.Data) != 20 || ofproto.MAC(in.Data[:6]) != macA {
		t.Errorf("output to the controller: %+v", in)
	}
}

func TestPacketOut(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(3)})
	p := connect(t, sw)
	out := func(in ofproto.Port, to ...ofproto.Action) *ofproto.PacketOut {
		return &ofproto.PacketOut{BufferID: ofproto.NoBuffer, InPort: in, Actions: to, Data: tcp(nil)}
	}
	sent := func(m *ofproto.PacketOut) (ps []ofproto.Port) {
		t.Helper()
		p.expectNone(m)
		for _, e := range sw.Sent() {
			ps = append(ps, e.Port)
		}
		return ps
	}
	wantPorts(t, "port", sent(out(ofproto.PortNone, output(3))), 3)
	wantPorts(t, "flood from nowhere", sent(out(ofproto.PortNone, output(ofproto.PortFlood))), 1, 2, 3)
	wantPorts(t, "flood", sent(out(2, output(ofproto.PortFlood))), 1, 3)
	wantPorts(t, "IN_PORT", sent(out(2, output(ofproto.PortInPort))), 2)
	wantPorts(t, "no action", sent(out(1)))
	p.expectNone(add(1, match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildInPort; m.InPort = 1 }), output(2)))
	wantPorts(t, "table", sent(out(1, output(ofproto.PortTable))), 2)
	replies := p.ask(out(3, output(ofproto.PortTable)))
	if len(replies) != 1 || replies[0].m.Type() != ofproto.TypePacketIn {
		t.Errorf("table miss: %v", messages(replies))
	}
	if v := sw.Violations(); v != nil {
		t.Errorf("violations: %q", v)
	}
	wantPorts(t, "the port it came from", sent(out(1, output(1))))
	sent(out(0, output(1)))
	sent(&ofproto.PacketOut{BufferID: ofproto.NoBuffer, InPort: ofproto.PortNone})
	if v := sw.Violations(); len(v) != 3 {
		t.Errorf("violations: %q", v)
	}
}

func TestFlowRemoved(t *testing.T) {
	c := newClock()
	sw := NewSwitch(Options{Ports: ports(2), Now: c.now})
	p := connect(t, sw)
	mod := with(add(7, tcpTo(ipB, 32), output(2)), func(m *ofproto.FlowMod) {
		m.Cookie, m.IdleTimeout, m.Flags = 42, 5, ofproto.SendFlowRem
	})
	p.expectNone(mod, with(add(8, tcpTo(ipA, 32)), func(m *ofproto.FlowMod) { m.HardTimeout = 1 }))
	c.add(2)
	sw.Receive(1, tcp(nil))
	c.add(5.5)
	sw.Expire()
	r, ok := p.next().m.(*ofproto.FlowRemoved)
	if !ok || r.Match.Normalized() != mod.Match.Normalized() || r.Cookie != 42 || r.Priority != 7 || r.Reason != ofproto.RemovedIdle ||
		r.DurationSec != 7 || r.DurationNsec != 5e8 || r.IdleTimeout != 5 || r.PacketCount != 1 || r.ByteCount != 60 {
		t.Errorf("%+v", r)
	}
	remove := with(add(0, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.Command = ofproto.FlowDelete })
	replies := p.ask(mod, mod, remove) // replacing is silent
	if len(replies) != 1 || replies[0].m.(*ofproto.FlowRemoved).Reason != ofproto.RemovedDelete {
		t.Errorf("deleted: %v", messages(replies))
	}
	p.expectNone(with(add(1, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.HardTimeout, m.Flags = 9, ofproto.SendFlowRem }))
	c.add(9)
	if r := one[*ofproto.FlowRemoved](p, &ofproto.SetConfig{}); r.Reason != ofproto.RemovedHard {
		t.Errorf("%+v", r)
	}
}

func TestStats(t *testing.T) {
	sw := NewSwitch(Options{DPID: 5, Ports: ports(2)})
	p := connect(t, sw)
	p.expectNone(add(1, tcpTo(ofproto.IPv4{10}, 8), output(1)), add(2, tcpTo(ipB, 32), output(2)), add(0, ofproto.MatchAll))
	sw.Receive(1, tcp(nil))
	ask := func(b ofproto.StatsRequestBody) ofproto.StatsReplyBody {
		t.Helper()
		return one[*ofproto.StatsReply](p, &ofproto.StatsRequest{Body: b}).Body
	}
	if d := ask(ofproto.DescStatsRequest{}).(ofproto.DescStats); d.Datapath != "s5" {
		t.Errorf("%+v", d)
	}
	all := ask(ofproto.FlowStatsRequest{Match: ofproto.MatchAll, TableID: ofproto.AllTables, OutPort: ofproto.PortNone}).(ofproto.FlowStats)
	if len(all) != 3 || all[1].Priority != 2 || all[1].PacketCount != 1 || all[1].ByteCount != 60 ||
		!reflect.DeepEqual(all[1].Actions, []ofproto.Action{output(2)}) || all[1].Match.Normalized() != tcpTo(ipB, 32).Normalized() {
		t.Errorf("all flows: %+v", all)
	}
	if all[2].Match.Wildcards == ofproto.WildAll {
		t.Error("ignored addresses are counted as they were sent, unlike Open vSwitch's")
	}
	if f := ask(ofproto.FlowStatsRequest{Match: tcpTo(ofproto.IPv4{10}, 8), TableID: 0, OutPort: 1}).(ofproto.FlowStats); len(f) != 1 || f[0].Priority != 1 {
		t.Errorf("flows by match and port: %+v", f)
	}
	if f := ask(ofproto.FlowStatsRequest{Match: ofproto.MatchAll, TableID: 1, OutPort: ofproto.PortNone}).(ofproto.FlowStats); len(f) != 0 {
		t.Errorf("flows of another table: %+v", f)
	}
	if a := ask(ofproto.AggregateStatsRequest{Match: ofproto.MatchAll, OutPort: ofproto.PortNone}).(ofproto.AggregateStats); a.FlowCount != 3 || a.PacketCount != 1 || a.ByteCount != 60 {
		t.Errorf("%+v", a)
	}
	if ts := ask(ofproto.TableStatsRequest{}).(ofproto.TableStats); len(ts) != 1 || ts[0].ActiveCount != 3 || ts[0].LookupCount != 1 || ts[0].MatchedCount != 1 {
		t.Errorf("%+v", ts)
	}
	if ps := ask(ofproto.PortStatsRequest{Port: 1}).(ofproto.PortStats); len(ps) != 1 || ps[0].RxPackets != 1 || ps[0].RxBytes != 60 {
		t.Errorf("%+v", ps)
	}
	if ps := ask(ofproto.PortStatsRequest{Port: ofproto.PortNone}).(ofproto.PortStats); len(ps) != 3 || ps[1].TxPackets != 1 {
		t.Errorf("%+v", ps)
	}
}

func TestFlowStatsInParts(t *testing.T) {
	const n = 3000 // of 96 bytes each: more than four messages can hold
	sw := NewSwitch(Options{Ports: ports(2)})
	for i := range n {
		mustApply(t, sw, add(uint16(i), ofproto.MatchAll, output(2)))
	}
	p := connect(t, sw)
	seen := map[uint16]bool{}
	replies := p.ask(&ofproto.StatsRequest{Body: ofproto.FlowStatsRequest{Match: ofproto.MatchAll, TableID: 0xff, OutPort: ofproto.PortNone}})
	for i, r := range replies {
		s := r.m.(*ofproto.StatsReply)
		if last := i == len(replies)-1; (s.Flags&ofproto.StatsMore == 0) != last {
			t.Errorf("reply %d of %d has flags %x", i+1, len(replies), s.Flags)
		}
		for _, f := range s.Body.(ofproto.FlowStats) {
			seen[f.Priority] = true
		}
	}
	if len(seen) != n || len(replies) < 5 {
		t.Errorf("%d entries in %d replies", len(seen), len(replies))
	}
}

func TestPortStatus(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2)})
	p := connect(t, sw)
	next := func() *ofproto.PortStatus {
		t.Helper()
		return p.next().m.(*ofproto.PortStatus)
	}
	sw.SetLink(2, false)
	sw.SetLink(2, false) // no change, no message
	if s := next(); s.Reason != ofproto.PortModified || s.Port.No != 2 || s.Port.Up() {
		t.Errorf("%+v", s)
	}
	sw.AddPort(7)
	if s := next(); s.Reason != ofproto.PortAdded || s.Port.No != 7 || !s.Port.Up() {
		t.Errorf("%+v", s)
	}
	sw.RemovePort(7)
	if s := next(); s.Reason != ofproto.PortDeleted || s.Port.No != 7 {
		t.Errorf("%+v", s)
	}
	down := &ofproto.PortMod{Port: 1, HWAddr: sw.Port(1).HWAddr, Config: ofproto.PortDown, Mask: ofproto.PortDown}
	if s := one[*ofproto.PortStatus](p, down); s.Port.Config != ofproto.PortDown {
		t.Errorf("%+v", s)
	}
	if out := sw.Receive(1, tcp(nil)); out != nil || sw.LostPacketIns() != 0 {
		t.Errorf("a port that is down receives: %+v", out)
	}
}

func TestTableOutlivesConnection(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2)})
	connect(t, sw).expectNone(add(1, ofproto.MatchAll, output(2)))
	sw.Disconnect()
	wantPorts(t, "disconnected", outPorts(sw, 1, tcp(nil)), 2)
	connect(t, sw)
	wantPorts(t, "connected again", outPorts(sw, 1, tcp(nil)), 2)
	sw.Restart()
	wantPorts(t, "restarted", outPorts(sw, 1, tcp(nil)))
}

func TestDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- NewSwitch(Options{DPID: 1}).Dial(ctx, l.Addr().String()) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, conn: ofproto.NewConn(conn, ofproto.ConnOptions{})}
	p.send(&ofproto.Hello{})
	p.next()
	if f := one[*ofproto.FeaturesReply](p, &ofproto.FeaturesRequest{}); f.DatapathID != 1 {
		t.Errorf("%+v", f)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Dial returns %v when its context ends", err)
	}
}

func TestPacketInQueue(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2), PacketInQueue: 100_000})
	p := connect(t, sw)
	p.expectNone(&ofproto.SetConfig{MissSendLen: 0xffff})
	long := tcp(func(t *packet.TCP) { t.Payload = make([]byte, 1400) })
	const frames = 2000 // 2.9 MB, of which the connection itself takes a part
	for range frames {
		sw.Receive(1, long)
	}
	lost := sw.LostPacketIns()
	if lost == 0 || lost == frames {
		t.Fatalf("%d of %d are lost to a controller that does not read", lost, frames)
	}
	for range frames - lost {
		if r := p.next(); r.m.Type() != ofproto.TypePacketIn {
			t.Fatalf("%+v", r.m)
		}
	}
	p.expectNone()
}
