// The command bench measures OpenFlow controllers side by side: ofctl-live with its real direct policy, and Debian's
// ovs-testcontroller. Both answer the same simulated switches in the same run, alternating, each alone on its own CPU
// while the load comes from the other.
//
//	make bench            # or: go run ./test/bench -h
//
// A request is a PACKET_IN that carries a 60-byte TCP frame between two hosts the controller knows; its response is the
// message that sends that very packet on, a PACKET_OUT with the frame or, where the switch buffers packets, a FLOW_MOD or
// PACKET_OUT with its buffer id. Closed loop keeps a fixed number of requests outstanding per switch, open loop sends as
// fast as the controller reads, so that its latencies are mostly those of the queue.
//
// The flow mods that come with the responses are counted as well, since a controller need not send a rule again that is on
// its way: a real switch that has it asks no more, the simulated one goes on. ovs-testcontroller sends it each time,
// ofctl-live once a second. So that nobody gains by this there are scenarios named "a rule each", in which so many pairs
// take turns that a second is over before one comes again, and both do the same.
//
// Then ofctl-live alone, with its bypass policy, is dialled through: a request is the SYN of a new connection to a
// service, its response the PACKET_OUT that sends it to a peer, behind the rules both ways and a barrier.
//
// A sample of all answers is checked: the frame must be the request's, and it must leave by the port of the destination,
// rewritten where a peer is to serve; so must a packet that the rules are for, on a strict flow table.
package main
