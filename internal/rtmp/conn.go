package rtmp

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	// DefaultWindow is the window acknowledgement size asked of the other end, in bytes.
	DefaultWindow = 5_000_000
	readBuffer    = 4 << 10
)

// A Conn is one end of a connection after its handshake, either end's. It reads messages in batches and keeps the
// promises of §5.4 by itself: it acknowledges what the other end's window asks for, and answers pings.
//
// Reading and writing may go on at once, each from one goroutine; answers that reading causes are written by reading's
// goroutine, or handed to Reply.
type Conn struct {
	// Reply, if set, takes the encoded answers (acknowledgements, ping responses) instead of the transport.
	Reply func(encoded []byte) error

	rw     io.ReadWriter
	in     ChunkReader
	buf    []byte
	batch  []Message
	next   int // batch[next:] was read and not yet handed out
	chunk  int // size of the chunks we send
	prefix []byte

	written                        uint64 // bytes handed to the transport, the prefix left out
	received, acknowledged, window uint32 // bytes, modulo 2^32; window zero: no acknowledgements wanted
}

// NewConn returns the end of a connection whose handshake is done. prefix, which may be nil, goes out before the first
// bytes that are written, with them: the client's C2.
func NewConn(rw io.ReadWriter, prefix []byte) *Conn {
	return &Conn{rw: rw, chunk: DefaultChunkSize, prefix: prefix, buf: make([]byte, readBuffer)}
}

// SetReadBuffer sets the number of bytes that one read of the transport may bring; 4 KiB unless set. An end that
// receives a stream wants 64 KiB or more.
func (c *Conn) SetReadBuffer(n int) { c.buf = make([]byte, n) }

// SetMaxMessage bounds received messages, in bytes.
func (c *Conn) SetMaxMessage(n int) { c.in.MaxMessage = n }

// Written returns the number of bytes that this end has sent by Write since the handshake.
func (c *Conn) Written() uint64 { return c.written }

// Next returns the next message that is not for the connection itself.
func (c *Conn) Next() (Message, error) {
	for c.next == len(c.batch) {
		if err := c.fill(); err != nil {
			return Message{}, err
		}
	}
	m := c.batch[c.next]
	c.next++
	return m, nil
}

// ReadBatch returns one message or more: all those that are whole in what has arrived. The slice is valid until the next
// call, the messages for good. It does not return what belongs to the connection itself: chunk sizes, windows, pings.
func (c *Conn) ReadBatch() ([]Message, error) {
	for c.next == len(c.batch) {
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
	b := c.batch[c.next:]
	c.next = len(c.batch)
	return b, nil
}

// fill reads the transport once.
func (c *Conn) fill() error {
	clear(c.batch) // lets go of the payloads
	c.batch, c.next = c.batch[:0], 0
	n, err := c.rw.Read(c.buf)
	if n > 0 {
		c.received += uint32(n)
		if err := c.in.Feed(c.buf[:n], c.take); err != nil {
			return err
		}
		if c.window > 0 && c.received-c.acknowledged >= c.window {
			c.acknowledged = c.received
			if err := c.reply(Control(TypeAcknowledgement, c.received)); err != nil {
				return err
			}
		}
		return nil // an error with data comes again at the next read
	}
	if err != nil {
		return fmt.Errorf("rtmp: read: %w", err)
	}
	return nil
}

func (c *Conn) take(m Message) error {
	switch m.Type {
	case TypeSetChunkSize, TypeAbort, TypeAcknowledgement:
		return nil
	case TypeWindowAckSize:
		if len(m.Payload) >= 4 {
			// Half of what is asked, so that a sender that stops at its window never has to.
			c.window = max(1, binary.BigEndian.Uint32(m.Payload)/2)
		}
		return nil
	case TypeSetPeerBandwidth:
		return nil // a wish about our own sending, which TCP governs
	case TypeUserControl:
		if event, v, ok := ParseUserControl(m); ok && event == EventPingRequest {
			return c.reply(UserControl(EventPingResponse, v))
		}
	}
	c.batch = append(c.batch, m)
	return nil
}

func (c *Conn) reply(m Message) error {
	b := c.encode(nil, m)
	if c.Reply != nil {
		return c.Reply(b)
	}
	if _, err := c.rw.Write(b); err != nil {
		return fmt.Errorf("rtmp: reply: %w", err)
	}
	return nil
}

// Write sends messages with one write to the transport. A Set Chunk Size among them holds for those behind it.
func (c *Conn) Write(ms ...Message) error {
	var b []byte
	for _, m := range ms {
		b = c.encode(b, m)
	}
	return c.write(b)
}

// Encode appends the messages as Write would send them, for a caller that does its own writing.
func (c *Conn) Encode(dst []byte, ms ...Message) []byte {
	for _, m := range ms {
		dst = c.encode(dst, m)
	}
	return dst
}

func (c *Conn) encode(dst []byte, m Message) []byte {
	dst = AppendMessage(dst, m, c.chunk)
	if m.Type == TypeSetChunkSize && len(m.Payload) >= 4 {
		c.chunk = int(binary.BigEndian.Uint32(m.Payload))
	}
	return dst
}

func (c *Conn) write(b []byte) error {
	c.written += uint64(len(b))
	if c.prefix != nil {
		b, c.prefix = append(c.prefix, b...), nil
	}
	if len(b) == 0 {
		return nil
	}
	if _, err := c.rw.Write(b); err != nil {
		return fmt.Errorf("rtmp: write: %w", err)
	}
	return nil
}
