package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// A toy is a controller that knows where everybody is without learning, and does what it is told to do wrong.
type toy struct {
	t     *testing.T
	fault atomic.Int32
	n     atomic.Uint64
}

// What a toy can do wrong.
const (
	nothing int32 = iota
	wrongPort
	wrongFrame
	wrongRule
	dropSome
	twice
	hangUp
)

func (c *toy) listen() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn)
		}
	}()
	return l.Addr().String()
}

func (c *toy) serve(nc net.Conn) {
	conn := ofproto.NewConn(nc, ofproto.ConnOptions{})
	defer conn.Close()
	_ = conn.Write(1, &ofproto.Hello{})
	_ = conn.Write(2, &ofproto.SetConfig{MissSendLen: 0xffff})
	for conn.Flush() == nil {
		frames, err := conn.ReadBatch()
		if err != nil {
			return
		}
		for _, f := range frames {
			if ofproto.Type(f[1]) != ofproto.TypePacketIn {
				continue
			}
			if c.fault.Load() == hangUp {
				return
			}
			var in ofproto.PacketIn
			if err := in.DecodeBody(f[ofproto.HeaderLen:]); err != nil {
				c.t.Error(err)
			}
			c.answer(conn, &in)
		}
	}
}

func (c *toy) answer(conn *ofproto.Conn, in *ofproto.PacketIn) {
	var p packet.Peeked
	if packet.Peek(in.Data, &p) != nil || p.EtherType != packet.TypeIPv4 {
		return
	}
	port, rulePort, data := ofproto.Port(destPort), ofproto.Port(destPort), in.Data
	switch c.fault.Load() {
	case wrongPort:
		port = 1
	case wrongFrame:
		data = bytes.Clone(in.Data)
		data[20]++
	case wrongRule:
		rulePort = ofproto.PortFlood
	case dropSome:
		if c.n.Add(1)%4 == 0 {
			return
		}
	case twice:
		defer c.send(conn, in, port, data)
	}
	m := ofproto.MatchAll
	m.Wildcards &^= ofproto.WildDLSrc | ofproto.WildDLDst
	m.DLSrc, m.DLDst = p.Src, p.Dst
	_ = conn.Write(3, &ofproto.FlowMod{Match: m, Priority: 5, BufferID: ofproto.NoBuffer, OutPort: ofproto.PortNone,
		Actions: []ofproto.Action{ofproto.Output{Port: rulePort}}})
	c.send(conn, in, port, data)
}

func (c *toy) send(conn *ofproto.Conn, in *ofproto.PacketIn, port ofproto.Port, data []byte) {
	out := &ofproto.PacketOut{BufferID: in.BufferID, InPort: in.InPort, Actions: []ofproto.Action{ofproto.Output{Port: port}}}
	if in.BufferID == ofproto.NoBuffer {
		out.Data = data
	}
	_ = conn.Write(4, out)
}

// connectToy connects a few switches to a toy.
func connectToy(t *testing.T, n, destinations int, buffered bool) (context.Context, *toy, []*simSwitch) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	c := &toy{t: t}
	address := c.listen()
	switches := make([]*simSwitch, n)
	for i := range switches {
		var err error
		sw := oftest.NewSwitch(oftest.Options{DPID: ofproto.DPID(i + 1), Ports: switchPorts()})
		all := slots(i, destinations, buffered)
		if switches[i], err = dialSwitch(ctx, address, sw, all, newPairRules(all), buffered); err != nil {
			t.Fatal(err)
		}
	}
	if err := warm(ctx, switches, 0); err != nil {
		t.Fatal(err)
	}
	return ctx, c, switches
}

const short = 200 * time.Millisecond

// until runs a load, twice as long each time, until it shows what it should: on a busy machine a short time may pass with
// nothing done.
func until(shows func(result) bool, run func(length time.Duration) (result, error)) (r result, err error) {
	for length := short; length <= 16*short; length *= 2 {
		if r, err = run(length); err != nil || shows(r) {
			break
		}
	}
	return r, err
}

func checked(r result) bool { return r.Checked > 0 }

func TestClosedLoop(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		ctx, _, switches := connectToy(t, 3, 2, buffered)
		r, err := until(checked, func(d time.Duration) (result, error) { return closedLoop(ctx, switches, 8, short, d) })
		r.quantiles()
		if err != nil || r.bad() != "" || r.Lost+r.Unmatched > 0 {
			t.Errorf("buffered %v: %v, %q: %+v", buffered, err, r.bad(), r)
		}
		// What is in the middle of being handled when the time is over may be in one count and not yet in the other.
		if n := float64(r.Responses); math.Abs(float64(r.FlowMods)-n) > n/10 || math.Abs(float64(r.latency.n)-n) > n/10 {
			t.Errorf("buffered %v: %d flow mods, %d latencies of %d responses", buffered, r.FlowMods, r.latency.n, r.Responses)
		}
		if r.P50 <= 0 || r.P50 > r.P99 || r.P99 > r.P999 {
			t.Errorf("buffered %v: %+v", buffered, r)
		}
	}
}

func TestOpenLoop(t *testing.T) {
	ctx, _, switches := connectToy(t, 3, 2, false)
	r, err := until(checked, func(d time.Duration) (result, error) { return openLoop(ctx, switches, short, d) })
	r.quantiles()
	if err != nil || r.bad() != "" || r.Lost+r.Unmatched > 0 || r.FlowMods == 0 || r.P50 <= 0 || r.P50 > r.P999 || r.P999 > 1e6 {
		t.Errorf("%v, %q: %+v", err, r.bad(), r)
	}
}

func TestWrongAnswersAreFound(t *testing.T) {
	for fault, want := range map[int32]string{
		wrongPort: "PACKET_OUT does", wrongFrame: "another frame", wrongRule: "leaves as",
	} {
		for _, open := range []bool{false, true} {
			ctx, c, switches := connectToy(t, 2, 1, false)
			c.fault.Store(fault)
			r, err := until(checked, func(d time.Duration) (result, error) {
				if open {
					return openLoop(ctx, switches, short, d)
				}
				return closedLoop(ctx, switches, 32, short, d)
			})
			if err != nil || !strings.Contains(r.bad(), want) {
				t.Errorf("fault %d, open %v: %v, %q, want %q", fault, open, err, r.bad(), want)
			}
		}
	}
}

func TestLostAndRepeatedAnswersAreCounted(t *testing.T) {
	ctx, c, switches := connectToy(t, 1, 1, false)
	open := func(d time.Duration) (result, error) { return openLoop(ctx, switches, short, d) }
	closed := func(d time.Duration) (result, error) { return closedLoop(ctx, switches, 4, short, d) }
	unmatched := func(r result) bool { return r.Unmatched > 0 }
	c.fault.Store(twice)
	if r, err := until(unmatched, closed); err != nil || r.Unmatched == 0 {
		t.Errorf("answered twice: %v, %+v", err, r)
	}
	if r, err := until(unmatched, open); err != nil || r.Unmatched == 0 {
		t.Errorf("answered twice, open loop: %v, %+v", err, r)
	}
	c.fault.Store(dropSome)
	if r, err := until(func(r result) bool { return r.Lost > 0 }, open); err != nil || r.Lost == 0 {
		t.Errorf("some dropped, open loop: %v, %+v", err, r)
	}
	if r, err := closedLoop(ctx, switches, 4, short, patience+2*short); err != nil || r.Lost == 0 {
		t.Errorf("some dropped, closed loop: %v, %+v", err, r)
	}
}

func TestLostConnectionEndsTheRun(t *testing.T) {
	ctx, c, switches := connectToy(t, 1, 1, false)
	c.fault.Store(hangUp)
	if _, err := closedLoop(ctx, switches, 4, short, time.Minute); err == nil {
		t.Error("no error")
	}
}

func TestWarmFindsAWrongController(t *testing.T) {
	ctx, c, switches := connectToy(t, 1, 1, false)
	c.fault.Store(wrongPort)
	l := &lap{window: newWindow(switches[0], warmWindow), todo: sources}
	if err := l.start(); err != nil {
		t.Fatal(err)
	}
	if err := wait(ctx, switches, short, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if left, err := l.again(); err != nil || left != sources || l.wrong() == nil {
		t.Errorf("%d left, %v, last %v", left, err, l.wrong())
	}
	c.fault.Store(nothing)
	for range 50 {
		time.Sleep(lostCheck)
		if left, _ := l.again(); left == 0 {
			return
		}
	}
	t.Error("right answers do not end it")
}

func TestEveryHostIsAmongTheFirstSlots(t *testing.T) {
	all := slots(3, 10, false)
	from, to, pairs := map[ofproto.MAC]bool{}, map[ofproto.MAC]bool{}, map[pair]bool{}
	for i, s := range all {
		if i < sources {
			from[s.from.mac], to[s.to.mac] = true, true
		}
		pairs[pair{s.from.mac, s.to.mac}] = true
		if id, ok := binary.BigEndian.Uint32(s.request[frameAt+seqAt:]), packet.Verify(s.request[frameAt:]); int(id) != i || ok == packet.ErrIPv4 {
			t.Fatalf("slot %d has id %d: %v", i, id, ok)
		}
	}
	if len(from) != sources || len(to) != 10 || len(pairs) != len(all) {
		t.Errorf("%d sources, %d destinations, %d pairs in %d slots", len(from), len(to), len(pairs), len(all))
	}
}

func TestSummary(t *testing.T) {
	results := []result{
		{Scenario: "open 16", Controller: ourName, PerSecond: 30, Responses: 3, CPUMicros: 2, ResidentBytes: 10},
		{Scenario: "open 16", Controller: ourName, PerSecond: 10, Responses: 1, CPUMicros: 4, ResidentBytes: 10},
		{Scenario: "open 16", Controller: ourName, PerSecond: 20, Responses: 2, CPUMicros: 3, ResidentBytes: 10},
		{Scenario: "open 16", Controller: otherName, PerSecond: 5, Responses: 1, CPUMicros: 6, ResidentBytes: 20},
		{Scenario: "closed 1x1", Controller: ourName, PerSecond: 1, Responses: 1, P50: 30},
		{Scenario: "closed 1x1", Controller: otherName, PerSecond: 1, Responses: 1, P50: 40},
	}
	s := summarize(results, ourName, otherName)
	if len(s) != 2 || s[1].PerSecond != 4 || s[1].CPU != 0.5 || s[1].Resident != 0.5 || s[1].Controllers[ourName].Slowest != 10 ||
		s[1].Controllers[ourName].Fastest != 30 {
		t.Fatalf("%+v", s)
	}
	r := &report{Version: "v1", Rounds: 3, Seconds: 4, Summary: s}
	var text strings.Builder
	r.print(&text, []string{ourName, otherName})
	if !strings.Contains(text.String(), "x 4.00") {
		t.Errorf("printed:\n%s", text.String())
	}
	want := "| open 16 | responses/s, ratio | at least 10.0 x | 4.0 x, not reached |\n"
	if got := r.targets(); !strings.Contains(got, want) || !strings.Contains(got, "at most 1.00 x | 0.75 x, reached") {
		t.Errorf("the targets:\n%s", got)
	}

	dir := t.TempDir()
	file, document := filepath.Join(dir, "r.json"), filepath.Join(dir, "d.md")
	if err := r.write(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(document, []byte("above\n"+tablesBegin+"old\n"+tablesEnd+"below\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time finds what the first has put there
		if err := updateDocument(document, file); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := os.ReadFile(document)
	if s := string(got); !strings.HasPrefix(s, "above\n"+tablesBegin) || !strings.HasSuffix(s, tablesEnd+"below\n") ||
		strings.Count(s, want) != 1 || strings.Contains(s, "old") {
		t.Errorf("the document:\n%s", s)
	}
	if err := os.WriteFile(document, []byte("nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := updateDocument(document, file); err == nil {
		t.Error("a document without a place for tables was changed")
	}
}
