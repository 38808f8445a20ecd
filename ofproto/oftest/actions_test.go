package oftest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestActions compares what leaves with a frame that was built that way, checksums and all.
func TestActions(t *testing.T) {
	payload := func(t *packet.TCP) { t.Payload = []byte("payload, long enough to need no padding") }
	for _, tt := range []struct {
		name   string
		action ofproto.Action
		want   func(*packet.TCP)
	}{
		{"SET_VLAN_VID", ofproto.SetVLANVID{VID: 12}, func(t *packet.TCP) { t.VLAN = 12 }},
		{"SET_DL_SRC", ofproto.SetDLSrc{MAC: macB}, func(t *packet.TCP) { t.SrcMAC = macB }},
		{"SET_DL_DST", ofproto.SetDLDst{MAC: macA}, func(t *packet.TCP) { t.DstMAC = macA }},
		{"SET_NW_SRC", ofproto.SetNWSrc{IPv4: ofproto.IPv4{1, 2, 3, 4}}, func(t *packet.TCP) { t.SrcIP = [4]byte{1, 2, 3, 4} }},
		{"SET_NW_DST", ofproto.SetNWDst{IPv4: ofproto.IPv4{1, 2, 3, 4}}, func(t *packet.TCP) { t.DstIP = [4]byte{1, 2, 3, 4} }},
		{"SET_NW_TOS", ofproto.SetNWTOS{TOS: 0xb8}, func(t *packet.TCP) { t.TOS = 0xb8 }},
		{"SET_TP_SRC", ofproto.SetTPSrc{Port: 1}, func(t *packet.TCP) { t.SrcPort = 1 }},
		{"SET_TP_DST", ofproto.SetTPDst{Port: 2}, func(t *packet.TCP) { t.DstPort = 2 }},
		{"STRIP_VLAN of none", ofproto.StripVLAN{}, func(*packet.TCP) {}},
	} {
		sw := NewSwitch(Options{Ports: ports(3)})
		mustApply(t, sw, add(1, ofproto.MatchAll, output(2), tt.action, output(3)))
		in := tcp(payload)
		before := bytes.Clone(in)
		out := sw.Receive(1, in)
		want := tcp(func(t *packet.TCP) { payload(t); tt.want(t) })
		if len(out) != 2 || out[0].Port != 2 || out[1].Port != 3 {
			t.Fatalf("%s: %+v", tt.name, out)
		}
		if !bytes.Equal(out[0].Frame, before) {
			t.Errorf("%s: changed what left before it", tt.name)
		}
		if !bytes.Equal(out[1].Frame, want) {
			t.Errorf("%s:\n got  %x\n want %x", tt.name, out[1].Frame, want)
		}
		if !bytes.Equal(in, before) {
			t.Errorf("%s: changed the frame that came in", tt.name)
		}
	}
}

func TestVLANActions(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(3)})
	mustApply(t, sw, add(1, ofproto.MatchAll, ofproto.SetVLANPCP{PCP: 5}, output(2), ofproto.StripVLAN{}, output(3)))
	out := sw.Receive(1, tcp(func(t *packet.TCP) { t.VLAN = 9 }))
	var p packet.Peeked
	if err := packet.Peek(out[0].Frame, &p); err != nil || p.VLAN != 9 || p.PCP != 5 {
		t.Errorf("priority: %+v, %v", p, err)
	}
	if err := packet.Peek(out[1].Frame, &p); err != nil || p.Tagged || p.DstPort != 1935 {
		t.Errorf("stripped: %+v, %v", p, err)
	}
}

func TestOutputs(t *testing.T) {
	for _, tt := range []struct {
		name string
		to   ofproto.Action
		want []ofproto.Port
	}{
		{"port", output(2), []ofproto.Port{2}},
		{"queue of a port", ofproto.Enqueue{Port: 2, QueueID: 1}, []ofproto.Port{2}},
		{"port it came from", output(1), nil},
		{"IN_PORT", output(ofproto.PortInPort), []ofproto.Port{1}},
		{"FLOOD", output(ofproto.PortFlood), []ofproto.Port{2, 3}},
		{"ALL", output(ofproto.PortAll), []ofproto.Port{2, 3, 4}},
		{"LOCAL", output(ofproto.PortLocal), []ofproto.Port{ofproto.PortLocal}},
		{"a port that is down", output(5), nil},
		{"a port that does not exist", output(77), nil},
	} {
		sw := NewSwitch(Options{Ports: ports(5)})
		sw.SetLink(5, false)
		p4 := sw.Port(4)
		sw.mu.Lock()
		if err := sw.portMod(&ofproto.PortMod{Port: 4, HWAddr: p4.HWAddr, Config: ofproto.PortNoFlood, Mask: ofproto.PortNoFlood}); err != nil {
			t.Fatal(err)
		}
		sw.mu.Unlock()
		mustApply(t, sw, add(1, ofproto.MatchAll, tt.to))
		wantPorts(t, tt.name, outPorts(sw, 1, tcp(nil)), tt.want...)
	}
}

func TestRefusedActions(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(5)})
	for _, tt := range []struct {
		action ofproto.Action
		want   error
	}{
		{output(0), BadOutPort},
		{output(ofproto.PortMax + 1), BadOutPort},
		{output(ofproto.PortNone), BadOutPort},
		{output(ofproto.PortTable), BadOutPort},
		{output(ofproto.PortNormal), BadOutPort},
		{ofproto.Enqueue{Port: ofproto.PortFlood}, BadOutPort},
		{ofproto.SetVLANVID{VID: 4096}, BadArgument},
		{ofproto.SetVLANPCP{PCP: 8}, BadArgument},
		{ofproto.SetNWTOS{TOS: 1}, BadArgument},
		{ofproto.VendorAction{Vendor: 1}, BadActionVendor},
		{ofproto.RawAction{ActionType: 50}, BadActionType},
	} {
		if err := sw.Apply(add(1, ofproto.MatchAll, output(1), tt.action)); !errors.Is(err, tt.want) {
			t.Errorf("%v: %v, want %v", tt.action, err, tt.want)
		}
	}
	if n := len(sw.Flows()); n != 0 {
		t.Errorf("%d refused entries were added", n)
	}
}

// FuzzSwitch has any bytes come in by a port and as a message. Nothing may panic, and nothing may leave by a port it
// came in by.
func FuzzSwitch(f *testing.F) {
	f.Add(tcp(nil), []byte(nil))
	mod, err := ofproto.Append(nil, 1, add(1, tcpTo(ipA, 24), output(2)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tcp(func(t *packet.TCP) { t.VLAN = 5 }), mod)
	out, err := ofproto.Append(nil, 1, &ofproto.PacketOut{BufferID: ofproto.NoBuffer, InPort: 1, Data: tcp(nil),
		Actions: []ofproto.Action{ofproto.SetVLANVID{VID: 1}, ofproto.SetNWDst{}, ofproto.SetTPDst{}, output(ofproto.PortTable)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, out)
	f.Fuzz(func(t *testing.T, frame, message []byte) {
		sw := NewSwitch(Options{Ports: ports(3)})
		mustApply(t, sw, add(0, ofproto.MatchAll, ofproto.SetVLANPCP{PCP: 1}, ofproto.SetNWSrc{}, ofproto.SetTPSrc{},
			ofproto.SetNWTOS{TOS: 4}, ofproto.StripVLAN{}, output(ofproto.PortAll)))
		end, _ := Pipe()
		ss := &session{conn: ofproto.NewConn(end, ofproto.ConnOptions{}), wake: make(chan struct{}, 1), greeted: true}
		sw.session = ss
		sw.handle(ss, message)
		for _, e := range sw.Receive(1, frame) {
			if _, _, err := ofproto.Decode(message); err != nil && e.Port == 1 {
				t.Errorf("leaves by the port it came from")
			}
		}
	})
}
