package ofproto

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// A messageTest is a message as bytes, spelled field by field, and as a value.
type messageTest struct {
	name string
	wire string
	xid  uint32
	msg  Message
}

func TestMessages(t *testing.T) {
	for _, tests := range [][]messageTest{symmetricTests, switchTests, flowTests, statsTests, niciraTests} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				wire := unhex(t, tt.wire)
				h, m, err := Decode(wire)
				if err != nil {
					t.Fatalf("Decode: %v", err)
				}
				if h.XID != tt.xid || h.Type != tt.msg.Type() || int(h.Length) != len(wire) {
					t.Errorf("header %+v, want xid %#x, type %v, length %d", h, tt.xid, tt.msg.Type(), len(wire))
				}
				if !reflect.DeepEqual(m, tt.msg) {
					t.Errorf("Decode:\n got %#v\nwant %#v", m, tt.msg)
				}
				prefix := []byte("before")
				out, err := Append(prefix, tt.xid, tt.msg)
				if err != nil {
					t.Fatalf("Append: %v", err)
				}
				if !bytes.Equal(out, append(prefix, wire...)) {
					t.Errorf("Append:\n got %x\nwant %x", out[len(prefix):], wire)
				}
			})
		}
	}
}

// Every type of message is among the examples, in both directions.
func TestMessagesCoverAllTypes(t *testing.T) {
	seen := map[Type]bool{}
	for _, wire := range examples(t) {
		seen[Type(wire[1])] = true
	}
	for typ := TypeHello; typ <= TypeQueueGetConfigReply; typ++ {
		if !seen[typ] {
			t.Errorf("no example of %v", typ)
		}
	}
}

// Bytes that mean nothing still come out as they came in: here all padding is filled.
func TestPaddingIsKept(t *testing.T) {
	for _, wire := range examples(t) {
		for i := HeaderLen; i < len(wire); i++ {
			changed := bytes.Clone(wire)
			changed[i] ^= 0xa5
			h, m, err := Decode(changed)
			if err != nil {
				continue // that byte was a length or a type
			}
			if again, err := Append(nil, h.XID, m); err != nil || !bytes.Equal(again, changed) {
				t.Fatalf("%v with byte %d changed:\n got %x, %v\nwant %x", h.Type, i, again, err, changed)
			}
		}
	}
}

func TestAppendTooLong(t *testing.T) {
	long := make([]byte, MaxLen)
	ports := make([]PhyPort, 2000)
	for _, tt := range []struct {
		name string
		msg  Message
	}{
		{"echo", &EchoRequest{Data: long}},
		{"packet out", &PacketOut{Data: long}},
		{"many ports", &FeaturesReply{Ports: ports}},
		{"port name", &FeaturesReply{Ports: []PhyPort{{Name: "seventeen letters"}}}},
		{"port name in status", &PortStatus{Port: PhyPort{Name: "seventeen letters"}}},
		{"serial number", &StatsReply{Body: DescStats{SerialNumber: string(long[:33])}}},
		{"table name", &StatsReply{Body: TableStats{{Name: string(long[:33])}}}},
		{"actions", &FlowMod{Actions: []Action{VendorAction{Data: long}}}},
		{"actions of a packet out", &PacketOut{Actions: []Action{RawAction{ActionType: 99, Data: long}}}},
		{"flow entry", &StatsReply{Body: FlowStats{{Actions: []Action{VendorAction{Data: long[:65500]}}}}}},
		{"queue", &QueueGetConfigReply{Queues: []PacketQueue{{Properties: []QueueProperty{{Type: 9, Data: long}}}}}},
	} {
		dst := []byte("before")
		out, err := Append(dst, 1, tt.msg)
		if !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: error %v, want %v", tt.name, err, ErrTooLong)
		}
		if string(out) != "before" {
			t.Errorf("%s: left %d bytes behind", tt.name, len(out)-len(dst))
		}
	}
	if out, err := Append(nil, 1, &EchoRequest{Data: long[:MaxLen-HeaderLen]}); err != nil || len(out) != MaxLen {
		t.Errorf("the longest message: %d bytes, %v", len(out), err)
	}
}

func TestAppendStatsWithoutBody(t *testing.T) {
	for _, m := range []Message{&StatsRequest{}, &StatsReply{}} {
		if out, err := Append(nil, 1, m); !errors.Is(err, ErrNoBody) || len(out) != 0 {
			t.Errorf("%T: %x, %v; want %v", m, out, err, ErrNoBody)
		}
	}
}

// A name that was changed does not drag the bytes behind the old one along.
func TestTailGoesWithItsString(t *testing.T) {
	wire := unhex(t, "6574683000 deadbeef 00000000000000")
	var p PhyPort
	p.Name, p.nameTail = cutString(wire)
	if p.Name != "eth0" {
		t.Fatalf("name %q", p.Name)
	}
	if out, _ := appendString(nil, p.Name, p.nameTail, 16); !bytes.Equal(out, wire) {
		t.Errorf("same name: %x, want %x", out, wire)
	}
	if out, _ := appendString(nil, "eth10", p.nameTail, 16); !bytes.Equal(out, unhex(t, "6574683130 0000000000000000000000")) {
		t.Errorf("other name: %x", out)
	}
	if out, err := appendString(nil, "sixteen letters!", p.nameTail, 16); err != nil || string(out) != "sixteen letters!" {
		t.Errorf("full name: %q, %v", out, err)
	}
}
