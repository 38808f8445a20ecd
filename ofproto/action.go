package ofproto

import "fmt"

// An ActionType says what an action does: enum ofp_action_type, OpenFlow 1.0.0 §5.2.4.
type ActionType uint16

// The action types (OFPAT_*).
const (
	ActionOutput ActionType = iota
	ActionSetVLANVID
	ActionSetVLANPCP
	ActionStripVLAN
	ActionSetDLSrc
	ActionSetDLDst
	ActionSetNWSrc
	ActionSetNWDst
	ActionSetNWTOS
	ActionSetTPSrc
	ActionSetTPDst
	ActionEnqueue
	ActionVendor ActionType = 0xffff
)

// An Action is one step of what happens to a packet. The implementations are the value types of this package; all but
// VendorAction and RawAction are comparable. String writes ovs-ofctl's syntax.
type Action interface {
	Type() ActionType
	Len() int // encoded, in bytes; a multiple of 8
	String() string

	appendTo(dst []byte) []byte
}

// Output sends the packet out of a port: struct ofp_action_output, OpenFlow 1.0.0 §5.2.4.
type Output struct {
	Port   Port
	MaxLen uint16 // bytes for the controller, if Port is PortController
}

// SetVLANVID sets the VLAN id, adding a tag if there is none: struct ofp_action_vlan_vid, OpenFlow 1.0.0 §5.2.4.
type SetVLANVID struct {
	VID uint16 // 12 bits

	pad [2]byte
}

// SetVLANPCP sets the VLAN priority, adding a tag if there is none: struct ofp_action_vlan_pcp, OpenFlow 1.0.0 §5.2.4.
type SetVLANPCP struct {
	PCP uint8 // 3 bits

	pad [3]byte
}

// StripVLAN removes the VLAN tag: struct ofp_action_header alone, OpenFlow 1.0.0 §5.2.4.
type StripVLAN struct {
	pad [4]byte
}

// SetDLSrc sets the Ethernet source: struct ofp_action_dl_addr, OpenFlow 1.0.0 §5.2.4.
type SetDLSrc struct {
	MAC MAC

	pad [6]byte
}

// SetDLDst sets the Ethernet destination: struct ofp_action_dl_addr, OpenFlow 1.0.0 §5.2.4.
type SetDLDst struct {
	MAC MAC

	pad [6]byte
}

// SetNWSrc sets the IPv4 source and the checksums over it: struct ofp_action_nw_addr, OpenFlow 1.0.0 §5.2.4.
type SetNWSrc struct {
	IPv4 IPv4
}

// SetNWDst sets the IPv4 destination and the checksums over it: struct ofp_action_nw_addr, OpenFlow 1.0.0 §5.2.4.
type SetNWDst struct {
	IPv4 IPv4
}

// SetNWTOS sets the DSCP: struct ofp_action_nw_tos, OpenFlow 1.0.0 §5.2.4.
type SetNWTOS struct {
	TOS uint8 // DSCP in the high six bits

	pad [3]byte
}

// SetTPSrc sets the TCP or UDP source port: struct ofp_action_tp_port, OpenFlow 1.0.0 §5.2.4.
type SetTPSrc struct {
	Port uint16

	pad [2]byte
}

// SetTPDst sets the TCP or UDP destination port: struct ofp_action_tp_port, OpenFlow 1.0.0 §5.2.4.
type SetTPDst struct {
	Port uint16

	pad [2]byte
}

// Enqueue sends the packet through a queue of a port: struct ofp_action_enqueue, OpenFlow 1.0.0 §5.2.4.
type Enqueue struct {
	Port    Port // a physical port or PortInPort
	QueueID uint32

	pad [6]byte
}

// VendorAction is an extension's action that has no type here: struct ofp_action_vendor_header, OpenFlow 1.0.0 §5.2.4.
type VendorAction struct {
	Vendor VendorID
	Data   Bytes // as long as a multiple of 8; encoding pads it with zeros to that
}

// RawAction is an action of a type that OpenFlow 1.0 does not define.
type RawAction struct {
	ActionType ActionType
	Data       Bytes // what follows type and length: 4 bytes more than a multiple of 8; encoding pads it to that
}

// Type implements Action.
func (Output) Type() ActionType       { return ActionOutput }
func (SetVLANVID) Type() ActionType   { return ActionSetVLANVID }
func (SetVLANPCP) Type() ActionType   { return ActionSetVLANPCP }
func (StripVLAN) Type() ActionType    { return ActionStripVLAN }
func (SetDLSrc) Type() ActionType     { return ActionSetDLSrc }
func (SetDLDst) Type() ActionType     { return ActionSetDLDst }
func (SetNWSrc) Type() ActionType     { return ActionSetNWSrc }
func (SetNWDst) Type() ActionType     { return ActionSetNWDst }
func (SetNWTOS) Type() ActionType     { return ActionSetNWTOS }
func (SetTPSrc) Type() ActionType     { return ActionSetTPSrc }
func (SetTPDst) Type() ActionType     { return ActionSetTPDst }
func (Enqueue) Type() ActionType      { return ActionEnqueue }
func (VendorAction) Type() ActionType { return ActionVendor }
func (a RawAction) Type() ActionType  { return a.ActionType }

// Len implements Action.
func (Output) Len() int         { return 8 }
func (SetVLANVID) Len() int     { return 8 }
func (SetVLANPCP) Len() int     { return 8 }
func (StripVLAN) Len() int      { return 8 }
func (SetDLSrc) Len() int       { return 16 }
func (SetDLDst) Len() int       { return 16 }
func (SetNWSrc) Len() int       { return 8 }
func (SetNWDst) Len() int       { return 8 }
func (SetNWTOS) Len() int       { return 8 }
func (SetTPSrc) Len() int       { return 8 }
func (SetTPDst) Len() int       { return 8 }
func (Enqueue) Len() int        { return 16 }
func (a VendorAction) Len() int { return 8 + (len(a.Data)+7)&^7 }
func (a RawAction) Len() int    { return max(8, (4+len(a.Data)+7)&^7) }

func appendActionHeader(dst []byte, t ActionType, n int) []byte {
	return append(dst, byte(t>>8), byte(t), byte(n>>8), byte(n))
}

func (a Output) appendTo(dst []byte) []byte {
	return append(appendActionHeader(dst, ActionOutput, 8), byte(a.Port>>8), byte(a.Port), byte(a.MaxLen>>8), byte(a.MaxLen))
}

func (a SetVLANVID) appendTo(dst []byte) []byte {
	return append(appendActionHeader(dst, ActionSetVLANVID, 8), byte(a.VID>>8), byte(a.VID), a.pad[0], a.pad[1])
}

func (a SetVLANPCP) appendTo(dst []byte) []byte {
	return append(appendActionHeader(dst, ActionSetVLANPCP, 8), a.PCP, a.pad[0], a.pad[1], a.pad[2])
}

func (a StripVLAN) appendTo(dst []byte) []byte {
	return append(appendActionHeader(dst, ActionStripVLAN, 8), a.pad[:]...)
}

func (a SetDLSrc) appendTo(dst []byte) []byte {
	return append(append(appendActionHeader(dst, ActionSetDLSrc, 16), a.MAC[:]...), a.pad[:]...)
}

func (a SetDLDst) appendTo(dst []byte) []byte {
	return append(append(appendActionHeader(dst, ActionSetDLDst, 16), a.MAC[:]...), a.pad[:]...)
}

func (a SetNWSrc) appendTo(dst []byte) []byte {
	return append(appendActionHeader(dst, ActionSetNWSrc, 8), a.IPv4[:]...)
}

func (a SetNWDst) appendTo(dst []byte) []byte {
	return append(appendActionHeader(dst, ActionSetNWDst, 8), a.IPv4[:]...)
}

func (a SetNWTOS) appendTo(dst []byte) []byte {
	return append(appendActionHeader(dst, ActionSetNWTOS, 8), a.TOS, a.pad[0], a.pad[1], a.pad[2])
}

func (a SetTPSrc) appendTo(dst []byte) []byte {
	return append(appendActionHeader(dst, ActionSetTPSrc, 8), byte(a.Port>>8), byte(a.Port), a.pad[0], a.pad[1])
}

func (a SetTPDst) appendTo(dst []byte) []byte {
	return append(appendActionHeader(dst, ActionSetTPDst, 8), byte(a.Port>>8), byte(a.Port), a.pad[0], a.pad[1])
}

func (a Enqueue) appendTo(dst []byte) []byte {
	dst = be.AppendUint16(appendActionHeader(dst, ActionEnqueue, 16), uint16(a.Port))
	return be.AppendUint32(append(dst, a.pad[:]...), a.QueueID)
}

func (a VendorAction) appendTo(dst []byte) []byte {
	n := a.Len()
	dst = be.AppendUint32(appendActionHeader(dst, ActionVendor, n), uint32(a.Vendor))
	return append(append(dst, a.Data...), make([]byte, n-8-len(a.Data))...)
}

func (a RawAction) appendTo(dst []byte) []byte {
	n := a.Len()
	dst = append(appendActionHeader(dst, a.ActionType, n), a.Data...)
	return append(dst, make([]byte, n-4-len(a.Data))...)
}

func appendActions(dst []byte, actions []Action) ([]byte, error) {
	out := dst
	for _, a := range actions {
		if n := a.Len(); n > MaxLen {
			return dst, fmt.Errorf("action of %d bytes: %w", n, ErrTooLong)
		}
		out = a.appendTo(out)
	}
	return out, nil
}

// actionsAt reads the actions in body[from:to] of a message of type t. There is no action in no bytes.
func actionsAt(t Type, body []byte, from, to int) ([]Action, error) {
	var actions []Action
	for at := from; at < to; {
		left := to - at
		if left < 8 {
			return nil, bad(t, at, ErrShort, "%d bytes left of an action", left)
		}
		kind, n := ActionType(be.Uint16(body[at:])), int(be.Uint16(body[at+2:]))
		switch {
		case n < 8:
			return nil, bad(t, at, ErrShort, "action length %d", n)
		case n%8 != 0:
			return nil, bad(t, at, ErrLength, "action length %d, not a multiple of 8", n)
		case n > left:
			return nil, bad(t, at, ErrShort, "action length %d in %d bytes", n, left)
		}
		b := body[at : at+n : at+n]
		if want := actionLen(kind); want != 0 && n != want {
			return nil, bad(t, at, ErrLength, "action length %d, %d expected for type %d", n, want, kind)
		}
		if kind == ActionVendor && VendorID(be.Uint32(b[4:])) == VendorNicira {
			if err := checkNiciraAction(t, at, b); err != nil {
				return nil, err
			}
		}
		actions = append(actions, actionIn(kind, b))
		at += n
	}
	return actions, nil
}

// actionLen returns the only length an action of the type can have, 0 if it can have several.
func actionLen(t ActionType) int {
	switch {
	case t == ActionSetDLSrc, t == ActionSetDLDst, t == ActionEnqueue:
		return 16
	case t < ActionEnqueue:
		return 8
	}
	return 0
}

// actionIn reads one action, which fills b and whose length has been checked.
func actionIn(t ActionType, b []byte) Action {
	switch t {
	case ActionOutput:
		return Output{Port(be.Uint16(b[4:])), be.Uint16(b[6:])}
	case ActionSetVLANVID:
		return SetVLANVID{be.Uint16(b[4:]), [2]byte(b[6:])}
	case ActionSetVLANPCP:
		return SetVLANPCP{b[4], [3]byte(b[5:])}
	case ActionStripVLAN:
		return StripVLAN{[4]byte(b[4:])}
	case ActionSetDLSrc:
		return SetDLSrc{MAC(b[4:10]), [6]byte(b[10:])}
	case ActionSetDLDst:
		return SetDLDst{MAC(b[4:10]), [6]byte(b[10:])}
	case ActionSetNWSrc:
		return SetNWSrc{IPv4(b[4:])}
	case ActionSetNWDst:
		return SetNWDst{IPv4(b[4:])}
	case ActionSetNWTOS:
		return SetNWTOS{b[4], [3]byte(b[5:])}
	case ActionSetTPSrc:
		return SetTPSrc{be.Uint16(b[4:]), [2]byte(b[6:])}
	case ActionSetTPDst:
		return SetTPDst{be.Uint16(b[4:]), [2]byte(b[6:])}
	case ActionEnqueue:
		return Enqueue{Port(be.Uint16(b[4:])), be.Uint32(b[12:]), [6]byte(b[6:])}
	case ActionVendor:
		return vendorAction(VendorID(be.Uint32(b[4:])), b[8:])
	}
	return RawAction{t, b[4:]}
}
