// Package ofproto speaks OpenFlow 1.0: it turns the bytes of every message of the OpenFlow Switch Specification 1.0.0
// (wire protocol 0x01) into Go values and back.
//
// Append and Decode handle whole messages, the eight-byte header included; each message type has a file named for its
// family and a doc comment that cites the specification's section and struct. The vendor messages of Nicira that a
// controller of Open vSwitch needs have types too. Conn frames messages over a byte stream.
//
// Decoding is strict about structure and tolerant of content. Every length is checked before it is used, and a message
// whose lengths contradict each other is refused with a DecodeError. What is merely unknown (message types, actions,
// vendors, statistics, error codes, reserved bits, bytes in padding) is kept, so that encoding a decoded message gives
// the bytes that were received. In messages built from scratch padding is zero.
//
// Match, FlowMod and actions read and write the flow syntax of ovs-ofctl; Format puts any message on one line in its
// manner. Messages marshal as JSON objects with the specification's field names: addresses, matches and actions are
// strings in that same syntax, opaque data is hexadecimal, and cookies are strings because they use all 64 bits. Text
// and JSON are for reading; only the wire form is complete.
//
// The package is pure: it opens no sockets, reads no clock and logs nothing.
package ofproto
