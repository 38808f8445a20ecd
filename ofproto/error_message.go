package ofproto

import "fmt"

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

	NiciraError ErrorType = 0xb0c2 // Open vSwitch's own: vendor, type and code are in the data
)

// Codes of HelloFailed (OFPHFC_*).
const (
	HelloIncompatible uint16 = iota // no common version
	HelloEPerm
)

// Codes of BadRequest (OFPBRC_*).
const (
	RequestBadVersion uint16 = iota
	RequestBadType
	RequestBadStat
	RequestBadVendor
	RequestBadSubtype
	RequestEPerm
	RequestBadLen
	RequestBufferEmpty
	RequestBufferUnknown
)

// Codes of BadAction (OFPBAC_*).
const (
	ActionBadType uint16 = iota
	ActionBadLen
	ActionBadVendor
	ActionBadVendorType
	ActionBadOutPort
	ActionBadArgument
	ActionEPerm
	ActionTooMany
	ActionBadQueue
)

// Codes of FlowModFailed (OFPFMFC_*).
const (
	FlowModAllTablesFull uint16 = iota
	FlowModOverlap
	FlowModEPerm
	FlowModBadEmergTimeout
	FlowModBadCommand
	FlowModUnsupported
)

// Codes of PortModFailed (OFPPMFC_*).
const (
	PortModBadPort uint16 = iota
	PortModBadHWAddr
)

// Codes of QueueOpFailed (OFPQOFC_*).
const (
	QueueOpBadPort uint16 = iota
	QueueOpBadQueue
	QueueOpEPerm
)

var errorNames = [...]struct {
	name  string
	codes []string
}{
	{"HELLO_FAILED", []string{"INCOMPATIBLE", "EPERM"}},
	{"BAD_REQUEST", []string{"BAD_VERSION", "BAD_TYPE", "BAD_STAT", "BAD_VENDOR", "BAD_SUBTYPE", "EPERM", "BAD_LEN",
		"BUFFER_EMPTY", "BUFFER_UNKNOWN"}},
	{"BAD_ACTION", []string{"BAD_TYPE", "BAD_LEN", "BAD_VENDOR", "BAD_VENDOR_TYPE", "BAD_OUT_PORT", "BAD_ARGUMENT",
		"EPERM", "TOO_MANY", "BAD_QUEUE"}},
	{"FLOW_MOD_FAILED", []string{"ALL_TABLES_FULL", "OVERLAP", "EPERM", "BAD_EMERG_TIMEOUT", "BAD_COMMAND",
		"UNSUPPORTED"}},
	{"PORT_MOD_FAILED", []string{"BAD_PORT", "BAD_HW_ADDR"}},
	{"QUEUE_OP_FAILED", []string{"BAD_PORT", "BAD_QUEUE", "EPERM"}},
}

// String returns the specification's name without its prefix, "FLOW_MOD_FAILED", or the number.
func (t ErrorType) String() string {
	if int(t) < len(errorNames) {
		return errorNames[t].name
	}
	return fmt.Sprintf("0x%04x", uint16(t))
}

// MarshalText is String.
func (t ErrorType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

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
	e := Error{ErrorType(be.Uint16(body)), be.Uint16(body[2:]), body[4:]}
	if e.ErrType == NiciraError && e.Code == 0 {
		if err := atLeast(TypeError, body, 12); err != nil {
			return err
		}
	}
	*m = e
	return nil
}

// Reason names class and code: "FLOW_MOD_FAILED ALL_TABLES_FULL". Numbers stand for what has no name.
func (m *Error) Reason() string {
	if int(m.ErrType) < len(errorNames) {
		return m.ErrType.String() + " " + nameOf(errorNames[m.ErrType].codes, int(m.Code))
	}
	if m.ErrType == NiciraError && m.Code == 0 && len(m.Data) >= 8 {
		return fmt.Sprintf("VENDOR 0x%08x %d %d", be.Uint32(m.Data), be.Uint16(m.Data[4:]), be.Uint16(m.Data[6:]))
	}
	return fmt.Sprintf("%v %d", m.ErrType, m.Code)
}

// Error makes the message a Go error, for a request that the other side refused.
func (m *Error) Error() string { return "ofproto: refused by the other side: " + m.Reason() }

// Request returns the header of the message at fault, if the data begins with one.
func (m *Error) Request() (h Header, ok bool) {
	data := m.Data
	switch {
	case m.ErrType == HelloFailed: // a text
		return Header{}, false
	case m.ErrType == NiciraError && len(data) >= 8:
		data = data[8:]
	}
	h, err := ParseHeader(data)
	return h, err == nil
}
