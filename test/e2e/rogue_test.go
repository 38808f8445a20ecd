package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A rogue is a connection to the controller of one who means no good. It is spoken by hand, since a simulated switch would
// not say what it must not.
type rogue struct {
	net.Conn
	frames *ofproto.Conn
	batch  [][]byte
}

// rogue connects to the daemon and says nothing yet.
func (d *daemon) rogue() (*rogue, error) {
	c, err := d.lab.core.dial("tcp", "127.0.0.1:6653")
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	return &rogue{Conn: c, frames: ofproto.NewConn(c, ofproto.ConnOptions{})}, nil
}

// say sends one message.
func (r *rogue) say(xid uint32, m ofproto.Message) error {
	if err := r.frames.Write(xid, m); err != nil {
		return err
	}
	return r.frames.Flush()
}

// await reads until a message of a type comes, and returns it.
func (r *rogue) await(t ofproto.Type) (xid uint32, m ofproto.Message, err error) {
	for {
		for len(r.batch) == 0 {
			if r.batch, err = r.frames.ReadBatch(); err != nil {
				return 0, nil, fmt.Errorf("waiting for %v: %w", t, err)
			}
		}
		h, m, err := ofproto.Decode(r.batch[0])
		if r.batch = r.batch[1:]; err != nil || h.Type == t {
			return h.XID, m, err
		}
	}
}

// shakeHands answers all that a switch is asked before it is up.
func (r *rogue) shakeHands(id ofproto.DPID) error {
	if err := r.say(0, &ofproto.Hello{}); err != nil {
		return err
	}
	for _, step := range []struct {
		asked  ofproto.Type
		answer ofproto.Message
	}{
		{ofproto.TypeFeaturesRequest, &ofproto.FeaturesReply{DatapathID: id, NTables: 1, Ports: []ofproto.PhyPort{{No: 1, Name: "one"}}}},
		{ofproto.TypeStatsRequest, &ofproto.StatsReply{Body: ofproto.DescStats{Manufacturer: "nobody"}}},
		{ofproto.TypeStatsRequest, &ofproto.StatsReply{Body: ofproto.FlowStats{}}},
		{ofproto.TypeBarrierRequest, &ofproto.BarrierReply{}},
	} {
		xid, _, err := r.await(step.asked)
		if err != nil {
			return err
		}
		if err := r.say(xid, step.answer); err != nil {
			return err
		}
	}
	return nil
}

// echo wants an answer to an echo request.
func (r *rogue) echo(xid uint32) error {
	if err := r.say(xid, &ofproto.EchoRequest{Data: []byte("still there?")}); err != nil {
		return err
	}
	for {
		switch got, _, err := r.await(ofproto.TypeEchoReply); {
		case err != nil:
			return err
		case got == xid:
			return nil
		}
	}
}

// samples are messages that a switch may send, and some that it may not.
func samples() (all [][]byte) {
	match := ofproto.MatchAll
	frame := make([]byte, 60)
	copy(frame, []byte{0x02, 0xba, 0xd0, 0, 0, 2, 0x02, 0xba, 0xd0, 0, 0, 1, 0x08, 0x06})
	for _, m := range []ofproto.Message{
		&ofproto.Hello{Body: []byte{0, 1, 0, 8, 0, 0, 0, 2}},
		&ofproto.Error{ErrType: ofproto.BadRequest, Data: frame},
		&ofproto.EchoReply{Data: frame},
		&ofproto.Vendor{},
		&ofproto.FeaturesReply{DatapathID: 1, Ports: []ofproto.PhyPort{{No: 1}, {No: 2}}},
		&ofproto.PacketIn{BufferID: ofproto.NoBuffer, TotalLen: 60, InPort: 1, Data: frame},
		&ofproto.FlowRemoved{Match: match, Cookie: 0x0f1e << 48},
		&ofproto.PortStatus{Port: ofproto.PhyPort{No: 1}},
		&ofproto.StatsReply{Flags: ofproto.StatsMore, Body: ofproto.FlowStats{{Match: match, Actions: []ofproto.Action{ofproto.Output{Port: 1}}}}},
		&ofproto.StatsReply{Body: ofproto.DescStats{}},
		&ofproto.StatsReply{Body: ofproto.PortStats{{}}},
		&ofproto.BarrierReply{},
		&ofproto.FlowMod{Match: match, Actions: []ofproto.Action{ofproto.Output{Port: 1}, ofproto.SetNWDst{}}},
		&ofproto.PacketOut{BufferID: ofproto.NoBuffer, Actions: []ofproto.Action{ofproto.Output{Port: 1}}, Data: frame},
		&ofproto.StatsRequest{Body: ofproto.DescStatsRequest{}},
	} {
		b, err := ofproto.Append(nil, 7, m)
		if err != nil {
			panic(err)
		}
		all = append(all, b)
	}
	return all
}

// garble changes some bytes of a message, or its length, so that it is still framed as its header says.
func garble(r *rand.Rand, sample []byte) []byte {
	b := append([]byte(nil), sample...)
	if n := len(b) - ofproto.HeaderLen; n > 0 {
		for range 1 + r.IntN(4) {
			mask := byte(r.Uint32()) // zeros are what lengths fear most
			b[ofproto.HeaderLen+r.IntN(n)] = byte(r.Uint32()) & mask
		}
		switch r.IntN(4) {
		case 0:
			b = b[:ofproto.HeaderLen+r.IntN(n)]
		case 1:
			b = append(b, make([]byte, r.IntN(64))...)
		}
	}
	if r.IntN(8) == 0 {
		b[1] = byte(r.Uint32()) // another type
	}
	if r.IntN(16) == 0 {
		b[0] = byte(r.Uint32()) // another version
	}
	b[2], b[3] = byte(len(b)>>8), byte(len(b))
	return b
}

// openings are ways to begin that no switch has.
func openings(r *rand.Rand) [][]byte {
	noise := make([]byte, 1+r.IntN(200))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	hello := []byte{1, 0, 0, 8, 0, 0, 0, 0}
	return [][]byte{
		noise,
		[]byte("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
		{0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3},                        // TLS
		{4, 0, 0, 16, 0, 0, 0, 0x13, 0, 0, 0, 0, 0x10, 0, 0, 0},  // an element without a length, at which a loop may stand still
		{1, 0, 0, 0, 0, 0, 0, 0},                                 // a message shorter than its header
		{1, 0, 0, 7, 0, 0, 0, 0},                                 //
		{0, 0, 0, 8, 0, 0, 0, 0},                                 // a version that never was
		{1, 0, 0xff, 0xff, 0, 0, 0, 0},                           // a HELLO that never ends
		{1, 10, 0, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}, // a packet before any HELLO
		append(hello[:8:8], 1, 6, 0, 9, 0, 0, 0, 2, 0),           // features, cut short
		append(hello[:8:8], 1, 19, 0, 8, 0, 0, 0, 2),             // a barrier reply to no request
		append(hello[:8:8], garble(r, samples()[r.IntN(len(samples()))])...),
	}
}
