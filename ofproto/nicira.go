package ofproto

// A niciraSubtype says which of Nicira's messages a VENDOR message is: NXT_* of Open vSwitch's nicira-ext.h.
type niciraSubtype uint32

const (
	niciraRoleRequest       niciraSubtype = 10
	niciraRoleReply         niciraSubtype = 11
	niciraSetFlowFormat     niciraSubtype = 12
	niciraFlowModTableID    niciraSubtype = 15
	niciraSetPacketInFormat niciraSubtype = 16
	niciraSetAsyncConfig    niciraSubtype = 19
	niciraSetControllerID   niciraSubtype = 20
)

const niciraHeaderLen = 8 // vendor and subtype

// niciraSizes are the sizes of the messages that have a type here, without the Nicira header.
var niciraSizes = map[niciraSubtype]int{
	niciraRoleRequest: 4, niciraRoleReply: 4, niciraSetFlowFormat: 4, niciraFlowModTableID: 8,
	niciraSetPacketInFormat: 4, niciraSetAsyncConfig: 24, niciraSetControllerID: 8,
}

// newVendorMessage returns an empty message for a VENDOR body: a type of its own where there is one. Some
// implementations pad to a multiple of 8 bytes what Open vSwitch does not; what they send stays opaque.
func newVendorMessage(body []byte) Message {
	if len(body) >= niciraHeaderLen && VendorID(be.Uint32(body)) == VendorNicira {
		subtype := niciraSubtype(be.Uint32(body[4:]))
		if size := niciraSizes[subtype]; size%8 != 0 && len(body) == niciraHeaderLen+(size+7)&^7 {
			return new(Vendor)
		}
		switch subtype {
		case niciraRoleRequest:
			return new(RoleRequest)
		case niciraRoleReply:
			return new(RoleReply)
		case niciraSetFlowFormat:
			return new(SetFlowFormat)
		case niciraFlowModTableID:
			return new(FlowModTableID)
		case niciraSetPacketInFormat:
			return new(SetPacketInFormat)
		case niciraSetAsyncConfig:
			return new(SetAsyncConfig)
		case niciraSetControllerID:
			return new(SetControllerID)
		}
	}
	return new(Vendor)
}

func appendNiciraHeader(dst []byte, s niciraSubtype) []byte {
	return be.AppendUint32(be.AppendUint32(dst, uint32(VendorNicira)), uint32(s))
}

// niciraBody checks a message's vendor, subtype and size, and returns what follows the Nicira header.
func niciraBody(body []byte, s niciraSubtype) ([]byte, error) {
	if err := exactly(TypeVendor, body, niciraHeaderLen+niciraSizes[s]); err != nil {
		return nil, err
	}
	if VendorID(be.Uint32(body)) != VendorNicira || niciraSubtype(be.Uint32(body[4:])) != s {
		return nil, bad(TypeVendor, 0, ErrVendor, "vendor and subtype %x, want Nicira's %d", body[:8], s)
	}
	return body[niciraHeaderLen:], nil
}

// A Role is what a controller may do among others at the same switch: enum nx_role.
type Role uint32

// The roles (NX_ROLE_*).
const (
	RoleOther     Role = iota // the default: everything, beside others
	RolePrimary               // everything, and all others become secondary
	RoleSecondary             // read only
)

// A RoleRequest asks for a role: struct nx_role_request of Open vSwitch, NXT_ROLE_REQUEST.
type RoleRequest struct {
	Role Role `json:"role"`
}

// Type returns TypeVendor.
func (*RoleRequest) Type() Type { return TypeVendor }

// AppendBody implements Message.
func (m *RoleRequest) AppendBody(dst []byte) ([]byte, error) {
	return be.AppendUint32(appendNiciraHeader(dst, niciraRoleRequest), uint32(m.Role)), nil
}

// DecodeBody implements Message.
func (m *RoleRequest) DecodeBody(body []byte) error {
	b, err := niciraBody(body, niciraRoleRequest)
	if err == nil {
		*m = RoleRequest{Role(be.Uint32(b))}
	}
	return err
}

// A RoleReply confirms a RoleRequest: struct nx_role_request of Open vSwitch, NXT_ROLE_REPLY.
type RoleReply struct {
	Role Role `json:"role"`
}

// Type returns TypeVendor.
func (*RoleReply) Type() Type { return TypeVendor }

// AppendBody implements Message.
func (m *RoleReply) AppendBody(dst []byte) ([]byte, error) {
	return be.AppendUint32(appendNiciraHeader(dst, niciraRoleReply), uint32(m.Role)), nil
}

// DecodeBody implements Message.
func (m *RoleReply) DecodeBody(body []byte) error {
	b, err := niciraBody(body, niciraRoleReply)
	if err == nil {
		*m = RoleReply{Role(be.Uint32(b))}
	}
	return err
}

// A FlowFormat is a way to send flows: enum nx_flow_format.
type FlowFormat uint32

// The flow formats (NXFF_*).
const (
	FlowFormatOpenFlow10 FlowFormat = 0 // FlowMod and FlowRemoved
	FlowFormatNXM        FlowFormat = 2 // Nicira's extensible match
)

// A SetFlowFormat chooses the format of flows: struct nx_set_flow_format of Open vSwitch, NXT_SET_FLOW_FORMAT.
type SetFlowFormat struct {
	Format FlowFormat `json:"format"`
}

// Type returns TypeVendor.
func (*SetFlowFormat) Type() Type { return TypeVendor }

// AppendBody implements Message.
func (m *SetFlowFormat) AppendBody(dst []byte) ([]byte, error) {
	return be.AppendUint32(appendNiciraHeader(dst, niciraSetFlowFormat), uint32(m.Format)), nil
}

// DecodeBody implements Message.
func (m *SetFlowFormat) DecodeBody(body []byte) error {
	b, err := niciraBody(body, niciraSetFlowFormat)
	if err == nil {
		*m = SetFlowFormat{FlowFormat(be.Uint32(b))}
	}
	return err
}

// A FlowModTableID makes the high byte of a FlowMod's command its table: struct nx_flow_mod_table_id of Open vSwitch,
// NXT_FLOW_MOD_TABLE_ID.
type FlowModTableID struct {
	Set uint8 `json:"set"` // not 0 to turn it on

	pad [7]byte
}

// Type returns TypeVendor.
func (*FlowModTableID) Type() Type { return TypeVendor }

// AppendBody implements Message.
func (m *FlowModTableID) AppendBody(dst []byte) ([]byte, error) {
	return append(append(appendNiciraHeader(dst, niciraFlowModTableID), m.Set), m.pad[:]...), nil
}

// DecodeBody implements Message.
func (m *FlowModTableID) DecodeBody(body []byte) error {
	b, err := niciraBody(body, niciraFlowModTableID)
	if err == nil {
		*m = FlowModTableID{b[0], [7]byte(b[1:])}
	}
	return err
}

// A PacketInFormat is a way to send packets to the controller: enum nx_packet_in_format.
type PacketInFormat uint32

// The formats of packets for the controller (NXPIF_*).
const (
	PacketInOpenFlow10 PacketInFormat = 0 // PacketIn
	PacketInNXM        PacketInFormat = 1 // NXT_PACKET_IN, kept as a Vendor message
	PacketInNXT2       PacketInFormat = 2 // NXT_PACKET_IN2, kept as a Vendor message
)

// A SetPacketInFormat chooses the format of packets for the controller: struct nx_set_packet_in_format of Open vSwitch,
// NXT_SET_PACKET_IN_FORMAT.
type SetPacketInFormat struct {
	Format PacketInFormat `json:"format"`
}

// Type returns TypeVendor.
func (*SetPacketInFormat) Type() Type { return TypeVendor }

// AppendBody implements Message.
func (m *SetPacketInFormat) AppendBody(dst []byte) ([]byte, error) {
	return be.AppendUint32(appendNiciraHeader(dst, niciraSetPacketInFormat), uint32(m.Format)), nil
}

// DecodeBody implements Message.
func (m *SetPacketInFormat) DecodeBody(body []byte) error {
	b, err := niciraBody(body, niciraSetPacketInFormat)
	if err == nil {
		*m = SetPacketInFormat{PacketInFormat(be.Uint32(b))}
	}
	return err
}

// A SetAsyncConfig chooses the messages that a controller gets unasked: struct nx_async_config of Open vSwitch,
// NXT_SET_ASYNC_CONFIG. Of each pair of masks the first holds while the controller is primary or other, the second
// while it is secondary; bit 1<<r stands for reason r.
type SetAsyncConfig struct {
	PacketIn    [2]uint32 `json:"packet_in"`
	PortStatus  [2]uint32 `json:"port_status"`
	FlowRemoved [2]uint32 `json:"flow_removed"`
}

// Type returns TypeVendor.
func (*SetAsyncConfig) Type() Type { return TypeVendor }

// AppendBody implements Message.
func (m *SetAsyncConfig) AppendBody(dst []byte) ([]byte, error) {
	dst = appendNiciraHeader(dst, niciraSetAsyncConfig)
	for _, masks := range [3][2]uint32{m.PacketIn, m.PortStatus, m.FlowRemoved} {
		dst = be.AppendUint32(be.AppendUint32(dst, masks[0]), masks[1])
	}
	return dst, nil
}

// DecodeBody implements Message.
func (m *SetAsyncConfig) DecodeBody(body []byte) error {
	b, err := niciraBody(body, niciraSetAsyncConfig)
	if err == nil {
		pair := func(at int) [2]uint32 { return [2]uint32{be.Uint32(b[at:]), be.Uint32(b[at+4:])} }
		*m = SetAsyncConfig{pair(0), pair(8), pair(16)}
	}
	return err
}

// A SetControllerID names a connection, so that actions can send packets to it: struct nx_controller_id of Open
// vSwitch, NXT_SET_CONTROLLER_ID.
type SetControllerID struct {
	ID uint16 `json:"controller_id"`

	pad [6]byte
}

// Type returns TypeVendor.
func (*SetControllerID) Type() Type { return TypeVendor }

// AppendBody implements Message.
func (m *SetControllerID) AppendBody(dst []byte) ([]byte, error) {
	return be.AppendUint16(append(appendNiciraHeader(dst, niciraSetControllerID), m.pad[:]...), m.ID), nil
}

// DecodeBody implements Message.
func (m *SetControllerID) DecodeBody(body []byte) error {
	b, err := niciraBody(body, niciraSetControllerID)
	if err == nil {
		*m = SetControllerID{be.Uint16(b[6:]), [6]byte(b[:6])}
	}
	return err
}
