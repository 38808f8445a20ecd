package ofproto

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// fuzzFrame decodes any bytes: what is accepted must be encoded to the same bytes and have texts, what is refused must
// say where.
func fuzzFrame(t *testing.T, frame []byte) {
	h, m, err := Decode(frame)
	if err != nil {
		var e *DecodeError
		if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(frame) || m != nil {
			t.Fatalf("%x: %v, %v", frame, m, err)
		}
		return
	}
	again, err := Append(nil, h.XID, m)
	if err != nil || !bytes.Equal(again, frame) {
		t.Fatalf("%x: encoded as %x, %v", frame, again, err)
	}
	if text := Format(h.XID, m); strings.ContainsAny(text, "\n\r") {
		t.Fatalf("%x: text %q", frame, text)
	}
	if _, err := json.Marshal(m); err != nil {
		t.Fatalf("%x: %v", frame, err)
	}
	if f, ok := m.(*FlowMod); ok && f.Match.Normalized() != f.Match.Normalized().Normalized() {
		t.Fatalf("%x: normalized twice is not once", frame)
	}
}

func FuzzDecode(f *testing.F) {
	for _, wire := range examples(f) {
		f.Add(wire)
	}
	for _, frames := range captured(f) {
		for _, wire := range frames {
			f.Add(wire)
		}
	}
	f.Fuzz(fuzzFrame)
}

// FuzzDecodeBody puts the right header before any body, so that every body decoder gets its share.
func FuzzDecodeBody(f *testing.F) {
	for _, wire := range examples(f) {
		f.Add(wire[1], wire[HeaderLen:])
	}
	f.Fuzz(func(t *testing.T, typ uint8, body []byte) {
		if len(body) > MaxLen-HeaderLen {
			return
		}
		frame := append([]byte{Version, typ, 0, 0, 0, 0, 0, 1}, body...)
		be.PutUint16(frame[2:], uint16(len(frame)))
		fuzzFrame(t, frame)
	})
}

// FuzzActions decodes any bytes as the actions of a PacketOut.
func FuzzActions(f *testing.F) {
	for _, wire := range examples(f) {
		if Type(wire[1]) == TypeFlowMod {
			f.Add(wire[HeaderLen+flowModLen:])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > MaxLen-HeaderLen-packetOutLen {
			return
		}
		frame := append([]byte{Version, byte(TypePacketOut), 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 1, byte(len(b) >> 8), byte(len(b))}, b...)
		be.PutUint16(frame[2:], uint16(len(frame)))
		fuzzFrame(t, frame)
	})
}

func FuzzParseMatch(f *testing.F) {
	for _, s := range []string{"", "tcp,in_port=1,nw_src=10.0.0.0/8,tp_dst=1935", "arp,arp_op=1", "vlan_tci=0x7005", "dl_vlan=0xffff", "icmp,icmp_type=8", "ip,nw_dst=1.2.3.4/255.255.0.0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMatch(s)
		if err != nil {
			return
		}
		again, err := ParseMatch(m.String())
		if err != nil || again.Normalized() != m.Normalized() {
			t.Fatalf("%q is %q, then %+v, %v", s, m, again, err)
		}
	})
}

func FuzzParseFlow(f *testing.F) {
	for _, s := range []string{
		"cookie=0x1,idle_timeout=180,send_flow_rem,priority=40000,tcp,nw_src=10.0.0.1 actions=mod_dl_dst:02:00:00:00:00:03,output:2",
		"delete_strict priority=7,dl_vlan=9,out_port=3", "actions=drop", "modify actions=enqueue:1:2,CONTROLLER:128,vendor(0x2320,0001020304050607)",
		" cookie=0xfeed, duration=0.078s, table=0, n_packets=3, priority=5,arp actions=NORMAL",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseFlow(s)
		if err != nil {
			return
		}
		text := m.String()
		again, err := ParseFlow(text)
		if err != nil {
			t.Fatalf("%q is %q: %v", s, text, err)
		}
		if !m.deletes() {
			m.OutPort = PortNone // means nothing, and is not written
		}
		m.Match, again.Match = m.Match.Normalized(), again.Match.Normalized()
		if !reflect.DeepEqual(m, again) {
			t.Fatalf("%q is %q\n got %+v\nwant %+v", s, text, again, m)
		}
		frame, err := Append(nil, 1, m)
		if err != nil {
			return // too many actions
		}
		fuzzFrame(t, frame)
	})
}
