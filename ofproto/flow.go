package ofproto

import "fmt"

// A FlowModCommand says what a FlowMod does: enum ofp_flow_mod_command, OpenFlow 1.0.0 §5.3.3.
type FlowModCommand uint16

// The commands of a FlowMod (OFPFC_*). The strict ones are for the entry with that very match and priority, the others
// for all entries that the match covers.
const (
	FlowAdd FlowModCommand = iota
	FlowModify
	FlowModifyStrict
	FlowDelete
	FlowDeleteStrict
)

// FlowModFlags are options of a FlowMod: enum ofp_flow_mod_flags, OpenFlow 1.0.0 §5.3.3.
type FlowModFlags uint16

// The bits of FlowModFlags (OFPFF_*).
const (
	SendFlowRem  FlowModFlags = 1 << iota // send a FlowRemoved when the entry expires or is deleted
	CheckOverlap                          // refuse to add an entry that overlaps another of its priority
	Emergency                             // for use only while the switch has no controller
)

// DefaultPriority is the priority of a flow for which none is given (OFP_DEFAULT_PRIORITY).
const DefaultPriority uint16 = 0x8000

// A FlowMod adds, changes or deletes flow entries: struct ofp_flow_mod, OpenFlow 1.0.0 §5.3.3.
//
// The zero Match is exact on zero fields, not a wildcard; start from MatchAll.
type FlowMod struct {
	Match       Match          `json:"match"`
	Cookie      uint64         `json:"cookie,string"` // the controller's own, returned in FlowRemoved and flow statistics
	Command     FlowModCommand `json:"command"`
	IdleTimeout uint16         `json:"idle_timeout"` // seconds without a packet; 0 for never
	HardTimeout uint16         `json:"hard_timeout"` // seconds since it was added; 0 for never
	Priority    uint16         `json:"priority"`     // a Match with no wildcards always ranks highest
	BufferID    uint32         `json:"buffer_id"`    // Invariant: NoBuffer unless it answers a PacketIn
	OutPort     Port           `json:"out_port"`     // deletes only entries that output there; PortNone for all
	Flags       FlowModFlags   `json:"flags"`
	Actions     []Action       `json:"actions"` // none drops packets
}

const flowModLen = 64

// Type returns TypeFlowMod.
func (*FlowMod) Type() Type { return TypeFlowMod }

// AppendBody implements Message. It does not allocate where dst has room.
func (m *FlowMod) AppendBody(dst []byte) ([]byte, error) {
	out := m.Match.appendTo(dst)
	out = be.AppendUint64(out, m.Cookie)
	out = be.AppendUint16(out, uint16(m.Command))
	out = be.AppendUint16(out, m.IdleTimeout)
	out = be.AppendUint16(out, m.HardTimeout)
	out = be.AppendUint16(out, m.Priority)
	out = be.AppendUint32(out, m.BufferID)
	out = be.AppendUint16(out, uint16(m.OutPort))
	out = be.AppendUint16(out, uint16(m.Flags))
	out, err := appendActions(out, m.Actions)
	if err != nil {
		return dst, fmt.Errorf("ofproto: encode FLOW_MOD: %w", err)
	}
	return out, nil
}

// DecodeBody implements Message.
func (m *FlowMod) DecodeBody(body []byte) error {
	if err := atLeast(TypeFlowMod, body, flowModLen); err != nil {
		return err
	}
	actions, err := actionsAt(TypeFlowMod, body, flowModLen, len(body))
	if err != nil {
		return err
	}
	*m = FlowMod{
		Match:       matchAt(body),
		Cookie:      be.Uint64(body[40:]),
		Command:     FlowModCommand(be.Uint16(body[48:])),
		IdleTimeout: be.Uint16(body[50:]),
		HardTimeout: be.Uint16(body[52:]),
		Priority:    be.Uint16(body[54:]),
		BufferID:    be.Uint32(body[56:]),
		OutPort:     Port(be.Uint16(body[60:])),
		Flags:       FlowModFlags(be.Uint16(body[62:])),
		Actions:     actions,
	}
	return nil
}

// A FlowRemovedReason says why a flow entry is gone: enum ofp_flow_removed_reason, OpenFlow 1.0.0 §5.4.2.
type FlowRemovedReason uint8

// The reasons of a FlowRemoved (OFPRR_*).
const (
	RemovedIdle FlowRemovedReason = iota // idle timeout
	RemovedHard                          // hard timeout
	RemovedDelete
)

// A FlowRemoved reports that a flow entry added with SendFlowRem is gone: struct ofp_flow_removed, OpenFlow 1.0.0 §5.4.2.
type FlowRemoved struct {
	Match        Match             `json:"match"`
	Cookie       uint64            `json:"cookie,string"`
	Priority     uint16            `json:"priority"`
	Reason       FlowRemovedReason `json:"reason"`
	DurationSec  uint32            `json:"duration_sec"` // it lived so many seconds
	DurationNsec uint32            `json:"duration_nsec"`
	IdleTimeout  uint16            `json:"idle_timeout"`
	PacketCount  uint64            `json:"packet_count"`
	ByteCount    uint64            `json:"byte_count"`

	pad [3]byte // one byte behind Reason, two behind IdleTimeout
}

const flowRemovedLen = 80

// Type returns TypeFlowRemoved.
func (*FlowRemoved) Type() Type { return TypeFlowRemoved }

// AppendBody implements Message.
func (m *FlowRemoved) AppendBody(dst []byte) ([]byte, error) {
	dst = m.Match.appendTo(dst)
	dst = be.AppendUint64(dst, m.Cookie)
	dst = be.AppendUint16(dst, m.Priority)
	dst = append(dst, byte(m.Reason), m.pad[0])
	dst = be.AppendUint32(dst, m.DurationSec)
	dst = be.AppendUint32(dst, m.DurationNsec)
	dst = be.AppendUint16(dst, m.IdleTimeout)
	dst = append(dst, m.pad[1], m.pad[2])
	dst = be.AppendUint64(dst, m.PacketCount)
	return be.AppendUint64(dst, m.ByteCount), nil
}

// DecodeBody implements Message.
func (m *FlowRemoved) DecodeBody(body []byte) error {
	if err := exactly(TypeFlowRemoved, body, flowRemovedLen); err != nil {
		return err
	}
	*m = FlowRemoved{
		Match:        matchAt(body),
		Cookie:       be.Uint64(body[40:]),
		Priority:     be.Uint16(body[48:]),
		Reason:       FlowRemovedReason(body[50]),
		DurationSec:  be.Uint32(body[52:]),
		DurationNsec: be.Uint32(body[56:]),
		IdleTimeout:  be.Uint16(body[60:]),
		PacketCount:  be.Uint64(body[64:]),
		ByteCount:    be.Uint64(body[72:]),
		pad:          [3]byte{body[51], body[62], body[63]},
	}
	return nil
}
