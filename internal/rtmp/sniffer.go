package rtmp

import (
	"errors"
	"fmt"
)

// ErrNotRTMP says that a byte stream does not begin as plain RTMP does: it is encrypted, tunnelled, or something else.
var ErrNotRTMP = errors.New("not plain RTMP")

const (
	protocolVersion = 3
	handshakeBlock  = 1536
	// handshakeBytes is what each direction sends before its first chunk: C0 C1 C2, or S0 S1 S2.
	handshakeBytes = 1 + 2*handshakeBlock
)

// A Sniffer reads one direction of a connection passively, from its first byte, and reports its messages. It needs
// neither the other direction nor to know which end sends.
//
// It is an io.Writer for whoever reassembles the connection. A direction of which bytes are missing cannot be followed;
// stop writing to it then.
type Sniffer struct {
	onMessage func(Message)
	skip      int
	started   bool
	chunks    ChunkReader
	err       error
}

// NewSniffer returns a Sniffer that calls onMessage, from within Write, for each message as its last byte arrives. The
// payload belongs to the callee.
func NewSniffer(onMessage func(Message)) *Sniffer {
	return &Sniffer{onMessage: onMessage, skip: handshakeBytes}
}

// Write takes the next bytes of the direction. After an error (ErrNotRTMP, or one of the chunk stream) every later call
// returns that same error.
func (s *Sniffer) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	total := len(p)
	if !s.started && total > 0 {
		if p[0] != protocolVersion {
			s.err = fmt.Errorf("rtmp: first byte %#02x: %w", p[0], ErrNotRTMP)
			return 0, s.err
		}
		s.started = true
	}
	n := min(s.skip, len(p))
	s.skip -= n
	s.err = s.chunks.Feed(p[n:], func(m Message) error {
		s.onMessage(m)
		return nil
	})
	if s.err != nil {
		return 0, s.err
	}
	return total, nil
}
