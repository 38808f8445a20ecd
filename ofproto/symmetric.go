package ofproto

// A Hello opens a connection on both sides: OFPT_HELLO, OpenFlow 1.0.0 §5.5.1. Both then speak the lower of the two
// versions.
type Hello struct {
	Version uint8 `json:"version"` // the sender's highest; 0 is encoded as 1
	Body    Bytes `json:"body"`    // to be ignored by the receiver: later versions list their elements there
}

// Type returns TypeHello.
func (*Hello) Type() Type { return TypeHello }

// AppendBody implements Message.
func (m *Hello) AppendBody(dst []byte) ([]byte, error) { return append(dst, m.Body...), nil }

// DecodeBody implements Message. The version is the header's business; Decode sets it.
func (m *Hello) DecodeBody(body []byte) error {
	m.Body = body
	return nil
}

// An EchoRequest asks the other side for an EchoReply with the same data: OFPT_ECHO_REQUEST, OpenFlow 1.0.0 §5.5.2.
type EchoRequest struct {
	Data Bytes `json:"data"`
}

// Type returns TypeEchoRequest.
func (*EchoRequest) Type() Type { return TypeEchoRequest }

// AppendBody implements Message.
func (m *EchoRequest) AppendBody(dst []byte) ([]byte, error) { return append(dst, m.Data...), nil }

// DecodeBody implements Message.
func (m *EchoRequest) DecodeBody(body []byte) error {
	m.Data = body
	return nil
}

// An EchoReply returns an EchoRequest's data: OFPT_ECHO_REPLY, OpenFlow 1.0.0 §5.5.3.
type EchoReply struct {
	Data Bytes `json:"data"`
}

// Type returns TypeEchoReply.
func (*EchoReply) Type() Type { return TypeEchoReply }

// AppendBody implements Message.
func (m *EchoReply) AppendBody(dst []byte) ([]byte, error) { return append(dst, m.Data...), nil }

// DecodeBody implements Message.
func (m *EchoReply) DecodeBody(body []byte) error {
	m.Data = body
	return nil
}

// A Vendor is an extension's message: struct ofp_vendor_header, OpenFlow 1.0.0 §5.5.4. Decode returns one for every
// vendor message that this package has no type of its own for.
type Vendor struct {
	Vendor VendorID `json:"vendor"`
	Data   Bytes    `json:"data"`
}

// Type returns TypeVendor.
func (*Vendor) Type() Type { return TypeVendor }

// AppendBody implements Message.
func (m *Vendor) AppendBody(dst []byte) ([]byte, error) {
	return append(be.AppendUint32(dst, uint32(m.Vendor)), m.Data...), nil
}

// DecodeBody implements Message.
func (m *Vendor) DecodeBody(body []byte) error {
	if err := atLeast(TypeVendor, body, 4); err != nil {
		return err
	}
	v := VendorID(be.Uint32(body))
	if v == VendorNicira {
		if err := checkNicira(body); err != nil {
			return err
		}
	}
	*m = Vendor{v, body[4:]}
	return nil
}

// A VendorID names a vendor: an IEEE OUI if the highest byte is zero, else a number given out by the OpenFlow consortium,
// OpenFlow 1.0.0 §5.5.4.
type VendorID uint32

// Vendors with a name here.
const (
	VendorNicira VendorID = 0x00002320 // Open vSwitch
)
