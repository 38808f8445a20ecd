package ofproto

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestMatchText(t *testing.T) {
	with := func(set func(*Match)) Match {
		m := MatchAll
		set(&m)
		return m
	}
	for _, tt := range []struct {
		text string
		m    Match
	}{
		{"", MatchAll},
		{"in_port=LOCAL", with(func(m *Match) { m.InPort = PortLocal; m.Wildcards &^= WildInPort })},
		{"dl_vlan=0xffff", with(func(m *Match) { m.DLVLAN = VLANNone; m.Wildcards &^= WildDLVLAN })},
		{"dl_vlan=5,dl_vlan_pcp=3", with(func(m *Match) {
			m.DLVLAN, m.DLVLANPCP = 5, 3
			m.Wildcards &^= WildDLVLAN | WildDLVLANPCP
		})},
		{"dl_src=02:00:00:00:00:0a,dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x88cc", with(func(m *Match) {
			m.DLSrc, m.DLDst, m.DLType = MAC{2, 0, 0, 0, 0, 10}, MAC{255, 255, 255, 255, 255, 255}, 0x88cc
			m.Wildcards &^= WildDLSrc | WildDLDst | WildDLType
		})},
		{"ip,nw_src=10.0.0.0/8,nw_dst=10.1.2.3", with(func(m *Match) {
			m.DLType, m.NWSrc, m.NWDst = 0x800, IPv4{10}, IPv4{10, 1, 2, 3}
			m.Wildcards = m.Wildcards.WithNWSrcBits(8).WithNWDstBits(32) &^ WildDLType
		})},
		{"tcp,in_port=1,nw_tos=184,tp_src=1935,tp_dst=0", with(func(m *Match) {
			m.DLType, m.NWProto, m.InPort, m.NWTOS, m.TPSrc = 0x800, 6, 1, 184, 1935
			m.Wildcards &^= WildDLType | WildNWProto | WildInPort | WildNWTOS | WildTPSrc | WildTPDst
		})},
		{"ip,nw_proto=47", with(func(m *Match) {
			m.DLType, m.NWProto = 0x800, 47
			m.Wildcards &^= WildDLType | WildNWProto
		})},
		{"icmp,icmp_type=8,icmp_code=0", with(func(m *Match) {
			m.DLType, m.NWProto, m.TPSrc = 0x800, 1, 8
			m.Wildcards &^= WildDLType | WildNWProto | WildTPSrc | WildTPDst
		})},
		{"arp,arp_spa=10.0.0.1,arp_tpa=10.0.0.0/24,arp_op=2", with(func(m *Match) {
			m.DLType, m.NWProto, m.NWSrc, m.NWDst = 0x806, 2, IPv4{10, 0, 0, 1}, IPv4{10}
			m.Wildcards = m.Wildcards.WithNWSrcBits(32).WithNWDstBits(24) &^ (WildDLType | WildNWProto)
		})},
		{"tcp6,tp_dst=80", with(func(m *Match) {
			m.DLType, m.NWProto, m.TPDst = 0x86dd, 6, 80
			m.Wildcards &^= WildDLType | WildNWProto | WildTPDst
		})},
	} {
		if got := tt.m.String(); got != tt.text {
			t.Errorf("String() = %q, want %q", got, tt.text)
		}
		if got, err := ParseMatch(tt.text); err != nil || got != tt.m {
			t.Errorf("ParseMatch(%q) = %+v, %v; want %+v", tt.text, got, err, tt.m)
		}
	}
}

// Other ways to say the same, those of newer versions of ovs-ofctl among them.
func TestParseMatchSynonyms(t *testing.T) {
	for text, want := range map[string]string{
		"tp_dst=80 tcp":                           "tcp,tp_dst=80",
		" dl_type=0x0800 , nw_proto=17 ":          "udp",
		"udp,udp_src=53,udp_dst=0x35":             "udp,tp_src=53,tp_dst=53",
		"tcp,tcp_src=1,tcp_dst=2":                 "tcp,tp_src=1,tp_dst=2",
		"sctp,sctp_dst=5":                         "sctp,tp_dst=5",
		"ip,ip_src=10.0.0.0/255.255.0.0":          "ip,nw_src=10.0.0.0/16",
		"ip,ip_dst=10.9.9.9/8":                    "ip,nw_dst=10.0.0.0/8",
		"ip,nw_src=0.0.0.0/0":                     "ip",
		"ip,ip_dscp=46,ip_proto=6":                "tcp,nw_tos=184",
		"eth_src=2:0:0:0:0:1,eth_dst=2:0:0:0:0:2": "dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02",
		"arp,nw_src=1.2.3.4,nw_proto=1":           "arp,arp_spa=1.2.3.4,arp_op=1",
		"vlan_tci=0x0000":                         "dl_vlan=0xffff",
		"vlan_tci=0x0000/0x1fff":                  "dl_vlan=0xffff",
		"vlan_tci=0x7005":                         "dl_vlan=5,dl_vlan_pcp=3",
		"vlan_vid=5,vlan_pcp=3,eth_type=0x88cc":   "dl_vlan=5,dl_vlan_pcp=3,dl_type=0x88cc",
		"dl_vlan=65535":                           "dl_vlan=0xffff",
		"in_port=local":                           "in_port=LOCAL",
		"icmp6,icmpv6_type=135,icmpv6_code=0":     "icmp6,icmp_type=135,icmp_code=0",
	} {
		m, err := ParseMatch(text)
		if err != nil || m.String() != want {
			t.Errorf("ParseMatch(%q) = %v, %v; want %v", text, m, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"tpc", "tcp=1", "in_port", "in_port=", "in_port=65536", "in_port=eth0", "dl_src=02:00:00:00:00", "dl_src=02:00:00:00:00:00:00",
		"dl_src=020000000000", "dl_src=2::0:0:0:1", "dl_src=200:0:0:0:0:1", "dl_vlan=4096", "dl_vlan_pcp=8", "dl_vlan=0xffff,dl_vlan_pcp=0", "nw_tos=3", "nw_tos=256", "ip_dscp=64",
		"nw_src=10.0.0", "nw_src=10.0.0.0/33", "nw_src=10.0.0.0/255.0.255.0", "nw_src=::1", "tp_dst=65536", "tp_dst=-1", "tp_dst=http",
		"icmp_type=256", "vlan_tci=0x0005", "nw_proto=256", "dl_type=0x10000",
	} {
		if m, err := ParseMatch(text); err == nil {
			t.Errorf("ParseMatch(%q) = %v", text, m)
		}
		if f, err := ParseFlow(text + ",actions=drop"); err == nil {
			t.Errorf("ParseFlow(%q) = %v", text, f)
		}
	}
	for _, text := range []string{
		"", "drop,output:1", "output:", "output:65536", "output:1:5", "eth0", "mod_vlan_vid:4096", "mod_vlan_pcp:8", "mod_dl_src:1",
		"mod_nw_dst:10.0.0", "mod_nw_tos:1", "mod_tp_src:65536", "enqueue:1", "enqueue:1:x", "CONTROLLER:65536", "resubmit(1,256)", "resubmit(1", "resubmit:", "set_queue:x", "fin_timeout(idle_timeout=65536)", "fin_timeout(idle=1)", "set_tunnel:-1", "note:1",
		"vendor(1,0)", "vendor(1,00)", "vendor(1", "action(0,00000000)", "action(65535,00000000)", "action(99,00)",
	} {
		if a, err := ParseActions(text); err == nil {
			t.Errorf("ParseActions(%q) = %v", text, a)
		}
	}
	for _, text := range []string{"tcp", "priority=65536,actions=drop", "table=1,actions=drop", "cookie=x,actions=drop", "idle_timeout=-1,actions=drop", "out_port=x,actions=drop", "send_flow_rem=1,actions=drop"} {
		if f, err := ParseFlow(text); err == nil {
			t.Errorf("ParseFlow(%q) = %v", text, f)
		}
	}
}

func TestFlowText(t *testing.T) {
	for _, tt := range []struct {
		text string
		flow FlowMod
	}{
		{
			"cookie=0xfc7000000000001,idle_timeout=180,hard_timeout=3600,send_flow_rem,priority=40000," +
				"tcp,in_port=3,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=49153,tp_dst=1935 " +
				"actions=mod_dl_dst:02:00:00:00:00:03,mod_nw_dst:10.0.0.3,output:2,IN_PORT",
			FlowMod{
				Match: connection, Cookie: 0xfc7000000000001, IdleTimeout: 180, HardTimeout: 3600, Priority: 40000,
				BufferID: NoBuffer, OutPort: PortNone, Flags: SendFlowRem,
				Actions: []Action{SetDLDst{MAC: MAC{2, 0, 0, 0, 0, 3}}, SetNWDst{IPv4{10, 0, 0, 3}}, Output{Port: 2}, Output{Port: PortInPort}},
			},
		},
		{
			"actions=drop",
			FlowMod{Match: MatchAll, Priority: DefaultPriority, BufferID: NoBuffer, OutPort: PortNone},
		},
		{
			"priority=0 actions=CONTROLLER:65535",
			FlowMod{Match: MatchAll, BufferID: NoBuffer, OutPort: PortNone, Actions: []Action{Output{PortController, 0xffff}}},
		},
		{
			"delete cookie=0x1,out_port=3",
			FlowMod{Match: MatchAll, Cookie: 1, Command: FlowDelete, Priority: DefaultPriority, BufferID: NoBuffer, OutPort: 3},
		},
		{
			"delete_strict priority=7,dl_vlan=9",
			FlowMod{
				Match:   Match{Wildcards: WildAll &^ WildDLVLAN, DLVLAN: 9},
				Command: FlowDeleteStrict, Priority: 7, BufferID: NoBuffer, OutPort: PortNone,
			},
		},
		{
			"delete ",
			FlowMod{Match: MatchAll, Command: FlowDelete, Priority: DefaultPriority, BufferID: NoBuffer, OutPort: PortNone},
		},
		{
			"modify_strict check_overlap,emergency actions=strip_vlan,mod_vlan_vid:5,mod_vlan_pcp:6,mod_dl_src:02:00:00:00:00:04," +
				"mod_nw_src:10.0.0.4,mod_nw_tos:184,mod_tp_src:1,mod_tp_dst:2,enqueue:1:2,NORMAL,FLOOD,ALL,LOCAL,TABLE,NONE," +
				"output:65280,dec_ttl,vendor(0x00002320,0012000000000001),vendor(0x00001234,),action(29,01020304)",
			FlowMod{
				Match: MatchAll, Command: FlowModifyStrict, Priority: DefaultPriority, BufferID: NoBuffer, OutPort: PortNone,
				Flags: CheckOverlap | Emergency,
				Actions: []Action{
					StripVLAN{}, SetVLANVID{VID: 5}, SetVLANPCP{PCP: 6}, SetDLSrc{MAC: MAC{2, 0, 0, 0, 0, 4}}, SetNWSrc{IPv4{10, 0, 0, 4}},
					SetNWTOS{TOS: 184}, SetTPSrc{Port: 1}, SetTPDst{Port: 2}, Enqueue{Port: 1, QueueID: 2}, Output{Port: PortNormal},
					Output{Port: PortFlood}, Output{Port: PortAll}, Output{Port: PortLocal}, Output{Port: PortTable}, Output{Port: PortNone},
					Output{Port: PortMax}, VendorAction{VendorNicira, Bytes{0, 0x12, 0, 0, 0, 0, 0, 0}},
					VendorAction{VendorNicira, Bytes{0, 0x12, 0, 0, 0, 0, 0, 1}}, VendorAction{Vendor: 0x1234}, RawAction{29, Bytes{1, 2, 3, 4}},
				},
			},
		},
	} {
		if got := tt.flow.String(); got != tt.text {
			t.Errorf("String() = %q\nwant %q", got, tt.text)
		}
		if got, err := ParseFlow(tt.text); err != nil || !reflect.DeepEqual(*got, tt.flow) {
			t.Errorf("ParseFlow(%q) = %+v, %v\nwant %+v", tt.text, got, err, tt.flow)
		}
	}
}

// Open vSwitch's actions with a text, and that text's bytes as ovs-ofctl encodes them.
func TestNiciraActionText(t *testing.T) {
	for text, wire := range map[string]string{
		"resubmit:5":                                  "ffff 0010 00002320 0001 0005 00000000",
		"resubmit(10,5)":                              "ffff 0010 00002320 000e 000a 05 000000",
		"set_tunnel:0x12345678":                       "ffff 0010 00002320 0002 0000 12345678",
		"set_tunnel64:0xc426384d49c53d60":             "ffff 0018 00002320 0009 000000000000 c426384d49c53d60",
		"set_queue:2309737729":                        "ffff 0010 00002320 0004 0000 89abcd01",
		"pop_queue":                                   "ffff 0010 00002320 0005 000000000000",
		"note:11.e9.9a.ad.67.f3":                      "ffff 0010 00002320 0008 11e99aad67f3",
		"fin_timeout(idle_timeout=5)":                 "ffff 0010 00002320 0013 0005 0000 0000",
		"fin_timeout(idle_timeout=5,hard_timeout=60)": "ffff 0010 00002320 0013 0005 003c 0000",
		"fin_timeout()":                               "ffff 0010 00002320 0013 0000 0000 0000",
		"exit":                                        "ffff 0010 00002320 0011 000000000000",
		"dec_ttl":                                     "ffff 0010 00002320 0012 000000000000",
	} {
		actions, err := ParseActions(text)
		if err != nil {
			t.Errorf("ParseActions(%q): %v", text, err)
			continue
		}
		if got, want := actions[0].appendTo(nil), unhex(t, wire); !bytes.Equal(got, want) {
			t.Errorf("%s is %x, want %x", text, got, want)
		}
		if got := FormatActions(actions); got != text {
			t.Errorf("%s came back as %s", text, got)
		}
	}
}

// A line of ovs-ofctl dump-flows can be pasted.
func TestParseFlowFromDump(t *testing.T) {
	f, err := ParseFlow(" cookie=0xfeed, duration=0.078s, table=0, n_packets=3, n_bytes=180, idle_timeout=1, idle_age=2, " +
		"priority=5,tcp,in_port=1,vlan_tci=0x0000,nw_src=10.0.0.0/8,tp_dst=1935 actions=mod_nw_dst:10.0.0.3, 3 controller(65535)")
	if err == nil {
		t.Errorf("parsed an action that OpenFlow 1.0 has not: %v", f)
	}
	f, err = ParseFlow(" cookie=0xfeed, duration=0.078s, table=0, n_packets=3, n_bytes=180, idle_timeout=1, idle_age=2, " +
		"priority=5,tcp,in_port=1,vlan_tci=0x0000,nw_src=10.0.0.0/8,tp_dst=1935 actions=mod_nw_dst:10.0.0.3, 3 controller")
	want := "cookie=0xfeed,idle_timeout=1,priority=5,tcp,in_port=1,dl_vlan=0xffff,nw_src=10.0.0.0/8,tp_dst=1935 " +
		"actions=mod_nw_dst:10.0.0.3,output:3,CONTROLLER:65535"
	if err != nil || f.String() != want {
		t.Errorf("got %v, %v\nwant %s", f, err, want)
	}
}

func TestNormalized(t *testing.T) {
	full := Match{
		Wildcards: 0xffffffff, InPort: 1, DLSrc: MAC{1}, DLDst: MAC{1}, DLVLAN: 1, DLVLANPCP: 1, DLType: 1, NWTOS: 1, NWProto: 1,
		NWSrc: IPv4{1}, NWDst: IPv4{1}, TPSrc: 1, TPDst: 1, pad: [3]byte{1, 2, 3},
	}
	if got := full.Normalized(); got != MatchAll {
		t.Errorf("all wildcarded: %+v", got)
	}
	// Open vSwitch sends 32 for no address bits, others 63.
	a, b := full, full
	a.Wildcards, b.Wildcards = 0x003820ff, 0x003fffff
	if a == b || a.Normalized() != b.Normalized() {
		t.Errorf("%+v and %+v differ", a.Normalized(), b.Normalized())
	}
	full.Wildcards = Wildcards(0).WithNWSrcBits(12).WithNWDstBits(31)
	full.NWSrc, full.NWDst = IPv4{10, 255, 255, 255}, IPv4{10, 0, 0, 3}
	want := full
	want.NWSrc, want.NWDst, want.pad = IPv4{10, 240}, IPv4{10, 0, 0, 2}, [3]byte{}
	if got := full.Normalized(); got != want {
		t.Errorf("nothing wildcarded: %+v, want %+v", got, want)
	}
}

func TestWildcardBits(t *testing.T) {
	for bits := -1; bits <= 33; bits++ {
		want := max(0, min(32, bits))
		w := WildAll.WithNWSrcBits(bits)
		if w.NWSrcBits() != want || w.NWDstBits() != 0 || w|WildNWSrc != WildAll {
			t.Errorf("WithNWSrcBits(%d) = %#x", bits, w)
		}
		w = Wildcards(0).WithNWDstBits(bits)
		if w.NWDstBits() != want || w.NWSrcBits() != 32 || w&^WildNWDst != 0 {
			t.Errorf("WithNWDstBits(%d) = %#x", bits, w)
		}
	}
}

// Text from a switch cannot break out of its line.
func TestFormatEscapes(t *testing.T) {
	for _, m := range []Message{
		&PortStatus{Port: PhyPort{Name: "a\nb\x1b[2J"}},
		&StatsReply{Body: DescStats{Manufacturer: "a\nb"}},
		&StatsReply{Body: TableStats{{Name: "a\nb"}}},
		&Error{Data: Bytes("a\nb")},
	} {
		if s := Format(1, m); strings.ContainsAny(s, "\n\x1b") {
			t.Errorf("Format(%T) = %q", m, s)
		}
	}
}
