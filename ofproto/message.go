package ofproto

import (
	"encoding/binary"
	"fmt"
)

// Sizes and numbers of the OpenFlow 1.0 wire protocol.
const (
	Version   = 1     // OFP_VERSION of OpenFlow 1.0.0
	HeaderLen = 8     // of every message
	MaxLen    = 65535 // of a message, header included

	NoBuffer uint32 = 0xffffffff // a buffer id that names no buffer
)

var be = binary.BigEndian

// A Type says what a message is: enum ofp_type, OpenFlow 1.0.0 §5.1.
type Type uint8

// The message types, in the specification's order (OFPT_*).
const (
	TypeHello Type = iota
	TypeError
	TypeEchoRequest
	TypeEchoReply
	TypeVendor
	TypeFeaturesRequest
	TypeFeaturesReply
	TypeGetConfigRequest
	TypeGetConfigReply
	TypeSetConfig
	TypePacketIn
	TypeFlowRemoved
	TypePortStatus
	TypePacketOut
	TypeFlowMod
	TypePortMod
	TypeStatsRequest
	TypeStatsReply
	TypeBarrierRequest
	TypeBarrierReply
	TypeQueueGetConfigRequest
	TypeQueueGetConfigReply
)

var typeNames = [...]string{
	"HELLO", "ERROR", "ECHO_REQUEST", "ECHO_REPLY", "VENDOR", "FEATURES_REQUEST", "FEATURES_REPLY",
	"GET_CONFIG_REQUEST", "GET_CONFIG_REPLY", "SET_CONFIG", "PACKET_IN", "FLOW_REMOVED", "PORT_STATUS", "PACKET_OUT",
	"FLOW_MOD", "PORT_MOD", "STATS_REQUEST", "STATS_REPLY", "BARRIER_REQUEST", "BARRIER_REPLY",
	"QUEUE_GET_CONFIG_REQUEST", "QUEUE_GET_CONFIG_REPLY",
}

// String returns the specification's name without its prefix, "FLOW_MOD", or "TYPE_200" where there is none.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("TYPE_%d", uint8(t))
}

// MarshalText is String.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// A Header begins every message: struct ofp_header, OpenFlow 1.0.0 §5.1.
type Header struct {
	Version uint8
	Type    Type
	Length  uint16 // of the whole message; Invariant: at least HeaderLen
	XID     uint32 // a reply carries its request's
}

// ParseHeader reads the header at the start of b. It fails with a DecodeError where b is shorter than a header or the
// length field is; it does not ask for the rest of the message, nor for a version.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderLen {
		e := &DecodeError{Offset: len(b), Cause: fmt.Errorf("header of %d bytes: %w", len(b), ErrShort)}
		if len(b) > 1 {
			e.Type = Type(b[1])
		}
		return Header{}, e
	}
	h := Header{Version: b[0], Type: Type(b[1]), Length: be.Uint16(b[2:]), XID: be.Uint32(b[4:])}
	if h.Length < HeaderLen {
		return h, &DecodeError{Type: h.Type, Offset: 2, Cause: fmt.Errorf("message length %d: %w", h.Length, ErrLength)}
	}
	return h, nil
}

// A Message is what follows a header. The implementations are pointers to the structs of this package.
type Message interface {
	Type() Type

	// AppendBody appends the message without its header. On an error dst's content is unchanged.
	AppendBody(dst []byte) ([]byte, error)

	// DecodeBody replaces the message by the content of body, all of it, or fails with a DecodeError and changes
	// nothing. Byte slices of the message (PacketIn.Data, say) alias body.
	DecodeBody(body []byte) error
}

// Append appends the whole message to dst, header included. It fails, and returns dst as it was, where the message is
// longer than MaxLen or a string does not fit its field.
func Append(dst []byte, xid uint32, m Message) ([]byte, error) {
	version := byte(Version)
	if h, ok := m.(*Hello); ok && h.Version != 0 {
		version = h.Version
	}
	start := len(dst)
	out := append(dst, version, byte(m.Type()), 0, 0, byte(xid>>24), byte(xid>>16), byte(xid>>8), byte(xid))
	out, err := m.AppendBody(out)
	if err != nil {
		return dst, err
	}
	n := len(out) - start
	if n > MaxLen {
		return dst, fmt.Errorf("ofproto: encode %v: %d bytes: %w", m.Type(), n, ErrTooLong)
	}
	be.PutUint16(out[start+2:], uint16(n))
	return out, nil
}

// Decode reads exactly one message, which fills frame. Failures are DecodeErrors, and come with the header as far as
// there is one. Byte slices of the message alias frame.
//
// A HELLO may be of any version but 0, so that versions can be negotiated (§5.5.1); any other message must be OpenFlow
// 1.0.
func Decode(frame []byte) (Header, Message, error) {
	h, err := ParseHeader(frame)
	if err != nil {
		return h, nil, err
	}
	if err := checkFrame(h, len(frame)); err != nil {
		return h, nil, err
	}
	body := frame[HeaderLen:]
	m := newMessage(h.Type, body)
	if err := m.DecodeBody(body); err != nil {
		return h, nil, err
	}
	if hello, ok := m.(*Hello); ok {
		hello.Version = h.Version
	}
	return h, m, nil
}

func checkFrame(h Header, n int) error {
	switch {
	case h.Version != Version && (h.Type != TypeHello || h.Version == 0):
		return &DecodeError{Type: h.Type, Offset: 0, Cause: fmt.Errorf("version %d: %w", h.Version, ErrVersion)}
	case int(h.Length) > n:
		return &DecodeError{Type: h.Type, Offset: n, Cause: fmt.Errorf("%d bytes of %d: %w", n, h.Length, ErrShort)}
	case int(h.Length) < n:
		return &DecodeError{Type: h.Type, Offset: 2, Cause: fmt.Errorf("message length %d in %d bytes: %w", h.Length, n, ErrLength)}
	}
	return nil
}

// newMessage returns an empty message of the type. A vendor's message may have a type of its own.
func newMessage(t Type, body []byte) Message {
	switch t {
	case TypeHello:
		return new(Hello)
	case TypeError:
		return new(Error)
	case TypeEchoRequest:
		return new(EchoRequest)
	case TypeEchoReply:
		return new(EchoReply)
	case TypeVendor:
		return newVendorMessage(body)
	case TypeFeaturesRequest:
		return new(FeaturesRequest)
	case TypeFeaturesReply:
		return new(FeaturesReply)
	case TypeGetConfigRequest:
		return new(GetConfigRequest)
	case TypeGetConfigReply:
		return new(GetConfigReply)
	case TypeSetConfig:
		return new(SetConfig)
	case TypePacketIn:
		return new(PacketIn)
	case TypeFlowRemoved:
		return new(FlowRemoved)
	case TypePortStatus:
		return new(PortStatus)
	case TypePacketOut:
		return new(PacketOut)
	case TypeFlowMod:
		return new(FlowMod)
	case TypePortMod:
		return new(PortMod)
	case TypeStatsRequest:
		return new(StatsRequest)
	case TypeStatsReply:
		return new(StatsReply)
	case TypeBarrierRequest:
		return new(BarrierRequest)
	case TypeBarrierReply:
		return new(BarrierReply)
	case TypeQueueGetConfigRequest:
		return new(QueueGetConfigRequest)
	case TypeQueueGetConfigReply:
		return new(QueueGetConfigReply)
	}
	return &Raw{MessageType: t}
}

// A Raw is a message of a type that OpenFlow 1.0 does not define, kept as it came.
type Raw struct {
	MessageType Type  `json:"type"`
	Body        Bytes `json:"body"`
}

// Type returns MessageType.
func (m *Raw) Type() Type { return m.MessageType }

// AppendBody implements Message.
func (m *Raw) AppendBody(dst []byte) ([]byte, error) { return append(dst, m.Body...), nil }

// DecodeBody implements Message; it keeps MessageType.
func (m *Raw) DecodeBody(body []byte) error {
	m.Body = body
	return nil
}
