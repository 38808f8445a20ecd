package ofproto

import "fmt"

// A PacketInReason says why a packet came to the controller: enum ofp_packet_in_reason, OpenFlow 1.0.0 §5.4.1.
type PacketInReason uint8

// The reasons of a PacketIn (OFPR_*).
const (
	ReasonNoMatch PacketInReason = iota // no flow entry
	ReasonAction                        // a flow entry that outputs to the controller
)

// A PacketIn is a packet that a switch hands to the controller: struct ofp_packet_in, OpenFlow 1.0.0 §5.4.1.
type PacketIn struct {
	BufferID uint32         `json:"buffer_id"` // NoBuffer if Data is the whole packet
	TotalLen uint16         `json:"total_len"` // of the packet, of which Data may be the beginning
	InPort   Port           `json:"in_port"`
	Reason   PacketInReason `json:"reason"`
	Data     Bytes          `json:"data"` // aliases the decoded bytes

	pad byte
}

const packetInLen = 10

// Type returns TypePacketIn.
func (*PacketIn) Type() Type { return TypePacketIn }

// AppendBody implements Message.
func (m *PacketIn) AppendBody(dst []byte) ([]byte, error) {
	dst = be.AppendUint32(dst, m.BufferID)
	dst = be.AppendUint16(dst, m.TotalLen)
	dst = be.AppendUint16(dst, uint16(m.InPort))
	dst = append(dst, byte(m.Reason), m.pad)
	return append(dst, m.Data...), nil
}

// DecodeBody implements Message. It does not allocate.
func (m *PacketIn) DecodeBody(body []byte) error {
	if err := atLeast(TypePacketIn, body, packetInLen); err != nil {
		return err
	}
	*m = PacketIn{
		BufferID: be.Uint32(body),
		TotalLen: be.Uint16(body[4:]),
		InPort:   Port(be.Uint16(body[6:])),
		Reason:   PacketInReason(body[8]),
		Data:     body[packetInLen:],
		pad:      body[9],
	}
	return nil
}

// A PacketOut has a switch send a packet: struct ofp_packet_out, OpenFlow 1.0.0 §5.3.6.
type PacketOut struct {
	BufferID uint32   `json:"buffer_id"` // of a PacketIn; NoBuffer if Data is the packet
	InPort   Port     `json:"in_port"`   // PortNone if the packet came from none
	Actions  []Action `json:"actions"`   // none drops the packet
	Data     Bytes    `json:"data"`
}

const packetOutLen = 8

// Type returns TypePacketOut.
func (*PacketOut) Type() Type { return TypePacketOut }

// AppendBody implements Message.
func (m *PacketOut) AppendBody(dst []byte) ([]byte, error) {
	out := be.AppendUint32(dst, m.BufferID)
	out = be.AppendUint16(out, uint16(m.InPort))
	length := len(out)
	out = append(out, 0, 0)
	out, err := appendActions(out, m.Actions)
	n := len(out) - length - 2
	if err == nil && n > MaxLen {
		err = fmt.Errorf("%d bytes of actions: %w", n, ErrTooLong)
	}
	if err != nil {
		return dst, fmt.Errorf("ofproto: encode PACKET_OUT: %w", err)
	}
	be.PutUint16(out[length:], uint16(n))
	return append(out, m.Data...), nil
}

// DecodeBody implements Message.
func (m *PacketOut) DecodeBody(body []byte) error {
	if err := atLeast(TypePacketOut, body, packetOutLen); err != nil {
		return err
	}
	end := packetOutLen + int(be.Uint16(body[6:]))
	if end > len(body) {
		return bad(TypePacketOut, 6, ErrLength, "%d bytes of actions in %d bytes", end-packetOutLen, len(body)-packetOutLen)
	}
	actions, err := actionsAt(TypePacketOut, body, packetOutLen, end)
	if err != nil {
		return err
	}
	*m = PacketOut{
		BufferID: be.Uint32(body),
		InPort:   Port(be.Uint16(body[4:])),
		Actions:  actions,
		Data:     body[end:],
	}
	return nil
}
