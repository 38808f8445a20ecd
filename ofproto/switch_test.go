package ofproto

const (
	exampleEth1 = ` 0001 505400000002  65746831 000000000000000000000000  00000010 00000201
		00000208 0000028f 0000028f 00000008 `
	exampleLocal = ` fffe 505400000001  627230 00000000000000000000000000  00000001 00000001
		00000000 00000000 00000000 00000000 `
)

var eth1 = PhyPort{
	No: 1, HWAddr: MAC{0x50, 0x54, 0, 0, 0, 2}, Name: "eth1", Config: PortNoFlood, State: PortSTPForward | PortLinkDown,
	Curr:       Port100MbFD | PortAutoneg,
	Advertised: Port10MbHD | Port10MbFD | Port100MbHD | Port100MbFD | PortCopper | PortAutoneg,
	Supported:  Port10MbHD | Port10MbFD | Port100MbHD | Port100MbFD | PortCopper | PortAutoneg,
	Peer:       Port100MbFD,
}

var switchTests = []messageTest{
	{
		name: "features request",
		wire: "01 05 0008 00000001",
		xid:  1,
		msg:  &FeaturesRequest{},
	},
	{
		name: "features reply",
		wire: `01 06 0080 00000001
			0000505400000001  00000100  02 000000  00000087 00000fff` + exampleEth1 + exampleLocal,
		xid: 1,
		msg: &FeaturesReply{
			DatapathID: 0x505400000001, NBuffers: 256, NTables: 2,
			Capabilities: CanFlowStats | CanTableStats | CanPortStats | CanARPMatchIP, Actions: 0xfff,
			Ports: []PhyPort{eth1, {
				No: PortLocal, HWAddr: MAC{0x50, 0x54, 0, 0, 0, 1}, Name: "br0", Config: PortDown, State: PortLinkDown,
			}},
		},
	},
	{
		name: "features reply without ports",
		wire: "01 06 0020 00000001  ffff000000000001  00000000  ff 000000  ffffffff ffffffff",
		xid:  1,
		msg: &FeaturesReply{
			DatapathID: 0xffff000000000001, NTables: 255, Capabilities: 0xffffffff, Actions: 0xffffffff, Ports: []PhyPort{},
		},
	},
	{
		name: "get config request",
		wire: "01 07 0008 00000001",
		xid:  1,
		msg:  &GetConfigRequest{},
	},
	{
		name: "get config reply",
		wire: "01 08 000c 00000001  0002 0080",
		xid:  1,
		msg:  &GetConfigReply{Flags: FragReassemble, MissSendLen: 128},
	},
	{
		name: "set config",
		wire: "01 09 000c 00000001  0001 ffff",
		xid:  1,
		msg:  &SetConfig{Flags: FragDrop, MissSendLen: 0xffff},
	},
	{
		name: "port status",
		wire: "01 0c 0040 00000000  02 00000000000000" + exampleEth1,
		msg:  &PortStatus{Reason: PortModified, Port: eth1},
	},
	{
		name: "port status with scraps of memory",
		wire: `01 0c 0040 00000000  00 01020304050607
			0003 505400000003  61 00 deadbeef 0000000000000000 0001  00000000 00000000 00000000 00000000 00000000 00000000`,
		msg: &PortStatus{
			Reason: PortAdded,
			Port: PhyPort{
				No: 3, HWAddr: MAC{0x50, 0x54, 0, 0, 0, 3}, Name: "a",
				nameTail: "\xde\xad\xbe\xef\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
			},
			pad: [7]byte{1, 2, 3, 4, 5, 6, 7},
		},
	},
	{
		name: "port mod",
		wire: "01 0f 0020 00000003  0003 505400000001  00000001 00000041 00000020 00000000",
		xid:  3,
		msg: &PortMod{
			Port: 3, HWAddr: MAC{0x50, 0x54, 0, 0, 0, 1}, Config: PortDown, Mask: PortDown | PortNoPacketIn, Advertise: Port1GbFD,
		},
	},
	{
		name: "barrier request",
		wire: "01 12 0008 00000001",
		xid:  1,
		msg:  &BarrierRequest{},
	},
	{
		name: "barrier reply",
		wire: "01 13 0008 00000001",
		xid:  1,
		msg:  &BarrierReply{},
	},
	{
		name: "queue get config request",
		wire: "01 14 000c 00000001  0002 0000",
		xid:  1,
		msg:  &QueueGetConfigRequest{Port: 2},
	},
	{
		name: "queue get config reply",
		wire: `01 15 0050 12345678  fffe 000000000000
			00000001 0018 0000  0001 0010 00000000  0005 000000000000
			00000002 0020 0000  0000 0008 00000000  0007 0010 00000000  0102030405060708
			00000003 0008 0000`,
		xid: 0x12345678,
		msg: &QueueGetConfigReply{Port: PortLocal, Queues: []PacketQueue{
			{ID: 1, Properties: []QueueProperty{{Type: QueueMinRate, Rate: 5}}},
			{ID: 2, Properties: []QueueProperty{{Type: QueueNone}, {Type: 7, Data: Bytes{1, 2, 3, 4, 5, 6, 7, 8}}}},
			{ID: 3, Properties: []QueueProperty{}},
		}},
	},
}
