package ofproto

import (
	"fmt"
	"strconv"
	"strings"
)

// A Port is a port's number, or one of the fictitious ports below: enum ofp_port, OpenFlow 1.0.0 §5.2.1.
type Port uint16

// Port numbers with a meaning of their own (OFPP_*).
const (
	PortMax        Port = 0xff00 // the highest number a physical port may have
	PortInPort     Port = 0xfff8 // output to the port the packet came from, which nothing else does
	PortTable      Port = 0xfff9 // in a PacketOut only: through the flow table
	PortNormal     Port = 0xfffa // as a learning switch would
	PortFlood      Port = 0xfffb // all ports but the one it came from and those without flooding
	PortAll        Port = 0xfffc // all ports but the one it came from
	PortController Port = 0xfffd
	PortLocal      Port = 0xfffe // the switch's own network stack
	PortNone       Port = 0xffff // no port
)

var portNames = [...]string{"IN_PORT", "TABLE", "NORMAL", "FLOOD", "ALL", "CONTROLLER", "LOCAL", "NONE"}

// String returns the number, or the name of a fictitious port: "3", "LOCAL".
func (p Port) String() string {
	if p >= PortInPort {
		return portNames[p-PortInPort]
	}
	return strconv.Itoa(int(p))
}

// MarshalText is String.
func (p Port) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePort.
func (p *Port) UnmarshalText(text []byte) error {
	v, err := ParsePort(string(text))
	if err == nil {
		*p = v
	}
	return err
}

// ParsePort reads a number (also with 0x) or a fictitious port's name in upper or lower case.
func ParsePort(s string) (Port, error) {
	for i, name := range portNames {
		if strings.EqualFold(s, name) {
			return PortInPort + Port(i), nil
		}
	}
	n, err := strconv.ParseUint(s, 0, 16)
	if err != nil {
		return 0, fmt.Errorf("ofproto: port %q: want a number below 65536 or a name such as LOCAL", s)
	}
	return Port(n), nil
}

// PortConfig are the bits an administrator sets on a port: enum ofp_port_config, OpenFlow 1.0.0 §5.2.1.
type PortConfig uint32

// The bits of PortConfig (OFPPC_*).
const (
	PortDown       PortConfig = 1 << iota // administratively down
	PortNoSTP                             // no 802.1D spanning tree on the port
	PortNoRecv                            // drop all but 802.1D packets
	PortNoRecvSTP                         // drop 802.1D packets
	PortNoFlood                           // leave out when flooding
	PortNoFwd                             // drop what would be sent
	PortNoPacketIn                        // send no PacketIn
)

// PortState is what the port itself reports: enum ofp_port_state, OpenFlow 1.0.0 §5.2.1.
type PortState uint32

// The bits of PortState (OFPPS_*). The four spanning tree states share two bits under PortSTPMask.
const (
	PortLinkDown   PortState = 1 << 0
	PortSTPListen  PortState = 0 << 8
	PortSTPLearn   PortState = 1 << 8
	PortSTPForward PortState = 2 << 8
	PortSTPBlock   PortState = 3 << 8
	PortSTPMask    PortState = 3 << 8
)

// PortFeatures are kinds of links: enum ofp_port_features, OpenFlow 1.0.0 §5.2.1.
type PortFeatures uint32

// The bits of PortFeatures (OFPPF_*).
const (
	Port10MbHD PortFeatures = 1 << iota
	Port10MbFD
	Port100MbHD
	Port100MbFD
	Port1GbHD
	Port1GbFD
	Port10GbFD
	PortCopper
	PortFiber
	PortAutoneg
	PortPause
	PortPauseAsym
)

// A PhyPort describes a port: struct ofp_phy_port, OpenFlow 1.0.0 §5.2.1.
type PhyPort struct {
	No         Port         `json:"port_no"`
	HWAddr     MAC          `json:"hw_addr"`
	Name       string       `json:"name"` // at most 16 bytes (15 and a NUL by the specification)
	Config     PortConfig   `json:"config"`
	State      PortState    `json:"state"`
	Curr       PortFeatures `json:"curr"`
	Advertised PortFeatures `json:"advertised"`
	Supported  PortFeatures `json:"supported"`
	Peer       PortFeatures `json:"peer"`

	nameTail string // behind the name's NUL
}

const (
	phyPortLen  = 48
	portNameLen = 16
)

// Up reports whether the port can carry packets: neither taken down by an administrator nor without a link.
func (p *PhyPort) Up() bool { return p.Config&PortDown == 0 && p.State&PortLinkDown == 0 }

func (p *PhyPort) appendTo(dst []byte) ([]byte, error) {
	out := be.AppendUint16(dst, uint16(p.No))
	out = append(out, p.HWAddr[:]...)
	out, err := appendString(out, p.Name, p.nameTail, portNameLen)
	if err != nil {
		return dst, fmt.Errorf("port %v: %w", p.No, err)
	}
	out = be.AppendUint32(out, uint32(p.Config))
	out = be.AppendUint32(out, uint32(p.State))
	out = be.AppendUint32(out, uint32(p.Curr))
	out = be.AppendUint32(out, uint32(p.Advertised))
	out = be.AppendUint32(out, uint32(p.Supported))
	return be.AppendUint32(out, uint32(p.Peer)), nil
}

// phyPort reads the phyPortLen bytes at the start of b.
func phyPort(b []byte) PhyPort {
	p := PhyPort{
		No:         Port(be.Uint16(b)),
		HWAddr:     MAC(b[2:8]),
		Config:     PortConfig(be.Uint32(b[24:])),
		State:      PortState(be.Uint32(b[28:])),
		Curr:       PortFeatures(be.Uint32(b[32:])),
		Advertised: PortFeatures(be.Uint32(b[36:])),
		Supported:  PortFeatures(be.Uint32(b[40:])),
		Peer:       PortFeatures(be.Uint32(b[44:])),
	}
	p.Name, p.nameTail = cutString(b[8:24])
	return p
}

// A PortReason says what happened to a port: enum ofp_port_reason, OpenFlow 1.0.0 §5.4.3.
type PortReason uint8

// The reasons of a PortStatus (OFPPR_*).
const (
	PortAdded PortReason = iota
	PortDeleted
	PortModified
)

// A PortStatus reports a change of a port: struct ofp_port_status, OpenFlow 1.0.0 §5.4.3.
type PortStatus struct {
	Reason PortReason `json:"reason"`
	Port   PhyPort    `json:"port"`

	pad [7]byte
}

// Type returns TypePortStatus.
func (*PortStatus) Type() Type { return TypePortStatus }

// AppendBody implements Message.
func (m *PortStatus) AppendBody(dst []byte) ([]byte, error) {
	out, err := m.Port.appendTo(append(append(dst, byte(m.Reason)), m.pad[:]...))
	if err != nil {
		return dst, fmt.Errorf("ofproto: encode PORT_STATUS: %w", err)
	}
	return out, nil
}

// DecodeBody implements Message.
func (m *PortStatus) DecodeBody(body []byte) error {
	if err := exactly(TypePortStatus, body, 8+phyPortLen); err != nil {
		return err
	}
	*m = PortStatus{Reason: PortReason(body[0]), Port: phyPort(body[8:]), pad: [7]byte(body[1:8])}
	return nil
}

// A PortMod changes the configuration of a physical port: struct ofp_port_mod, OpenFlow 1.0.0 §5.3.3.
type PortMod struct {
	Port      Port         `json:"port_no"`
	HWAddr    MAC          `json:"hw_addr"` // must be the port's own, as a check that the number means the same port still
	Config    PortConfig   `json:"config"`
	Mask      PortConfig   `json:"mask"`      // the bits of Config to change
	Advertise PortFeatures `json:"advertise"` // 0 leaves them as they are

	pad [4]byte
}

const portModLen = 24

// Type returns TypePortMod.
func (*PortMod) Type() Type { return TypePortMod }

// AppendBody implements Message.
func (m *PortMod) AppendBody(dst []byte) ([]byte, error) {
	dst = be.AppendUint16(dst, uint16(m.Port))
	dst = append(dst, m.HWAddr[:]...)
	dst = be.AppendUint32(dst, uint32(m.Config))
	dst = be.AppendUint32(dst, uint32(m.Mask))
	dst = be.AppendUint32(dst, uint32(m.Advertise))
	return append(dst, m.pad[:]...), nil
}

// DecodeBody implements Message.
func (m *PortMod) DecodeBody(body []byte) error {
	if err := exactly(TypePortMod, body, portModLen); err != nil {
		return err
	}
	*m = PortMod{
		Port:      Port(be.Uint16(body)),
		HWAddr:    MAC(body[2:8]),
		Config:    PortConfig(be.Uint32(body[8:])),
		Mask:      PortConfig(be.Uint32(body[12:])),
		Advertise: PortFeatures(be.Uint32(body[16:])),
		pad:       [4]byte(body[20:]),
	}
	return nil
}
