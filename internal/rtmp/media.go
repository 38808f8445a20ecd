package rtmp

import "bytes"

// A Role is what a message means to someone who relays a stream: where a player may begin, and what it must have had
// before.
type Role uint8

// Roles of messages within a stream.
const (
	RoleOther    Role = iota // commands, control, cue points: no part of the picture or sound
	RoleFrame                // a frame that needs those before it
	RoleKey                  // a video frame that needs no other
	RoleAudio                // a frame of sound
	RoleConfig               // a decoder's configuration: AVC or AAC sequence header and their like
	RoleMetadata             // onMetaData
)

const (
	frameTypeKey = 1

	codecAVC, codecHEVC, codecAV1  = 7, 12, 13 // the last two as some encoders use them without enhanced RTMP
	soundAAC, soundOpus, soundEx   = 10, 13, 9
	exSequenceStart, exSequenceEnd = 0, 2
	exMetadata, exMPEG2TSStart     = 4, 5
	exMultitrack                   = 6
	exAudioMultichannel            = 4
	exAudioMultitrack              = 5
	enhancedBit                    = 0x80
)

// RoleOf classifies m by the first bytes of its FLV tag body ("Adobe Flash Video File Format 10.1", annex E; "Enhanced
// RTMP v2", 2024). Codecs need not be known: what carries no configuration mark is a frame.
func RoleOf(m Message) Role {
	p := m.Payload
	switch m.Type {
	case TypeVideo:
		return videoRole(p)
	case TypeAudio:
		return audioRole(p)
	case TypeDataAMF0, TypeDataAMF3:
		if _, ok := Metadata(m); ok {
			return RoleMetadata
		}
	}
	return RoleOther
}

func videoRole(p []byte) Role {
	if len(p) == 0 {
		return RoleOther
	}
	key := p[0]>>4&7 == frameTypeKey
	if p[0]&enhancedBit != 0 {
		kind := p[0] & 0xf
		if kind == exMultitrack && len(p) > 1 {
			kind = p[1] & 0xf
		}
		switch kind {
		case exSequenceStart, exMetadata, exMPEG2TSStart:
			return RoleConfig
		case exSequenceEnd:
			return RoleOther
		}
	} else if c := p[0] & 0xf; (c == codecAVC || c == codecHEVC || c == codecAV1) && len(p) > 1 {
		switch p[1] {
		case exSequenceStart:
			return RoleConfig
		case exSequenceEnd:
			return RoleOther
		}
	}
	if key {
		return RoleKey
	}
	return RoleFrame
}

func audioRole(p []byte) Role {
	if len(p) < 2 {
		return RoleOther
	}
	kind := byte(1)
	switch p[0] >> 4 {
	case soundAAC, soundOpus:
		if p[1] == exSequenceStart {
			return RoleConfig
		}
		return RoleAudio
	case soundEx:
		if kind = p[0] & 0xf; kind == exAudioMultitrack {
			kind = p[1] & 0xf
		}
	}
	switch kind {
	case exSequenceStart, exAudioMultichannel:
		return RoleConfig
	case exSequenceEnd:
		return RoleOther
	}
	return RoleAudio
}

// ConfigID tells configurations apart: of two with the same ID the later replaces the earlier. Each track of a
// multitrack stream has its own, and so has a colour or channel description beside the sequence header.
func ConfigID(m Message) string {
	const multitrackHead = 7 // kind, kind of multitrack, FourCC, track
	p := m.Payload
	if len(p) < multitrackHead {
		return string(m.Type)
	}
	kind := p[0] & 0xf
	switch {
	case m.Type == TypeVideo && p[0]&enhancedBit != 0:
		switch kind {
		case exMultitrack:
			return string(m.Type) + string(p[:multitrackHead])
		case exMetadata:
			return string(m.Type) + "colour"
		}
	case m.Type == TypeAudio && p[0]>>4 == soundEx:
		switch kind {
		case exAudioMultitrack:
			return string(m.Type) + string(p[:multitrackHead])
		case exAudioMultichannel:
			return string(m.Type) + "channels"
		}
	}
	return string(m.Type)
}

var (
	setDataFrame = []byte("\x02\x00\x0d@setDataFrame")
	onMetaData   = []byte("\x02\x00\x0aonMetaData")
)

// Metadata returns the AMF0 body of a data message that sets a stream's metadata, as players want it: from "onMetaData"
// on, without the publisher's "@setDataFrame".
func Metadata(m Message) (body []byte, ok bool) {
	p := dataBody(m)
	p = bytes.TrimPrefix(p, setDataFrame)
	return p, bytes.HasPrefix(p, onMetaData)
}

// PublishedMetadata is the inverse of Metadata: the payload of a data message for a server.
func PublishedMetadata(body []byte) []byte {
	return append(bytes.Clone(setDataFrame), body...)
}

// dataBody strips the leading zero byte that type 15 puts before its AMF0.
func dataBody(m Message) []byte {
	if m.Type == TypeDataAMF3 && len(m.Payload) > 0 && m.Payload[0] == 0 {
		return m.Payload[1:]
	}
	return m.Payload
}
