package ofproto

import "fmt"

// A FeaturesRequest asks a switch who it is: OFPT_FEATURES_REQUEST, OpenFlow 1.0.0 §5.3.1. It has no body.
type FeaturesRequest struct{}

// Type returns TypeFeaturesRequest.
func (*FeaturesRequest) Type() Type { return TypeFeaturesRequest }

// AppendBody implements Message.
func (*FeaturesRequest) AppendBody(dst []byte) ([]byte, error) { return dst, nil }

// DecodeBody implements Message.
func (*FeaturesRequest) DecodeBody(body []byte) error { return exactly(TypeFeaturesRequest, body, 0) }

// Capabilities are what a switch can do: enum ofp_capabilities, OpenFlow 1.0.0 §5.3.1.
type Capabilities uint32

// The bits of Capabilities (OFPC_*).
const (
	CanFlowStats Capabilities = 1 << iota
	CanTableStats
	CanPortStats
	CanSTP      // 802.1D spanning tree
	CanReserved // reserved, must be zero
	CanIPReassemble
	CanQueueStats
	CanARPMatchIP // matches the addresses inside ARP packets
)

// A FeaturesReply tells who a switch is: struct ofp_switch_features, OpenFlow 1.0.0 §5.3.1.
type FeaturesReply struct {
	DatapathID   DPID         `json:"datapath_id"`
	NBuffers     uint32       `json:"n_buffers"` // packets it can hold for the controller
	NTables      uint8        `json:"n_tables"`
	Capabilities Capabilities `json:"capabilities"`
	Actions      uint32       `json:"actions"` // a bit for each ActionType it knows: 1<<ActionOutput, ...
	Ports        []PhyPort    `json:"ports"`

	pad [3]byte
}

const featuresReplyLen = 24

// Type returns TypeFeaturesReply.
func (*FeaturesReply) Type() Type { return TypeFeaturesReply }

// AppendBody implements Message.
func (m *FeaturesReply) AppendBody(dst []byte) ([]byte, error) {
	out := be.AppendUint64(dst, uint64(m.DatapathID))
	out = be.AppendUint32(out, m.NBuffers)
	out = append(append(out, m.NTables), m.pad[:]...)
	out = be.AppendUint32(out, uint32(m.Capabilities))
	out = be.AppendUint32(out, m.Actions)
	for i := range m.Ports {
		var err error
		if out, err = m.Ports[i].appendTo(out); err != nil {
			return dst, fmt.Errorf("ofproto: encode FEATURES_REPLY: %w", err)
		}
	}
	return out, nil
}

// DecodeBody implements Message.
func (m *FeaturesReply) DecodeBody(body []byte) error {
	if err := atLeast(TypeFeaturesReply, body, featuresReplyLen); err != nil {
		return err
	}
	ports := body[featuresReplyLen:]
	if rest := len(ports) % phyPortLen; rest != 0 {
		return bad(TypeFeaturesReply, len(body)-rest, ErrLength, "%d bytes of ports of %d bytes each", len(ports), phyPortLen)
	}
	*m = FeaturesReply{
		DatapathID:   DPID(be.Uint64(body)),
		NBuffers:     be.Uint32(body[8:]),
		NTables:      body[12],
		Capabilities: Capabilities(be.Uint32(body[16:])),
		Actions:      be.Uint32(body[20:]),
		Ports:        make([]PhyPort, 0, len(ports)/phyPortLen),
		pad:          [3]byte(body[13:16]),
	}
	for ; len(ports) > 0; ports = ports[phyPortLen:] {
		m.Ports = append(m.Ports, phyPort(ports))
	}
	return nil
}

// ConfigFlags say how a switch treats IP fragments: enum ofp_config_flags, OpenFlow 1.0.0 §5.3.2.
type ConfigFlags uint16

// The values of ConfigFlags (OFPC_FRAG_*). Under FragMask they are numbers, not bits.
const (
	FragNormal     ConfigFlags = 0 // no special treatment
	FragDrop       ConfigFlags = 1
	FragReassemble ConfigFlags = 2 // only where the switch CanIPReassemble
	FragMask       ConfigFlags = 3
)

// A GetConfigRequest asks for the switch's configuration: OFPT_GET_CONFIG_REQUEST, OpenFlow 1.0.0 §5.3.2. It has no body.
type GetConfigRequest struct{}

// Type returns TypeGetConfigRequest.
func (*GetConfigRequest) Type() Type { return TypeGetConfigRequest }

// AppendBody implements Message.
func (*GetConfigRequest) AppendBody(dst []byte) ([]byte, error) { return dst, nil }

// DecodeBody implements Message.
func (*GetConfigRequest) DecodeBody(body []byte) error {
	return exactly(TypeGetConfigRequest, body, 0)
}

// A GetConfigReply tells the switch's configuration: struct ofp_switch_config, OpenFlow 1.0.0 §5.3.2.
type GetConfigReply struct {
	Flags       ConfigFlags `json:"flags"`
	MissSendLen uint16      `json:"miss_send_len"` // bytes of a packet that a PacketIn carries
}

const switchConfigLen = 4

// Type returns TypeGetConfigReply.
func (*GetConfigReply) Type() Type { return TypeGetConfigReply }

// AppendBody implements Message.
func (m *GetConfigReply) AppendBody(dst []byte) ([]byte, error) {
	return be.AppendUint16(be.AppendUint16(dst, uint16(m.Flags)), m.MissSendLen), nil
}

// DecodeBody implements Message.
func (m *GetConfigReply) DecodeBody(body []byte) error {
	if err := exactly(TypeGetConfigReply, body, switchConfigLen); err != nil {
		return err
	}
	*m = GetConfigReply{ConfigFlags(be.Uint16(body)), be.Uint16(body[2:])}
	return nil
}

// A SetConfig sets the switch's configuration: struct ofp_switch_config, OpenFlow 1.0.0 §5.3.2. Nothing answers it.
type SetConfig struct {
	Flags       ConfigFlags `json:"flags"`
	MissSendLen uint16      `json:"miss_send_len"` // bytes of a packet that a PacketIn carries; 0xffff for all of it
}

// Type returns TypeSetConfig.
func (*SetConfig) Type() Type { return TypeSetConfig }

// AppendBody implements Message.
func (m *SetConfig) AppendBody(dst []byte) ([]byte, error) {
	return be.AppendUint16(be.AppendUint16(dst, uint16(m.Flags)), m.MissSendLen), nil
}

// DecodeBody implements Message.
func (m *SetConfig) DecodeBody(body []byte) error {
	if err := exactly(TypeSetConfig, body, switchConfigLen); err != nil {
		return err
	}
	*m = SetConfig{ConfigFlags(be.Uint16(body)), be.Uint16(body[2:])}
	return nil
}

// A BarrierRequest asks for a BarrierReply once all earlier messages are processed: OFPT_BARRIER_REQUEST, OpenFlow 1.0.0
// §5.3.7. It has no body.
type BarrierRequest struct{}

// Type returns TypeBarrierRequest.
func (*BarrierRequest) Type() Type { return TypeBarrierRequest }

// AppendBody implements Message.
func (*BarrierRequest) AppendBody(dst []byte) ([]byte, error) { return dst, nil }

// DecodeBody implements Message.
func (*BarrierRequest) DecodeBody(body []byte) error { return exactly(TypeBarrierRequest, body, 0) }

// A BarrierReply answers a BarrierRequest: OFPT_BARRIER_REPLY, OpenFlow 1.0.0 §5.3.7. It has no body.
type BarrierReply struct{}

// Type returns TypeBarrierReply.
func (*BarrierReply) Type() Type { return TypeBarrierReply }

// AppendBody implements Message.
func (*BarrierReply) AppendBody(dst []byte) ([]byte, error) { return dst, nil }

// DecodeBody implements Message.
func (*BarrierReply) DecodeBody(body []byte) error { return exactly(TypeBarrierReply, body, 0) }
