package rtmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of a chunk stream. They are fatal: after one, the boundaries of chunks are lost.
var (
	ErrChunkSize    = errors.New("chunk size out of range")
	ErrMessageSize  = errors.New("message too large")
	ErrNoHeader     = errors.New("chunk without a full header before it")
	ErrChunkStreams = errors.New("too many chunk streams")
)

const (
	maxChunkStreams = 256                // per direction; players and publishers use fewer than ten
	maxChunkHeader  = 3 + 11 + 4         // basic header, message header, extended timestamp
	maxFirstAlloc   = 64 << 10           // a length is believed only as its bytes arrive
	extendedMark    = uint32(0xffffff)   // a timestamp field that says: four more bytes follow
	extendedBytes   = 4                  // their number
	highBit         = uint32(0x80000000) // must be zero in Set Chunk Size
)

// headerBytes is the length of a message header by chunk format (§5.3.1.2).
var headerBytes = [4]int{11, 7, 3, 0}

// A ChunkReader turns one direction of a connection, after its handshake, into messages. It is a push parser: Feed takes
// bytes as they come, in pieces of any size, and hands out each message with its last byte.
//
// It follows Set Chunk Size and Abort by itself, and hands those out too. The zero value is ready to use.
type ChunkReader struct {
	// MaxMessage bounds a message's payload, in bytes; zero means DefaultMaxMessage.
	MaxMessage int

	chunkSize uint32 // zero means DefaultChunkSize
	streams   map[uint32]*chunkStream
	pending   int // payload bytes held in unfinished messages
	err       error

	current *chunkStream // whose chunk is being read; nil between chunks
	left    int          // bytes of that chunk still to come

	header  [maxChunkHeader]byte // a header that arrived in pieces
	headerN int
}

// chunkStream is what must be remembered per chunk stream to understand its compressed headers.
type chunkStream struct {
	id       uint32
	field    uint32 // timestamp or delta of the last header, extended bytes applied
	extended bool   // that header carried an extended timestamp
	time     uint32 // absolute time of the current or last message
	length   uint32
	typ      uint8
	streamID uint32
	open     bool // a message is unfinished
	payload  []byte
}

// chunkHeader is one parsed header, not yet applied.
type chunkHeader struct {
	cs       *chunkStream
	fmt      uint8
	begins   bool // the first chunk of a message
	extended bool
	field    uint32
	length   uint32
	typ      uint8
	streamID uint32
}

// Feed parses p and calls emit for each message that it completes. A message's Payload is freshly allocated and belongs
// to the receiver. An error of emit stops parsing and is returned; any error is final and repeated by later calls.
func (r *ChunkReader) Feed(p []byte, emit func(Message) error) error {
	if r.err == nil {
		r.err = r.feed(p, emit)
	}
	return r.err
}

func (r *ChunkReader) feed(p []byte, emit func(Message) error) error {
	for len(p) > 0 {
		if r.current == nil {
			kept := r.headerN
			n, err := r.beginChunk(p)
			if err != nil {
				return err
			}
			if r.current == nil {
				return nil // the header goes on in the next piece
			}
			if n < kept {
				// What was kept as the beginning of an extended timestamp has turned out to be payload.
				var payload [extendedBytes]byte
				if err := r.feed(payload[:copy(payload[:], r.header[n:kept])], emit); err != nil {
					return err
				}
				continue
			}
			p = p[n-kept:]
		} else {
			n := min(r.left, len(p))
			r.current.payload = append(r.current.payload, p[:n]...)
			r.pending += n
			r.left -= n
			p = p[n:]
		}
		if r.left > 0 {
			continue
		}
		cs := r.current
		r.current = nil
		if uint32(len(cs.payload)) < cs.length {
			continue
		}
		m := Message{Type: cs.typ, StreamID: cs.streamID, Timestamp: cs.time, ChunkStream: cs.id, Payload: cs.payload}
		r.pending -= len(cs.payload)
		cs.payload, cs.open = nil, false
		if err := r.obey(m); err != nil {
			return err
		}
		if err := emit(m); err != nil {
			return err
		}
	}
	return nil
}

// Buffered returns the number of payload bytes held in messages that are not finished.
func (r *ChunkReader) Buffered() int { return r.pending }

// beginChunk reads a header from what was kept before and the front of p, and returns its length. While the header is
// incomplete it keeps what it has and leaves r.current nil.
func (r *ChunkReader) beginChunk(p []byte) (int, error) {
	b, kept := p, r.headerN
	if kept > 0 {
		n := copy(r.header[kept:], p)
		b = r.header[:kept+n]
	}
	h, n, err := r.parseHeader(b)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		if kept == 0 {
			copy(r.header[:], p)
		}
		r.headerN = len(b)
		return len(b), nil
	}
	r.headerN = 0
	return n, r.apply(h)
}

// parseHeader reads one chunk header (§5.3.1) and returns its length, or zero when b does not hold all of it.
func (r *ChunkReader) parseHeader(b []byte) (h chunkHeader, n int, err error) {
	h.fmt = b[0] >> 6
	id := uint32(b[0] & 0x3f)
	n = 1
	switch {
	case id == 0 && len(b) >= 2:
		id, n = uint32(b[1])+64, 2
	case id == 1 && len(b) >= 3:
		id, n = uint32(b[1])+uint32(b[2])<<8+64, 3
	case id <= 1:
		return h, 0, nil
	}
	size := headerBytes[h.fmt]
	if len(b) < n+size {
		return h, 0, nil
	}
	if h.cs, err = r.stream(id, h.fmt); err != nil {
		return h, 0, err
	}
	cs := h.cs
	h.begins = h.fmt != 3 || !cs.open
	h.extended, h.field, h.length, h.typ, h.streamID = cs.extended, cs.field, cs.length, cs.typ, cs.streamID
	if size >= 3 {
		h.field = be24(b[n:])
		h.extended = h.field == extendedMark
	}
	if size >= 7 {
		h.length, h.typ = be24(b[n+3:]), b[n+6]
	}
	if size == 11 {
		h.streamID = binary.LittleEndian.Uint32(b[n+7:])
	}
	n += size
	if !h.extended {
		return h, n, nil
	}
	if h.begins {
		if len(b) < n+extendedBytes {
			return h, 0, nil
		}
		h.field = binary.BigEndian.Uint32(b[n:])
		return h, n + extendedBytes, nil
	}
	// On a continuation most senders repeat the extended timestamp and some do not. Those four bytes are the timestamp
	// when they equal it, and payload otherwise.
	var want [extendedBytes]byte
	binary.BigEndian.PutUint32(want[:], cs.field)
	got := b[n:min(len(b), n+extendedBytes)]
	switch {
	case !bytes.HasPrefix(want[:], got):
		return h, n, nil
	case len(got) < extendedBytes:
		return h, 0, nil
	}
	return h, n + extendedBytes, nil
}

// stream finds or makes the state of a chunk stream.
func (r *ChunkReader) stream(id uint32, format uint8) (*chunkStream, error) {
	if cs := r.streams[id]; cs != nil {
		return cs, nil
	}
	// Format 1 on a fresh chunk stream is how librtmp begins; its delta counts from zero.
	if format > 1 {
		return nil, fmt.Errorf("rtmp: chunk stream %d, format %d: %w", id, format, ErrNoHeader)
	}
	if len(r.streams) >= maxChunkStreams {
		return nil, fmt.Errorf("rtmp: chunk stream %d: %w", id, ErrChunkStreams)
	}
	if r.streams == nil {
		r.streams = make(map[uint32]*chunkStream)
	}
	cs := &chunkStream{id: id}
	r.streams[id] = cs
	return cs, nil
}

// apply makes h's chunk the current one.
func (r *ChunkReader) apply(h chunkHeader) error {
	cs := h.cs
	limit := r.MaxMessage
	if limit == 0 {
		limit = DefaultMaxMessage
	}
	if h.begins {
		if int(h.length) > limit {
			return fmt.Errorf("rtmp: chunk stream %d: message of %d bytes: %w", cs.id, h.length, ErrMessageSize)
		}
		if cs.open {
			r.pending -= len(cs.payload) // a new header in mid-message: the sender has given that message up
		}
		// Invariant: a format 3 header that begins a message repeats the last field as a delta, even when that came
		// with an absolute time (§5.3.1.2.4); ffmpeg and librtmp send and read it so.
		if h.fmt == 0 {
			cs.time = h.field
		} else {
			cs.time += h.field
		}
		cs.field, cs.extended, cs.length, cs.typ, cs.streamID = h.field, h.extended, h.length, h.typ, h.streamID
		cs.open = true
		cs.payload = make([]byte, 0, min(int(cs.length), maxFirstAlloc))
	}
	r.left = min(int(cs.length)-len(cs.payload), int(r.size()))
	if r.pending+r.left > 2*limit {
		return fmt.Errorf("rtmp: chunk stream %d: %d bytes in unfinished messages: %w", cs.id, r.pending, ErrMessageSize)
	}
	r.current = cs
	return nil
}

func (r *ChunkReader) size() uint32 {
	if r.chunkSize == 0 {
		return DefaultChunkSize
	}
	return r.chunkSize
}

// obey applies the two messages that change how chunks are read (§5.4.1, §5.4.2).
func (r *ChunkReader) obey(m Message) error {
	if len(m.Payload) < 4 {
		return nil
	}
	v := binary.BigEndian.Uint32(m.Payload)
	switch m.Type {
	case TypeSetChunkSize:
		if v == 0 || v&highBit != 0 {
			return fmt.Errorf("rtmp: set chunk size to %#x: %w", v, ErrChunkSize)
		}
		r.chunkSize = min(v, MaxChunkSize)
	case TypeAbort:
		if cs := r.streams[v]; cs != nil && cs.open {
			r.pending -= len(cs.payload)
			cs.payload, cs.open = nil, false
		}
	}
	return nil
}
