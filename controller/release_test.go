package controller

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestSentUpBehindSYN has a switch send up what the client says next, as Open vSwitch may before it heeds the new rules, while the
// barrier is not answered yet: it goes on as the SYN did, nothing of it is kept back.
func TestSentUpBehindSYN(t *testing.T) {
	r := newRig(t)
	first := syn(1)
	next := bytes.Clone(first)
	frame := next[ofproto.HeaderLen+10:]
	frame[14+20+13] = packet.ACK
	binary.BigEndian.PutUint32(frame[14+20+4:], 8)
	for _, in := range [][]byte{first, next, next} {
		r.sent = r.sent[:0]
		if err := r.d.handleBatch([][]byte{in}); err != nil {
			t.Fatal(err)
		}
		var outs []ofproto.PacketOut
		for b := r.sent; len(b) > 0; b = b[binary.BigEndian.Uint16(b[2:]):] {
			_, m, err := ofproto.Decode(b[:binary.BigEndian.Uint16(b[2:])])
			if err != nil {
				t.Fatal(err)
			}
			if out, ok := m.(*ofproto.PacketOut); ok {
				outs = append(outs, *out)
			}
		}
		if len(outs) != 1 || !bytes.Equal(outs[0].Data, in[ofproto.HeaderLen+10:]) || len(outs[0].Actions) != 3 {
			t.Fatalf("sent on: %+v, want the packet, rewritten to the peer", outs)
		}
	}
	if got := r.settle(t); got[ofproto.TypePacketOut] != 1 { // the last one, still in r.sent
		t.Errorf("%d packets sent once the barrier is answered, want no more", got[ofproto.TypePacketOut]-1)
	}
}

// TestSegmentsHeld has several segments wake a session over two switches at once: all come to its source, in their order. Of very many
// the newest do.
func TestSegmentsHeld(t *testing.T) {
	for _, many := range []bool{false, true} {
		inLab(t, func(l *lab) {
			line(l)
			l.latency = []time.Duration{20 * time.Millisecond}
		}, func(l *lab) {
			c := l.watch("hv1")
			l.servedBy(c, "hv1", "hb")
			for _, s := range l.c.sessionsWhere(func(*session) bool { return true }) {
				s.park()
			}
			l.after(time.Second)
			l.Host("hb").Frames()
			said := "abcd"
			if many {
				said = "abcdefgh"
			}
			for _, w := range said {
				c.Write([]byte(string(w)))
			}
			l.after(3 * time.Second)
			got := ""
			for _, f := range l.Host("hb").Frames() {
				var p packet.Peeked
				if packet.Peek(f, &p) == nil && p.SrcPort == c.Local() {
					got += string(p.L4Payload)
				}
			}
			if want := said[len(said)-maxHeld:]; got != want {
				l.t.Errorf("of %q its source got %q, want %q", said, got, want)
			}
		})
	}
}
