package ofproto

var symmetricTests = []messageTest{
	{
		name: "hello",
		wire: "01 00 0008 00000001",
		xid:  1,
		msg:  &Hello{Version: 1, Body: Bytes{}},
	},
	{
		name: "hello of OpenFlow 1.3 with a version bitmap",
		wire: "04 00 0010 0000002a  0001 0008 00000012",
		xid:  42,
		msg:  &Hello{Version: 4, Body: Bytes{0, 1, 0, 8, 0, 0, 0, 0x12}},
	},
	{
		name: "hello failed",
		wire: "01 01 0014 00000007  0000 0000  6e6f 2076 6572 7369", // "no versi"
		xid:  7,
		msg:  &Error{ErrType: HelloFailed, Code: HelloIncompatible, Data: Bytes("no versi")},
	},
	{
		name: "flow mod failed",
		wire: "01 01 0014 00000009  0003 0000  010e 0050 0000 0009",
		xid:  9,
		msg:  &Error{ErrType: FlowModFailed, Code: FlowModAllTablesFull, Data: Bytes{1, 14, 0, 80, 0, 0, 0, 9}},
	},
	{
		name: "error of an unknown class",
		wire: "01 01 000c 00000009  fffe 1234",
		xid:  9,
		msg:  &Error{ErrType: 0xfffe, Code: 0x1234, Data: Bytes{}},
	},
	{
		name: "echo request",
		wire: "01 02 000d ffffffff  25 35 54 1a 9d",
		xid:  0xffffffff,
		msg:  &EchoRequest{Data: Bytes{0x25, 0x35, 0x54, 0x1a, 0x9d}},
	},
	{
		name: "echo reply",
		wire: "01 03 0008 00000000",
		msg:  &EchoReply{Data: Bytes{}},
	},
	{
		name: "vendor",
		wire: "01 04 0010 00000001  005c16c7 00000003", // Big Switch
		xid:  1,
		msg:  &Vendor{Vendor: 0x005c16c7, Data: Bytes{0, 0, 0, 3}},
	},
	{
		name: "vendor without data",
		wire: "01 04 000c 00000001  00001234",
		xid:  1,
		msg:  &Vendor{Vendor: 0x1234, Data: Bytes{}},
	},
	{
		name: "unknown type",
		wire: "01 c8 000b 00000001  010203",
		xid:  1,
		msg:  &Raw{MessageType: 200, Body: Bytes{1, 2, 3}},
	},
}

var niciraTests = []messageTest{
	{
		name: "role request",
		wire: "01 04 0014 00000002  00002320 0000000a  00000001",
		xid:  2,
		msg:  &RoleRequest{RolePrimary},
	},
	{
		name: "role reply",
		wire: "01 04 0014 00000002  00002320 0000000b  00000002",
		xid:  2,
		msg:  &RoleReply{RoleSecondary},
	},
	{
		name: "set flow format",
		wire: "01 04 0014 00000002  00002320 0000000c  00000002",
		xid:  2,
		msg:  &SetFlowFormat{FlowFormatNXM},
	},
	{
		name: "flow mod table id",
		wire: "01 04 0018 01020304  00002320 0000000f  01 00000000000000",
		xid:  0x01020304,
		msg:  &FlowModTableID{Set: 1},
	},
	{
		name: "set packet in format",
		wire: "01 04 0014 00000002  00002320 00000010  00000001",
		xid:  2,
		msg:  &SetPacketInFormat{PacketInNXM},
	},
	{
		name: "set async config",
		wire: "01 04 0028 00000000  00002320 00000013  00001005 00001007  00000003 00000007  00000000 00000003",
		msg:  &SetAsyncConfig{PacketIn: [2]uint32{0x1005, 0x1007}, PortStatus: [2]uint32{3, 7}, FlowRemoved: [2]uint32{0, 3}},
	},
	{
		name: "set controller id",
		wire: "01 04 0018 00000003  00002320 00000014  000000000000 007b",
		xid:  3,
		msg:  &SetControllerID{ID: 123},
	},
	{
		name: "set packet in format, padded to 8 bytes",
		wire: "01 04 0018 00000006  00002320 00000010  00000001 00000000",
		xid:  6,
		msg:  &Vendor{Vendor: VendorNicira, Data: Bytes{0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, 0}},
	},
	{
		name: "Nicira message without a type here",
		wire: "01 04 0010 00000003  00002320 00000016", // NXT_FLOW_MONITOR_PAUSED
		xid:  3,
		msg:  &Vendor{Vendor: VendorNicira, Data: Bytes{0, 0, 0, 0x16}},
	},
}
