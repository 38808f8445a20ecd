package rtmp

import "encoding/binary"

// Event types of user control messages (§7.1.7).
const (
	EventStreamBegin     uint16 = 0
	EventStreamEOF       uint16 = 1
	EventStreamDry       uint16 = 2
	EventSetBufferLength uint16 = 3
	EventStreamIsRecord  uint16 = 4
	EventPingRequest     uint16 = 6
	EventPingResponse    uint16 = 7
)

// Control returns a protocol control message whose payload is one number: Set Chunk Size, Abort, Acknowledgement or
// Window Acknowledgement Size.
func Control(typ uint8, v uint32) Message {
	return Message{Type: typ, ChunkStream: chunkStreamControl, Payload: binary.BigEndian.AppendUint32(nil, v)}
}

// UserControl returns a user control message: an event and its number, a message stream or a time.
func UserControl(event uint16, v uint32) Message {
	p := binary.BigEndian.AppendUint16(nil, event)
	return Message{Type: TypeUserControl, ChunkStream: chunkStreamControl, Payload: binary.BigEndian.AppendUint32(p, v)}
}

// ParseUserControl returns a user control message's event and first number.
func ParseUserControl(m Message) (event uint16, v uint32, ok bool) {
	if m.Type != TypeUserControl || len(m.Payload) < 6 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint16(m.Payload), binary.BigEndian.Uint32(m.Payload[2:]), true
}

// setPeerBandwidth is a Set Peer Bandwidth message (§5.4.5) with the dynamic limit type.
func setPeerBandwidth(v uint32) Message {
	p := append(binary.BigEndian.AppendUint32(nil, v), 2)
	return Message{Type: TypeSetPeerBandwidth, ChunkStream: chunkStreamControl, Payload: p}
}
