package rtmp

import "encoding/binary"

// AppendMessage appends m as chunks of the given size (payload bytes per chunk) to dst. The first chunk has a format 0
// header, so the bytes depend on m and chunkSize alone and not on what was sent before: one encoding serves every
// receiver, whenever it joined. Compressed headers would save at most eight bytes a message.
//
// An extended timestamp is repeated on continuation chunks, as §5.3.1.3 asks and players expect.
func AppendMessage(dst []byte, m Message, chunkSize int) []byte {
	dst = appendBasic(dst, 0, m.ChunkStream)
	field := min(m.Timestamp, extendedMark)
	extended := field == extendedMark
	n := len(m.Payload)
	dst = append(dst, byte(field>>16), byte(field>>8), byte(field), byte(n>>16), byte(n>>8), byte(n), m.Type)
	dst = binary.LittleEndian.AppendUint32(dst, m.StreamID)
	if extended {
		dst = binary.BigEndian.AppendUint32(dst, m.Timestamp)
	}
	payload := m.Payload
	for {
		k := min(chunkSize, len(payload))
		dst = append(dst, payload[:k]...)
		if payload = payload[k:]; len(payload) == 0 {
			return dst
		}
		dst = appendBasic(dst, 3, m.ChunkStream)
		if extended {
			dst = binary.BigEndian.AppendUint32(dst, m.Timestamp)
		}
	}
}

// EncodedLen returns the number of bytes that AppendMessage appends.
func EncodedLen(m Message, chunkSize int) int {
	basic := basicLen(m.ChunkStream)
	extended := 0
	if m.Timestamp >= extendedMark {
		extended = extendedBytes
	}
	chunks := max(1, (len(m.Payload)+chunkSize-1)/chunkSize)
	return chunks*(basic+extended) + headerBytes[0] + len(m.Payload)
}

func basicLen(chunkStream uint32) int {
	switch {
	case chunkStream < 64:
		return 1
	case chunkStream < 64+256:
		return 2
	}
	return 3
}

// appendBasic appends a basic header (§5.3.1.1). Valid chunk stream IDs are 2 to 65599; others wrap into that range's form.
func appendBasic(dst []byte, format byte, id uint32) []byte {
	switch basicLen(id) {
	case 1:
		return append(dst, format<<6|byte(id))
	case 2:
		return append(dst, format<<6, byte(id-64))
	}
	return append(dst, format<<6|1, byte(id-64), byte((id-64)>>8))
}
