// Package oftest simulates OpenFlow 1.0 switches, strictly, for tests of controllers and for load.
//
// A Switch does to real frames what its flow table says, so that a test asserts outcomes ("the frame leaves port 3 for
// the peer's address") and not messages:
//
//	sw := oftest.NewSwitch(oftest.Options{DPID: 1, Ports: []ofproto.Port{1, 2, 3}})
//	near, far := oftest.Pipe()
//	go sw.Serve(ctx, near)
//	startController(far)
//	out := sw.Receive(1, frame) // []Egress{{Port: 3, Frame: ...}}
//
// A Network wires several of them and simulated hosts together. Faults, among them a lost connection at any message,
// withheld barriers and refused flow mods, are injected with Switch.Intercept.
//
// Where the specification leaves a choice it behaves like Open vSwitch 3.1, also in what it says of itself, which a differential test holds it to. It is
// stricter in one thing: what a switch would let pass and a controller should yet not do is kept in Switch.Violations,
// which every test should find empty.
package oftest
