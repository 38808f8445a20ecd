// Package relay is the peer: an RTMP server that holds one copy of each stream for any number of viewers and adds no
// delay of its own.
//
// A message goes from the socket it arrives on to every viewer's socket without waiting for anything: the goroutine
// that read it appends it, already encoded, to the stream's window and wakes the viewers, each of which writes all it has
// not sent yet with one gathered write. What a viewer gets is a prelude that depends on the place it joined at, and from
// there the window's bytes; a slow viewer leaves some out, whole groups of pictures at a time.
//
// A stream's source (a publisher here, or an upstream) may change under its viewers: the splicer joins the new one to
// the old, without loss where both overlap, else at a keyframe, and timestamps always go on.
package relay
