package relay

import (
	"sort"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

const (
	// servedStream is the message stream that every viewer's messages are sent on; Accept hands out no other.
	servedStream = 1
	// maxWindowBytes bounds a window's memory. A group of pictures beyond it is not kept for those who join later.
	maxWindowBytes = 32 << 20
	// messageCost is what a message takes besides its bytes, in bytes, and a little more: many small ones must not pass for little.
	messageCost = 256
	// maxConfigs and maxConfigBytes bound the configurations that a viewer who joins is sent: two for each track, a few
	// hundred bytes each. Beyond that the eldest are let go.
	maxConfigs     = 64
	maxConfigBytes = 1 << 20
)

// Chunk streams, by kind of message, as most servers use them.
const (
	chunkStreamData  = 5
	chunkStreamAudio = 6
	chunkStreamVideo = 7
)

// metadataTime is the timestamp of all metadata that is sent. FFmpeg takes metadata of any other time for a subtitle, and
// a player may wait for more of those: VLC begins ten seconds late.
const metadataTime = 0

// An entry is one message of a stream, encoded once for all viewers. It never changes after it was appended.
type entry struct {
	msg     rtmp.Message // Payload aliases wire where the message is one chunk
	wire    []byte
	offset  uint64 // of wire's first byte among all bytes of the window since the stream began
	role    rtmp.Role
	setup   *setup // in force before this message
	after   *setup // and after it
	arrived time.Time
}

// setup is what a decoder must have before a frame: metadata and configurations. It is replaced, never changed.
type setup struct {
	metadata []byte // AMF0, from "onMetaData" on; nil if there is none
	configs  []rtmp.Message
}

// with returns the setup that holds after m.
func (s *setup) with(m rtmp.Message, role rtmp.Role) *setup {
	n := &setup{metadata: s.metadata, configs: append([]rtmp.Message(nil), s.configs...)}
	if role == rtmp.RoleMetadata {
		n.metadata, _ = rtmp.Metadata(m)
		return n
	}
	id := rtmp.ConfigID(m)
	for i, c := range n.configs {
		if rtmp.ConfigID(c) == id {
			n.configs[i] = m
			return n
		}
	}
	n.configs = append(n.configs, m)
	size := 0
	for i := len(n.configs) - 1; i >= 0; i-- {
		size += len(n.configs[i].Payload)
		if size > maxConfigBytes || len(n.configs)-i > maxConfigs {
			n.configs = n.configs[i+1:]
			break
		}
	}
	return n
}

// has reports whether m is already part of the setup, byte for byte.
func (s *setup) has(m rtmp.Message, role rtmp.Role) bool {
	if role == rtmp.RoleMetadata {
		body, _ := rtmp.Metadata(m)
		return s.metadata != nil && string(body) == string(s.metadata)
	}
	for _, c := range s.configs {
		if c.Type == m.Type && string(c.Payload) == string(m.Payload) {
			return true
		}
	}
	return false
}

// messages returns the setup as messages of the given time, ready to send.
func (s *setup) messages(timestamp uint32) []rtmp.Message {
	var ms []rtmp.Message
	if s.metadata != nil {
		ms = append(ms, outgoing(rtmp.Message{Type: rtmp.TypeDataAMF0, Timestamp: metadataTime, Payload: s.metadata}))
	}
	for _, c := range s.configs {
		c.Timestamp = timestamp
		ms = append(ms, outgoing(c))
	}
	return ms
}

// outgoing gives m the stream and chunk stream that viewers see it on.
func outgoing(m rtmp.Message) rtmp.Message {
	m.StreamID = servedStream
	switch m.Type {
	case rtmp.TypeAudio:
		m.ChunkStream = chunkStreamAudio
	case rtmp.TypeVideo:
		m.ChunkStream = chunkStreamVideo
	default:
		m.ChunkStream = chunkStreamData
	}
	return m
}

// A window holds the latest messages of a stream: at least the current group of pictures, for those who join, and as
// much as a slow viewer may lag behind. Each message has a sequence number, counted from the stream's beginning.
//
// It has no lock; its stream's guards it.
type window struct {
	chunkSize int
	span      time.Duration // messages younger than this are kept

	entries []*entry // Invariant: entries[i] has sequence number first+i
	first   uint64
	offset  uint64 // of the next byte
	bytes   int    // held in entries
	setup   *setup // after the last entry
	key     uint64 // sequence number of the last keyframe, if hasKey
	hasKey  bool
	video   bool // the stream has a picture, so only keyframes are places to begin at
}

func newWindow(chunkSize int, span time.Duration) *window {
	return &window{chunkSize: chunkSize, span: span, setup: &setup{}}
}

// next is the sequence number that the next message will get.
func (w *window) next() uint64 { return w.first + uint64(len(w.entries)) }

// append takes a message that arrived at now.
func (w *window) append(m rtmp.Message, role rtmp.Role, now time.Time) {
	if role == rtmp.RoleMetadata {
		m.Payload, _ = rtmp.Metadata(m)
		m.Type, m.Timestamp = rtmp.TypeDataAMF0, metadataTime
	}
	m = outgoing(m)
	e := &entry{msg: m, offset: w.offset, role: role, setup: w.setup, arrived: now}
	e.wire = rtmp.AppendMessage(make([]byte, 0, rtmp.EncodedLen(m, w.chunkSize)), m, w.chunkSize)
	if n := len(m.Payload); n <= w.chunkSize {
		e.msg.Payload = e.wire[len(e.wire)-n:]
	}
	switch role {
	case rtmp.RoleConfig, rtmp.RoleMetadata:
		w.setup = w.setup.with(e.msg, role)
		w.video = w.video || role == rtmp.RoleConfig && m.Type == rtmp.TypeVideo
	case rtmp.RoleKey:
		w.key, w.hasKey, w.video = w.next(), true, true
	case rtmp.RoleFrame:
		w.video = true
	}
	e.after = w.setup
	w.entries = append(w.entries, e)
	w.offset += uint64(len(e.wire))
	w.bytes += len(e.wire)
	w.trim(now)
}

// trim forgets what neither a slow viewer nor one that joins needs any more.
func (w *window) trim(now time.Time) {
	n := 0
	for ; n < len(w.entries)-1; n++ {
		e := w.entries[n]
		needed := now.Sub(e.arrived) < w.span || w.hasKey && w.first+uint64(n) >= w.key
		if needed && w.bytes+messageCost*(len(w.entries)-n) <= maxWindowBytes {
			break
		}
		w.bytes -= len(e.wire)
		w.entries[n] = nil
	}
	w.entries = w.entries[n:]
	w.first += uint64(n)
	if w.key < w.first {
		w.hasKey = false
	}
}

// rate returns the bytes that come in a second, as far as the window goes back; zero for less than half a second.
func (w *window) rate() float64 {
	if len(w.entries) == 0 {
		return 0
	}
	d := w.entries[len(w.entries)-1].arrived.Sub(w.entries[0].arrived)
	if d < time.Second/2 {
		return 0
	}
	return float64(w.bytes) / d.Seconds()
}

// at returns the entry of a sequence number, or nil when it is gone or yet to come.
func (w *window) at(seq uint64) *entry {
	if seq < w.first || seq >= w.next() {
		return nil
	}
	return w.entries[seq-w.first]
}

// begins reports whether a viewer may begin at e.
func (w *window) begins(e *entry) bool {
	return e.role == rtmp.RoleKey || e.role == rtmp.RoleAudio && !w.video
}

// beginning returns the first sequence number not below from that a viewer may begin at.
func (w *window) beginning(from uint64) (uint64, bool) {
	for seq := max(from, w.first); seq < w.next(); seq++ {
		if w.begins(w.at(seq)) {
			return seq, true
		}
	}
	return 0, false
}

// locate is the map from a place in the stream's bytes to the message that holds it: its sequence number and the place
// within its encoding. It lets another relay go on in the middle of a viewer's connection.
func (w *window) locate(offset uint64) (seq uint64, within int, ok bool) {
	i := sort.Search(len(w.entries), func(i int) bool {
		e := w.entries[i]
		return e.offset+uint64(len(e.wire)) > offset
	})
	if i == len(w.entries) || offset < w.entries[i].offset {
		return 0, 0, false
	}
	return w.first + uint64(i), int(offset - w.entries[i].offset), true
}
