package rtmp

// Message type IDs (§5.4, §6.2, §7.1).
const (
	TypeSetChunkSize     uint8 = 1
	TypeAbort            uint8 = 2
	TypeAcknowledgement  uint8 = 3
	TypeUserControl      uint8 = 4
	TypeWindowAckSize    uint8 = 5
	TypeSetPeerBandwidth uint8 = 6
	TypeAudio            uint8 = 8
	TypeVideo            uint8 = 9
	TypeDataAMF3         uint8 = 15
	TypeSharedAMF3       uint8 = 16
	TypeCommandAMF3      uint8 = 17
	TypeDataAMF0         uint8 = 18
	TypeSharedAMF0       uint8 = 19
	TypeCommandAMF0      uint8 = 20
	TypeAggregate        uint8 = 22
)

// Limits. A peer that exceeds one gets its connection closed, never the process hurt.
const (
	// DefaultChunkSize is the size of a chunk's payload, in bytes, until Set Chunk Size changes it (§5.4.1).
	DefaultChunkSize = 128
	// MaxChunkSize is the largest useful chunk size: a message's length has 24 bits.
	MaxChunkSize = 0xffffff
	// DefaultMaxMessage bounds one message's payload, in bytes.
	DefaultMaxMessage = 8 << 20
)

// A Message is one RTMP message (§6.1), put together from its chunks.
type Message struct {
	Type        uint8
	StreamID    uint32 // message stream: 0 is the connection itself
	Timestamp   uint32 // absolute, milliseconds, wraps at 2^32
	ChunkStream uint32 // the chunk stream that carried it
	Payload     []byte
}

// SplitAggregate takes an aggregate message (type 22, §7.1.6) apart. The parts' timestamps are moved so that the first
// one's equals the aggregate's, as the specification asks. A malformed tail is dropped: what came before it is whole.
func SplitAggregate(m Message) []Message {
	var (
		out   []Message
		first uint32
	)
	for b := m.Payload; len(b) >= 11; {
		size := int(be24(b[1:]))
		if len(b) < 11+size {
			break
		}
		ts := be24(b[4:]) | uint32(b[7])<<24
		if len(out) == 0 {
			first = ts
		}
		out = append(out, Message{
			Type:        b[0],
			StreamID:    m.StreamID,
			Timestamp:   m.Timestamp + ts - first,
			ChunkStream: m.ChunkStream,
			Payload:     b[11 : 11+size : 11+size],
		})
		// A back pointer of four bytes follows each part.
		b = b[min(len(b), 11+size+4):]
	}
	return out
}

func be24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
