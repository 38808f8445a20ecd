// The command bench measures OpenFlow controllers side by side: ofctl-live with its real direct policy, and Debian's
// ovs-testcontroller. Both answer the same simulated switches in the same run, alternating, each alone on its own CPU
// while the load comes from the other.
//
//	make bench            # or: go run ./test/bench -h
//
// A request is a PACKET_IN that carries a 60-byte TCP frame between two hosts the controller knows; its response is the
// message that sends that very packet on, a PACKET_OUT with the frame or, where the switch buffers packets, a FLOW_MOD or
// PACKET_OUT with its buffer id. Closed loop keeps a fixed number of requests outstanding per switch, open loop sends as
// fast as the controller reads. A sample of the responses is checked: the frame must be the request's, and it must leave
// by the port of the destination, as must a packet that the flow mods are for.
package main
