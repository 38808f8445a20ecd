package rtmp

import (
	"encoding/binary"
	"fmt"
	"io"
)

// ServerHandshake does the server's part of the handshake (§5.2). random fills S1 and need not be secret; milliseconds
// is the server's clock.
//
// It is the plain handshake: C1's digest, which some clients add, is not looked at, and S1's zero version tells them so.
func ServerHandshake(rw io.ReadWriter, random io.Reader, milliseconds uint32) error {
	var c [1 + handshakeBlock]byte
	if _, err := io.ReadFull(rw, c[:]); err != nil {
		return fmt.Errorf("rtmp: handshake: read C0 C1: %w", err)
	}
	if c[0] != protocolVersion {
		return fmt.Errorf("rtmp: handshake: version %d: %w", c[0], ErrNotRTMP)
	}
	s := make([]byte, 1+handshakeBlock, handshakeBytes)
	if err := fillHello(s, random, milliseconds); err != nil {
		return err
	}
	s = append(s, c[1:]...) // S2 echoes C1
	binary.BigEndian.PutUint32(s[1+handshakeBlock+4:], milliseconds)
	if _, err := rw.Write(s); err != nil {
		return fmt.Errorf("rtmp: handshake: write S0 S1 S2: %w", err)
	}
	// C2 is not compared with S1: clients that use digests answer with one of their own.
	if _, err := io.ReadFull(rw, c[1:]); err != nil {
		return fmt.Errorf("rtmp: handshake: read C2: %w", err)
	}
	return nil
}

// ClientHandshake does the client's part of the handshake (§5.2) up to S2 and returns C2, which the caller sends
// together with its first command: that saves a packet, and on some paths a round trip.
func ClientHandshake(rw io.ReadWriter, random io.Reader, milliseconds uint32) (c2 []byte, err error) {
	var c [1 + handshakeBlock]byte
	if err := fillHello(c[:], random, milliseconds); err != nil {
		return nil, err
	}
	if _, err := rw.Write(c[:]); err != nil {
		return nil, fmt.Errorf("rtmp: handshake: write C0 C1: %w", err)
	}
	s := make([]byte, handshakeBytes)
	if _, err := io.ReadFull(rw, s[:1]); err != nil {
		return nil, fmt.Errorf("rtmp: handshake: read S0: %w", err)
	}
	if s[0] != protocolVersion {
		return nil, fmt.Errorf("rtmp: handshake: version %d: %w", s[0], ErrNotRTMP)
	}
	if _, err := io.ReadFull(rw, s[1:]); err != nil {
		return nil, fmt.Errorf("rtmp: handshake: read S1 S2: %w", err)
	}
	return s[1 : 1+handshakeBlock], nil // C2 echoes S1
}

// fillHello writes version, time, four zero bytes and random ones: C0 C1, or S0 S1.
func fillHello(b []byte, random io.Reader, milliseconds uint32) error {
	b[0] = protocolVersion
	binary.BigEndian.PutUint32(b[1:], milliseconds)
	if _, err := io.ReadFull(random, b[9:]); err != nil {
		return fmt.Errorf("rtmp: handshake: random bytes: %w", err)
	}
	return nil
}
