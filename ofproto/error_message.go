package ofproto

// An ErrorType is a class of errors: enum ofp_error_type, OpenFlow 1.0.0 §5.4.4.
type ErrorType uint16

// The classes of errors (OFPET_*).
const (
	HelloFailed ErrorType = iota
	BadRequest
	BadAction
	FlowModFailed
	PortModFailed
	QueueOpFailed
)

// An Error reports a failure: struct ofp_error_msg, OpenFlow 1.0.0 §5.4.4. Its xid is that of the message at fault.
type Error struct {
	ErrType ErrorType `json:"type"`
	Code    uint16    `json:"code"` // its meaning depends on ErrType
	Data    Bytes     `json:"data"` // HelloFailed: a text; else at least the first 64 bytes of the message at fault
}

// Type returns TypeError.
func (*Error) Type() Type { return TypeError }

// AppendBody implements Message.
func (m *Error) AppendBody(dst []byte) ([]byte, error) {
	return append(be.AppendUint16(be.AppendUint16(dst, uint16(m.ErrType)), m.Code), m.Data...), nil
}

// DecodeBody implements Message.
func (m *Error) DecodeBody(body []byte) error {
	if err := atLeast(TypeError, body, 4); err != nil {
		return err
	}
	*m = Error{ErrorType(be.Uint16(body)), be.Uint16(body[2:]), body[4:]}
	return nil
}
