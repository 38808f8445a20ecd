// Package relay is the peer: an RTMP server that holds one copy of each stream for any number of viewers and adds no
// delay of its own.
//
// A message goes from the socket it arrives on to every viewer's socket without waiting for anything: the goroutine
// that read it appends it, already encoded, to the stream's window, and then writes to one viewer after the other all that
// it has not been sent yet, with one call that does not wait. Only a viewer whose connection takes no more gets a goroutine
// that waits for it. What a viewer gets is a prelude that depends on the place it joined at, and from there the window's
// bytes; a slow viewer leaves some out, whole groups of pictures at a time.
//
// A stream's source (a publisher here, or an upstream) may change under its viewers: the splicer joins the new one to
// the old, without loss where both overlap, else at a keyframe, and timestamps always go on.
//
// # Where to find what
//
// The relay:
//
//	options       what it is told, and the defaults
//	relay         New, Run; its listeners and connections
//	http          metrics and health
//	metrics       what it counts
//	janitor       what ends when nobody needs it
//	drain         the end
//
// A stream:
//
//	stream        sources, window and readers, joined
//	window        its latest messages, encoded
//	source        who brings it, a publisher or an upstream
//	splice        one source after another, without a seam
//
// Who is served:
//
//	client        a connection, until it says what it wants
//	viewer        a player, or another relay
//	cursor        a reader's place in the window
//	outbox        what is written next
//	warm          the congestion window, open for the first picture
//
// Where streams come from and go to:
//
//	publisher     a client that publishes
//	registration  the relay's word to the controller
//	upstream      from where to pull: fixed, or the controller's word
//	pull          which upstream, and when another
//	inlet         a connection to one
//	push          a connection to where published streams go
//	open          handshake and commands of either
//	receiver      a connection that a stream comes in on
//	socket        TCP's options
package relay
