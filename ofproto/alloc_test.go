package ofproto

import (
	"bytes"
	"io"
	"slices"
	"testing"
	"time"
)

var exampleFlowMod = &FlowMod{
	Match: connection, Cookie: 1, Priority: 40000, BufferID: NoBuffer, OutPort: PortNone, IdleTimeout: 180,
	Actions: []Action{SetDLDst{MAC: MAC{2, 0, 0, 0, 0, 3}}, SetNWDst{IPv4{10, 0, 0, 3}}, Output{Port: 2}},
}

var examplePacketOut = &PacketOut{
	BufferID: NoBuffer, InPort: 1, Actions: []Action{Output{Port: 2}}, Data: make([]byte, 64),
}

// examplePacketIn returns a whole PACKET_IN with a packet of 60 bytes.
func examplePacketIn(tb testing.TB) []byte {
	frame, err := Append(nil, 1, &PacketIn{BufferID: NoBuffer, TotalLen: 60, InPort: 3, Data: make([]byte, 60)})
	if err != nil {
		tb.Fatal(err)
	}
	return frame
}

// An endless transport repeats one chunk, and swallows what is written.
type endless struct{ chunk []byte }

func (e endless) Read(p []byte) (int, error)       { return copy(p, e.chunk), nil }
func (e endless) Write(p []byte) (int, error)      { return len(p), nil }
func (e endless) SetWriteDeadline(time.Time) error { return nil }
func (e endless) Close() error                     { return nil }

// These run for every packet of a busy network.
func TestNoAllocations(t *testing.T) {
	frame := examplePacketIn(t)
	buf := make([]byte, 0, 1<<16)
	var packet PacketIn
	conn := NewConn(endless{bytes.Repeat(frame, 500)}, ConnOptions{})
	run := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		f    func()
	}{
		{"ParseHeader", func() { _, err := ParseHeader(frame); run(err) }},
		{"PacketIn.DecodeBody", func() { run(packet.DecodeBody(frame[HeaderLen:])) }},
		{"Append PacketIn", func() { _, err := Append(buf, 1, &packet); run(err) }},
		{"Append FlowMod", func() { _, err := Append(buf, 1, exampleFlowMod); run(err) }},
		{"Append PacketOut", func() { _, err := Append(buf, 1, examplePacketOut); run(err) }},
		{"Conn.ReadBatch", func() { _, err := conn.ReadBatch(); run(err) }},
		{"Conn.Write and Flush", func() { run(conn.Write(1, exampleFlowMod)); run(conn.Flush()) }},
	} {
		tt.f() // buffers grow once
		tt.f()
		if n := testing.AllocsPerRun(1000, tt.f); n != 0 {
			t.Errorf("%s allocates %v times", tt.name, n)
		}
	}
}

func BenchmarkDecodePacketIn(b *testing.B) {
	frame := examplePacketIn(b)
	var p PacketIn
	b.ReportAllocs()
	for b.Loop() {
		if err := p.DecodeBody(frame[HeaderLen:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendFlowMod(b *testing.B) {
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Append(buf, 1, exampleFlowMod); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendPacketOut(b *testing.B) {
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Append(buf, 1, examplePacketOut); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeFlowMod(b *testing.B) {
	frame, err := Append(nil, 1, exampleFlowMod)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(frame); err != nil {
			b.Fatal(err)
		}
	}
}

// exampleFlowStats returns a whole STATS_REPLY of 400 rules of sessions, as large as replies become.
func exampleFlowStats(tb testing.TB) []byte {
	entry := FlowStat{Match: MatchAll, Actions: []Action{SetDLDst{}, SetNWDst{}, Output{Port: 3}}}
	frame, err := Append(nil, 1, &StatsReply{Body: FlowStats(slices.Repeat([]FlowStat{entry}, 400))})
	if err != nil {
		tb.Fatal(err)
	}
	return frame
}

// TestFlowStatsAllocations: the entries of a reply are one piece of memory, and each list of actions is there once.
func TestFlowStatsAllocations(t *testing.T) {
	frame := exampleFlowStats(t)
	const most = 16
	if n := testing.AllocsPerRun(100, func() { _, _, _ = Decode(frame) }); n > most {
		t.Errorf("%v allocations for 400 entries, want no more than %d", n, most)
	}
}

// TestFlowStatsShareActions: entries have a list of actions in common only where it is the same to the bit, and it has no
// room into which somebody could append for all.
func TestFlowStatsShareActions(t *testing.T) {
	lists := [][]Action{
		{Output{Port: 1}, Output{Port: 2}, Output{Port: 3}}, {Output{Port: 1}, Output{Port: 2}}, {}, {SetVLANVID{VID: 1}}, {SetVLANVID{VID: 1, pad: [2]byte{0, 1}}},
	}
	var sent FlowStats
	for range 2 {
		for _, l := range lists {
			sent = append(sent, FlowStat{Match: MatchAll, Actions: l})
		}
	}
	frame, err := Append(nil, 1, &StatsReply{Body: sent})
	if err != nil {
		t.Fatal(err)
	}
	_, m, err := Decode(frame)
	if err != nil {
		t.Fatal(err)
	}
	got := m.(*StatsReply).Body.(FlowStats)
	for i, want := range lists {
		one, other := got[i].Actions, got[i+len(lists)].Actions
		if !slices.Equal(one, want) || !slices.Equal(other, want) {
			t.Errorf("%v and %v, want %v", one, other, want)
		}
		if len(want) > 0 && &one[0] != &other[0] {
			t.Errorf("%v is kept twice", want)
		}
		if cap(one) > len(one) {
			t.Errorf("%v has room for more", one)
		}
	}
}

func BenchmarkDecodeFlowStats(b *testing.B) {
	frame := exampleFlowStats(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(frame); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConn reads PACKET_INs and answers each with a FLOW_MOD; an operation is one message in and one out.
func BenchmarkConn(b *testing.B) {
	conn := NewConn(endless{bytes.Repeat(examplePacketIn(b), 500)}, ConnOptions{})
	b.ReportAllocs()
	var p PacketIn
	for n := 0; n < b.N; {
		frames, err := conn.ReadBatch()
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range frames {
			h, err := ParseHeader(f)
			if err != nil {
				b.Fatal(err)
			}
			if err := p.DecodeBody(f[HeaderLen:]); err != nil {
				b.Fatal(err)
			}
			if err := conn.Write(h.XID, exampleFlowMod); err != nil {
				b.Fatal(err)
			}
		}
		if err := conn.Flush(); err != nil {
			b.Fatal(err)
		}
		n += len(frames)
	}
}

var _ io.ReadWriteCloser = endless{}
