package ofproto_test

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

func ExampleDecode() {
	frame, _ := hex.DecodeString("010a001600000000ffffffff000400030100cafebabe")
	h, m, err := ofproto.Decode(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	switch m := m.(type) {
	case *ofproto.PacketIn:
		fmt.Printf("%v from port %v: %v\n", h.Type, m.InPort, m.Data)
	}
	// Output: PACKET_IN from port 3: cafebabe
}

func ExampleDecode_malformed() {
	frame, _ := hex.DecodeString("010d001800000001ffffffffffff00080000000400010000")
	_, _, err := ofproto.Decode(frame)
	fmt.Println(err)
	fmt.Println(errors.Is(err, ofproto.ErrShort))
	// Output:
	// ofproto: decode PACKET_OUT at byte 16: action length 4: too short
	// true
}

func ExampleAppend() {
	m := &ofproto.FlowMod{
		Match:    ofproto.MatchAll,
		Priority: 100,
		BufferID: ofproto.NoBuffer,
		OutPort:  ofproto.PortNone,
		Actions:  []ofproto.Action{ofproto.Output{Port: ofproto.PortController, MaxLen: 0xffff}},
	}
	frame, err := ofproto.Append(nil, 1, m)
	fmt.Println(len(frame), err)
	fmt.Println(m)
	// Output:
	// 80 <nil>
	// priority=100 actions=CONTROLLER:65535
}

func ExampleParseFlow() {
	m, err := ofproto.ParseFlow("priority=40000,tcp,nw_dst=10.0.0.1,tp_dst=1935 actions=mod_nw_dst:10.0.0.2,output:3")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Match.NWDst, m.Match.TPDst, m.Actions)
	// Output: 10.0.0.1 1935 [mod_nw_dst:10.0.0.2 output:3]
}
