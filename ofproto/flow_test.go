package ofproto

// A TCP connection's match: wildcards, in_port, dl_src, dl_dst, dl_vlan, dl_vlan_pcp, pad, dl_type, nw_tos, nw_proto,
// pad, nw_src, nw_dst, tp_src, tp_dst.
const exampleMatch = ` 0030000e 0003 000000000000 000000000000 0000 00 00 0800 00 06 0000 0a000001 0a000002 c001 078f `

var connection = Match{
	Wildcards: WildDLVLAN | WildDLSrc | WildDLDst | WildDLVLANPCP | WildNWTOS,
	InPort:    3, DLType: 0x0800, NWProto: 6, NWSrc: IPv4{10, 0, 0, 1}, NWDst: IPv4{10, 0, 0, 2}, TPSrc: 0xc001, TPDst: 1935,
}

var flowTests = []messageTest{
	{
		name: "packet in",
		wire: "01 0a 0020 00000000  00000111 003c 0003 00 00  505400000006 505400000005 0800",
		msg: &PacketIn{
			BufferID: 0x111, TotalLen: 60, InPort: 3, Reason: ReasonNoMatch,
			Data: Bytes{0x50, 0x54, 0, 0, 0, 6, 0x50, 0x54, 0, 0, 0, 5, 8, 0},
		},
	},
	{
		name: "packet in without data",
		wire: "01 0a 0012 00000000  ffffffff 0000 fffe 01 ee",
		msg:  &PacketIn{BufferID: NoBuffer, InPort: PortLocal, Reason: ReasonAction, Data: Bytes{}, pad: 0xee},
	},
	{
		name: "flow removed",
		wire: `01 0b 0058 00000000` + exampleMatch + `0fc7000000000001  9c40 01 00  00000005 30e03500  00b4 0000
			0000000000000001 000000000000003c`,
		msg: &FlowRemoved{
			Match: connection, Cookie: 0x0fc7000000000001, Priority: 40000, Reason: RemovedHard,
			DurationSec: 5, DurationNsec: 820000000, IdleTimeout: 180, PacketCount: 1, ByteCount: 60,
		},
	},
	{
		name: "packet out",
		wire: "01 0d 0023 12345678  abcdef01 fffe 0010  0000 0008 0001 0000  0000 0008 fffd ffff  616263",
		xid:  0x12345678,
		msg: &PacketOut{
			BufferID: 0xabcdef01, InPort: PortLocal, Actions: []Action{Output{Port: 1}, Output{PortController, 0xffff}},
			Data: Bytes("abc"),
		},
	},
	{
		name: "packet out that drops",
		wire: "01 0d 0010 00000001  00000007 ffff 0000",
		xid:  1,
		msg:  &PacketOut{BufferID: 7, InPort: PortNone, Data: Bytes{}},
	},
	{
		name: "flow mod with every action",
		wire: `01 0e 00f8 00000001` + exampleMatch + `0fc7000000000001  0000 00b4 0e10 9c40  ffffffff ffff 0003
			0000 0008 0002 0080
			0001 0008 0fff 0000
			0002 0008 07 000000
			0003 0008 00000000
			0004 0010 020000000001 000000000000
			0005 0010 020000000002 000000000000
			0006 0008 0a000003
			0007 0008 0a000004
			0008 0008 b8 000000
			0009 0008 078f 0000
			000a 0008 0050 0000
			000b 0010 0002 000000000000 00000007
			ffff 0010 00002320 0012 000000000000
			ffff 0010 00002320 0013 0005 003c 0000
			ffff 0010 00002320 0013 0005 003c 0001
			001d 0008 01020304`,
		xid: 1,
		msg: &FlowMod{
			Match: connection, Cookie: 0x0fc7000000000001, Command: FlowAdd, IdleTimeout: 180, HardTimeout: 3600,
			Priority: 40000, BufferID: NoBuffer, OutPort: PortNone, Flags: SendFlowRem | CheckOverlap,
			Actions: []Action{
				Output{Port: 2, MaxLen: 128},
				SetVLANVID{VID: 0xfff},
				SetVLANPCP{PCP: 7},
				StripVLAN{},
				SetDLSrc{MAC: MAC{2, 0, 0, 0, 0, 1}},
				SetDLDst{MAC: MAC{2, 0, 0, 0, 0, 2}},
				SetNWSrc{IPv4{10, 0, 0, 3}},
				SetNWDst{IPv4{10, 0, 0, 4}},
				SetNWTOS{TOS: 0xb8},
				SetTPSrc{Port: 1935},
				SetTPDst{Port: 80},
				Enqueue{Port: 2, QueueID: 7},
				VendorAction{VendorNicira, Bytes{0, 0x12, 0, 0, 0, 0, 0, 0}},
				FinTimeout{Idle: 5, Hard: 60},
				VendorAction{VendorNicira, Bytes{0, 0x13, 0, 5, 0, 60, 0, 1}}, // padding that is not zero is kept
				RawAction{29, Bytes{1, 2, 3, 4}},
			},
		},
	},
	{
		name: "flow mod that deletes everything",
		wire: `01 0e 0048 00000001
			003fffff 0000 000000000000 000000000000 0000 00 00 0000 00 00 0000 00000000 00000000 0000 0000
			0000000000000000  0003 0000 0000 8000  ffffffff ffff 0000`,
		xid: 1,
		msg: &FlowMod{Match: MatchAll, Command: FlowDelete, Priority: DefaultPriority, BufferID: NoBuffer, OutPort: PortNone},
	},
	{
		name: "flow mod with reserved bits and full padding",
		wire: `01 0e 0058 00000001
			ffc00000 0001 020000000001 020000000002 0005 03 a1 0800 b9 11 a2a3 0a000001 0a000002 0035 1388
			ffffffffffffffff  ffff ffff ffff ffff  00000001 0000 fff8
			0001 0008 f005 a4a5  0003 0008 a6a7a8a9`,
		xid: 1,
		msg: &FlowMod{
			Match: Match{
				Wildcards: 0xffc00000, InPort: 1, DLSrc: MAC{2, 0, 0, 0, 0, 1}, DLDst: MAC{2, 0, 0, 0, 0, 2},
				DLVLAN: 5, DLVLANPCP: 3, DLType: 0x800, NWTOS: 0xb9, NWProto: 17, NWSrc: IPv4{10, 0, 0, 1}, NWDst: IPv4{10, 0, 0, 2},
				TPSrc: 53, TPDst: 5000, pad: [3]byte{0xa1, 0xa2, 0xa3},
			},
			Cookie: 0xffffffffffffffff, Command: 0xffff, IdleTimeout: 0xffff, HardTimeout: 0xffff, Priority: 0xffff,
			BufferID: 1, OutPort: 0, Flags: 0xfff8,
			Actions: []Action{SetVLANVID{0xf005, [2]byte{0xa4, 0xa5}}, StripVLAN{[4]byte{0xa6, 0xa7, 0xa8, 0xa9}}},
		},
	},
}
