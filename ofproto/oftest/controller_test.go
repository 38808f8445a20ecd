package oftest

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A peer is the controller's end of a connection, spoken by hand.
type peer struct {
	t     *testing.T
	conn  *ofproto.Conn
	xid   uint32
	queue []reply
}

type reply struct {
	xid uint32
	m   ofproto.Message
}

// connect serves sw to a peer, past the HELLOs.
func connect(t *testing.T, sw *Switch) *peer {
	t.Helper()
	p := connectSilently(t, sw)
	p.send(&ofproto.Hello{})
	p.next()
	Eventually(t, "greeted", sw.Connected)
	return p
}

func connectSilently(t *testing.T, sw *Switch) *peer {
	t.Helper()
	near, far := Pipe()
	done := make(chan error, 1)
	go func() { done <- sw.Serve(context.Background(), near) }()
	p := &peer{t: t, conn: ofproto.NewConn(far, ofproto.ConnOptions{}), xid: 100}
	t.Cleanup(func() {
		p.conn.Close()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Serve does not return after its connection is closed")
		}
	})
	return p
}

// send writes messages in one piece and returns the xid of the last.
func (p *peer) send(ms ...ofproto.Message) uint32 {
	p.t.Helper()
	for _, m := range ms {
		p.xid++
		if err := p.conn.Write(p.xid, m); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := p.conn.Flush(); err != nil {
		p.t.Fatal(err)
	}
	return p.xid
}

// next returns the next message from the switch.
func (p *peer) next() reply {
	p.t.Helper()
	for len(p.queue) == 0 {
		frames, err := p.conn.ReadBatch()
		if err != nil {
			p.t.Fatalf("reading from the switch: %v", err)
		}
		for _, f := range frames {
			h, m, err := ofproto.Decode(append([]byte{}, f...))
			if err != nil {
				p.t.Fatal(err)
			}
			p.queue = append(p.queue, reply{h.XID, m})
		}
	}
	r := p.queue[0]
	p.queue = p.queue[1:]
	return r
}

// ask sends messages and a barrier, and returns what came before the barrier's reply.
func (p *peer) ask(ms ...ofproto.Message) []reply {
	p.t.Helper()
	barrier := p.send(append(ms, &ofproto.BarrierRequest{})...)
	var replies []reply
	for {
		r := p.next()
		if _, ok := r.m.(*ofproto.BarrierReply); ok && r.xid == barrier {
			return replies
		}
		replies = append(replies, r)
	}
}

// one asks for exactly one answer of a type.
func one[T ofproto.Message](p *peer, m ofproto.Message) T {
	p.t.Helper()
	replies := p.ask(m)
	if len(replies) == 1 {
		if got, ok := replies[0].m.(T); ok {
			return got
		}
	}
	p.t.Fatalf("%v answered by %v, want one %T", m.Type(), messages(replies), *new(T))
	panic("unreachable")
}

func messages(replies []reply) []string {
	var s []string
	for _, r := range replies {
		s = append(s, fmt.Sprintf("%v %+v", r.m.Type(), r.m))
	}
	return s
}

// expectNone fails on any answer.
func (p *peer) expectNone(ms ...ofproto.Message) {
	p.t.Helper()
	if replies := p.ask(ms...); len(replies) > 0 {
		p.t.Fatalf("unexpected answers: %v", messages(replies))
	}
}

// expectRefusal expects one ERROR that carries the message.
func (p *peer) expectRefusal(m ofproto.Message, want Refusal) {
	p.t.Helper()
	e := one[*ofproto.Error](p, m)
	if e.ErrType != want.Type || e.Code != want.Code {
		p.t.Errorf("%v refused with type %d code %d, want %v", m.Type(), e.ErrType, e.Code, want)
	}
	whole, err := ofproto.Append(nil, p.xid-1, m)
	if err != nil {
		p.t.Fatal(err)
	}
	if string(e.Data) != string(whole) {
		p.t.Errorf("error carries %x, want %x", []byte(e.Data), whole)
	}
}

// A clock that tests move.
type clock struct{ at time.Time }

func newClock() *clock          { return &clock{time.Unix(1_000_000, 0)} }
func (c *clock) now() time.Time { return c.at }
func (c *clock) add(d float64)  { c.at = c.at.Add(time.Duration(d * float64(time.Second))) }
func ports(n int) (p []ofproto.Port) {
	for i := range n {
		p = append(p, ofproto.Port(i+1))
	}
	return p
}

var (
	macA = ofproto.MAC{0x02, 0, 0, 0, 0, 0x0a}
	macB = ofproto.MAC{0x02, 0, 0, 0, 0, 0x0b}
	ipA  = ofproto.IPv4{10, 0, 0, 1}
	ipB  = ofproto.IPv4{10, 0, 0, 2}
)

func tcp(change func(*packet.TCP)) []byte {
	t := packet.TCP{DstMAC: macB, SrcMAC: macA, SrcIP: ipA, DstIP: ipB, SrcPort: 40000, DstPort: 1935, Flags: packet.SYN}
	if change != nil {
		change(&t)
	}
	return packet.AppendTCP(nil, t)
}

// match builds a Match from fields that are set on it, clearing their wildcards.
func match(change func(*ofproto.Match)) ofproto.Match {
	m := ofproto.MatchAll
	if change != nil {
		change(&m)
	}
	return m
}

func tcpTo(ip ofproto.IPv4, bits int) ofproto.Match {
	return match(func(m *ofproto.Match) {
		m.Wildcards = m.Wildcards &^ ofproto.WildDLType &^ ofproto.WildNWProto &^ ofproto.WildTPDst
		m.Wildcards = m.Wildcards.WithNWDstBits(bits)
		m.DLType, m.NWProto, m.NWDst, m.TPDst = 0x0800, 6, ip, 1935
	})
}

func add(priority uint16, m ofproto.Match, actions ...ofproto.Action) *ofproto.FlowMod {
	return &ofproto.FlowMod{Match: m, Priority: priority, BufferID: ofproto.NoBuffer, OutPort: ofproto.PortNone, Actions: actions}
}

func with(mod *ofproto.FlowMod, change func(*ofproto.FlowMod)) *ofproto.FlowMod {
	change(mod)
	return mod
}

func output(p ofproto.Port) ofproto.Action { return ofproto.Output{Port: p, MaxLen: 0xffff} }

func mustApply(t *testing.T, sw *Switch, mods ...*ofproto.FlowMod) {
	t.Helper()
	for _, m := range mods {
		if err := sw.Apply(m); err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
	}
}

// outPorts sends a frame in and returns where it leaves.
func outPorts(sw *Switch, in ofproto.Port, frame []byte) (out []ofproto.Port) {
	for _, e := range sw.Receive(in, frame) {
		out = append(out, e.Port)
	}
	return out
}

func wantPorts(t *testing.T, what string, got []ofproto.Port, want ...ofproto.Port) {
	t.Helper()
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("%s: leaves by %v, want %v", what, got, want)
	}
}

func cookies(sw *Switch) (c []uint64) {
	for _, f := range sw.Flows() {
		c = append(c, f.Cookie)
	}
	return c
}
