// Package rtmp speaks the Real-Time Messaging Protocol as Adobe's "RTMP Specification 1.0" (2012) describes it and as
// ffmpeg, librtmp and nginx-rtmp practise it.
//
// It has three layers, each usable alone: chunks (a push parser and an encoder), AMF0 values and commands, and both ends
// of a connection over an io.ReadWriter. A Sniffer reads one direction of a connection that belongs to others.
//
// The package is pure: it opens no sockets, reads no clock and logs nothing. Deadlines, and closing what they hit, belong
// to whoever owns the io.ReadWriter.
package rtmp
