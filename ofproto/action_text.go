package ofproto

import (
	"fmt"
	"strings"
)

// FormatActions writes a list of actions in ovs-ofctl's syntax, which is "drop" for none. ParseActions reads it back.
func FormatActions(actions []Action) string {
	if len(actions) == 0 {
		return "drop"
	}
	var s strings.Builder
	for i, a := range actions {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(a.String())
	}
	return s.String()
}

// String writes "output:1", or a fictitious port's name alone. MaxLen appears only where it has a meaning:
// "CONTROLLER:65535".
func (a Output) String() string {
	switch {
	case a.Port == PortController:
		return fmt.Sprintf("CONTROLLER:%d", a.MaxLen)
	case a.Port >= PortInPort:
		return a.Port.String()
	}
	return "output:" + a.Port.String()
}

// String writes "mod_vlan_vid:1".
func (a SetVLANVID) String() string { return fmt.Sprintf("mod_vlan_vid:%d", a.VID) }

// String writes "mod_vlan_pcp:1".
func (a SetVLANPCP) String() string { return fmt.Sprintf("mod_vlan_pcp:%d", a.PCP) }

// String writes "strip_vlan".
func (StripVLAN) String() string { return "strip_vlan" }

// String writes "mod_dl_src:" and the address.
func (a SetDLSrc) String() string { return "mod_dl_src:" + a.MAC.String() }

// String writes "mod_dl_dst:" and the address.
func (a SetDLDst) String() string { return "mod_dl_dst:" + a.MAC.String() }

// String writes "mod_nw_src:" and the address.
func (a SetNWSrc) String() string { return "mod_nw_src:" + a.IPv4.String() }

// String writes "mod_nw_dst:" and the address.
func (a SetNWDst) String() string { return "mod_nw_dst:" + a.IPv4.String() }

// String writes "mod_nw_tos:4".
func (a SetNWTOS) String() string { return fmt.Sprintf("mod_nw_tos:%d", a.TOS) }

// String writes "mod_tp_src:1935".
func (a SetTPSrc) String() string { return fmt.Sprintf("mod_tp_src:%d", a.Port) }

// String writes "mod_tp_dst:1935".
func (a SetTPDst) String() string { return fmt.Sprintf("mod_tp_dst:%d", a.Port) }

// String writes "enqueue:1:2", port and queue.
func (a Enqueue) String() string { return fmt.Sprintf("enqueue:%v:%d", a.Port, a.QueueID) }

// String writes ovs-ofctl's text for the simplest of Open vSwitch's actions, "resubmit:3", "note:01.02", and for others
// "vendor(0x00002320,0001...)", which ovs-ofctl does not know but ParseActions does.
func (a VendorAction) String() string {
	if a.Vendor == VendorNicira {
		if text := niciraActionText(a.Data); text != "" {
			return text
		}
	}
	return fmt.Sprintf("vendor(0x%08x,%v)", uint32(a.Vendor), a.Data)
}

// String writes "action(29,0001...)", which ovs-ofctl does not know but ParseActions does.
func (a RawAction) String() string { return fmt.Sprintf("action(%d,%v)", uint16(a.ActionType), a.Data) }
