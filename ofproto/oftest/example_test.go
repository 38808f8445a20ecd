package oftest_test

import (
	"fmt"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// A table is filled as a controller would, and then asserted by what becomes of a frame.
func ExampleSwitch() {
	sw := oftest.NewSwitch(oftest.Options{DPID: 1, Ports: []ofproto.Port{1, 2, 3}})
	for _, flow := range []string{
		"priority=40,tcp,nw_dst=10.0.0.2,tp_dst=1935,actions=mod_nw_dst:10.0.0.1,output:3",
		"priority=10,actions=output:2",
	} {
		if err := sw.AddFlow(flow); err != nil {
			fmt.Println(err)
		}
	}
	for _, port := range []uint16{1935, 80} {
		frame := packet.AppendTCP(nil, packet.TCP{SrcIP: [4]byte{10, 0, 0, 3}, DstIP: [4]byte{10, 0, 0, 2}, DstPort: port})
		for _, e := range sw.Receive(1, frame) {
			var p packet.Peeked
			err := packet.Peek(e.Frame, &p)
			fmt.Println(port, "leaves port", e.Port, "for", p.DstIP, err, packet.Verify(e.Frame))
		}
	}
	// Output:
	// 1935 leaves port 3 for [10 0 0 1] <nil> <nil>
	// 80 leaves port 2 for [10 0 0 2] <nil> <nil>
}

// Hosts on wires without delay: when Dial returns, it is decided who has answered.
func ExampleNetwork() {
	n := oftest.NewNetwork()
	sw := n.AddSwitch("s1", oftest.Options{DPID: 1})
	viewer := n.AddHost("hv1", "10.0.0.3", "s1", 1, 0)
	cdn := n.AddHost("hs", "10.0.0.2", "s1", 2, 0)
	cdn.Listen(1935)
	if err := sw.AddFlow("actions=FLOOD"); err != nil {
		fmt.Println(err)
	}
	fmt.Println("to the CDN:", viewer.Dial(cdn.IP, 1935).Established())
	fmt.Println("to a port where nobody listens:", viewer.Dial(cdn.IP, 80).State() == oftest.Reset)
	fmt.Println("connections at the CDN:", len(cdn.Accepted()))
	// Output:
	// to the CDN: true
	// to a port where nobody listens: true
	// connections at the CDN: 1
}
