package ofproto

import (
	"fmt"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		v    fmt.Stringer
		want string
	}{
		{DPID(0x505400000001), "0000505400000001"},
		{MAC{0, 0x1b, 0xff, 9, 0xa0, 5}, "00:1b:ff:09:a0:05"},
		{IPv4{192, 168, 0, 1}, "192.168.0.1"},
		{Bytes{0, 0xab}, "00ab"},
		{Port(1), "1"},
		{PortMax, "65280"},
		{PortInPort, "IN_PORT"},
		{PortNone, "NONE"},
		{TypeQueueGetConfigReply, "QUEUE_GET_CONFIG_REPLY"},
		{Type(22), "TYPE_22"},
		{CanFlowStats | CanARPMatchIP, "FLOW_STATS ARP_MATCH_IP"},
		{CanReserved | CanSTP, "STP 0x10"},
		{PortConfig(0), "0"},
		{PortNoPacketIn | PortConfig(1<<31), "NO_PACKET_IN 0x80000000"},
		{PortState(0), "0"},
		{PortSTPBlock, "STP_BLOCK"},
		{PortLinkDown | PortSTPLearn, "LINK_DOWN STP_LEARN"},
		{Port1GbFD | PortPauseAsym, "1GB-FD AUTO_PAUSE_ASYM"},
		{ActionEnqueue, "ENQUEUE"},
		{ActionVendor, "VENDOR"},
		{ActionType(12), "12"},
		{FragReassemble, "reassemble"},
		{ConfigFlags(4), "4"},
		{ReasonAction, "action"},
		{RemovedDelete, "delete"},
		{PortModified, "modify"},
		{RoleSecondary, "secondary"},
		{Role(9), "9"},
		{StatsQueue, "QUEUE"},
		{StatsVendor, "VENDOR"},
		{StatsKind(6), "6"},
		{VendorNicira, "nicira"},
		{VendorID(0x5c16c7), "0x005c16c7"},
		{QueueMinRate, "min_rate"},
		{FlowDeleteStrict, "delete_strict"},
		{FlowModCommand(5), "5"},
		{FlowModFailed, "FLOW_MOD_FAILED"},
		{ErrorType(6), "0x0006"},
	} {
		if got := tt.v.String(); got != tt.want {
			t.Errorf("%T: %q, want %q", tt.v, got, tt.want)
		}
	}
}

// Every type and code of the specification has its name.
func TestErrorReasons(t *testing.T) {
	for _, tt := range []struct {
		typ   ErrorType
		codes uint16
		last  string
	}{
		{HelloFailed, HelloEPerm, "HELLO_FAILED EPERM"},
		{BadRequest, RequestBufferUnknown, "BAD_REQUEST BUFFER_UNKNOWN"},
		{BadAction, ActionBadQueue, "BAD_ACTION BAD_QUEUE"},
		{FlowModFailed, FlowModUnsupported, "FLOW_MOD_FAILED UNSUPPORTED"},
		{PortModFailed, PortModBadHWAddr, "PORT_MOD_FAILED BAD_HW_ADDR"},
		{QueueOpFailed, QueueOpEPerm, "QUEUE_OP_FAILED EPERM"},
	} {
		for code := range tt.codes {
			if r := (&Error{ErrType: tt.typ, Code: code}).Reason(); strings.ContainsAny(r, "0123456789") {
				t.Errorf("code %d of %v has no name", code, tt.typ)
			}
		}
		e := &Error{ErrType: tt.typ, Code: tt.codes}
		if e.Reason() != tt.last || !strings.HasSuffix(e.Error(), tt.last) {
			t.Errorf("%v %d: %q, %v; want %q", tt.typ, tt.codes, e.Reason(), e, tt.last)
		}
		if e.Code++; e.Reason() != fmt.Sprintf("%v %d", tt.typ, e.Code) {
			t.Errorf("unknown code: %q", e.Reason())
		}
	}
}

func TestErrorRequest(t *testing.T) {
	data := unhex(t, "010e 0050 0000 002a ffff")
	for _, tt := range []struct {
		name string
		e    Error
		ok   bool
	}{
		{"flow mod failed", Error{ErrType: FlowModFailed, Data: data}, true},
		{"Open vSwitch's own", Error{ErrType: NiciraError, Data: append(unhex(t, "00002320 0001 0201"), data...)}, true},
		{"a text", Error{ErrType: HelloFailed, Data: Bytes("no common version")}, false},
		{"cut", Error{ErrType: BadRequest, Data: data[:7]}, false},
		{"nothing", Error{ErrType: BadRequest}, false},
	} {
		h, ok := tt.e.Request()
		if ok != tt.ok || ok && (h.Type != TypeFlowMod || h.XID != 42) {
			t.Errorf("%s: %+v, %v", tt.name, h, ok)
		}
	}
}

func TestPhyPortUp(t *testing.T) {
	for _, tt := range []struct {
		p    PhyPort
		want bool
	}{
		{PhyPort{}, true},
		{PhyPort{Config: PortNoFlood, State: PortSTPForward}, true},
		{PhyPort{Config: PortDown}, false},
		{PhyPort{State: PortLinkDown}, false},
	} {
		if got := tt.p.Up(); got != tt.want {
			t.Errorf("%v %v: up %v", tt.p.Config, tt.p.State, got)
		}
	}
}
