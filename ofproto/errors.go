package ofproto

import (
	"errors"
	"fmt"
)

// Causes of a failed decoding or encoding, to be tested for with errors.Is.
var (
	ErrShort   = errors.New("too short")                  // the bytes end before the structure does
	ErrLength  = errors.New("wrong length")               // a length field contradicts the bytes or the structure
	ErrVersion = errors.New("not OpenFlow 1.0")           // the header's version, in anything but a HELLO
	ErrVendor  = errors.New("not this vendor message")    // DecodeBody of a vendor message got another one
	ErrTooLong = errors.New("does not fit its field")     // encoding: over 65535 bytes, or over a fixed-size string
	ErrNoBody  = errors.New("no body")                    // encoding: a statistics message without Body
	ErrClosed  = errors.New("ofproto: connection closed") // a Conn after Close
	ErrBacklog = errors.New("ofproto: too much waits for a receiver that does not read")
)

// A DecodeError tells where in a message decoding failed, and why.
type DecodeError struct {
	Type   Type  // of the message; meaningless where the header itself is cut short
	Offset int   // of the structure or field at fault, in bytes from the start of the message's header
	Cause  error // wraps one of ErrShort, ErrLength, ErrVersion, ErrVendor
}

// Error names the message, the place and the cause.
func (e *DecodeError) Error() string {
	if e.Offset < 2 && errors.Is(e.Cause, ErrShort) { // cut before the type
		return fmt.Sprintf("ofproto: decode a header at byte %d: %v", e.Offset, e.Cause)
	}
	return fmt.Sprintf("ofproto: decode %v at byte %d: %v", e.Type, e.Offset, e.Cause)
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Cause }

// bad reports a fault at an offset of a message's body. The format says what is wrong; cause is one of the sentinels.
func bad(t Type, bodyOffset int, cause error, format string, args ...any) error {
	return &DecodeError{
		Type:   t,
		Offset: HeaderLen + bodyOffset,
		Cause:  fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), cause),
	}
}

// atLeast checks that a body holds the fixed part of its message.
func atLeast(t Type, body []byte, n int) error {
	if len(body) < n {
		return bad(t, len(body), ErrShort, "body of %d bytes, at least %d needed", len(body), n)
	}
	return nil
}

// exactly checks the body of a message of fixed size. What follows a fixed-size message is no extension point of
// OpenFlow 1.0, so a surplus is refused like a lack.
func exactly(t Type, body []byte, n int) error {
	switch {
	case len(body) < n:
		return bad(t, len(body), ErrShort, "body of %d bytes, %d needed", len(body), n)
	case len(body) > n:
		return bad(t, n, ErrLength, "body of %d bytes, %d expected", len(body), n)
	}
	return nil
}
