package ofproto

import "strings"

// field spells a fixed-size string.
func field(text string, size int) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	s.WriteByte(' ')
	for i := range size {
		var c byte
		if i < len(text) {
			c = text[i]
		}
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	s.WriteByte(' ')
	return s.String()
}

var statsTests = []messageTest{
	{
		name: "desc request",
		wire: "01 10 000c 00000001  0000 0000",
		xid:  1,
		msg:  &StatsRequest{Body: DescStatsRequest{}},
	},
	{
		name: "flow request",
		wire: `01 10 0038 00000001  0001 0000` + exampleMatch + `ff 00 ffff`,
		xid:  1,
		msg:  &StatsRequest{Body: FlowStatsRequest{Match: connection, TableID: AllTables, OutPort: PortNone}},
	},
	{
		name: "aggregate request",
		wire: `01 10 0038 00000001  0002 0000` + exampleMatch + `01 00 0002`,
		xid:  1,
		msg:  &StatsRequest{Body: AggregateStatsRequest{Match: connection, TableID: 1, OutPort: 2}},
	},
	{
		name: "table request",
		wire: "01 10 000c 00000001  0003 0000",
		xid:  1,
		msg:  &StatsRequest{Body: TableStatsRequest{}},
	},
	{
		name: "port request",
		wire: "01 10 0014 00000001  0004 0000  ffff 000000000000",
		xid:  1,
		msg:  &StatsRequest{Body: PortStatsRequest{Port: PortNone}},
	},
	{
		name: "queue request",
		wire: "01 10 0014 00000001  0005 0000  fffc 0000 ffffffff",
		xid:  1,
		msg:  &StatsRequest{Body: QueueStatsRequest{Port: PortAll, QueueID: AllQueues}},
	},
	{
		name: "vendor request",
		wire: "01 10 0014 00000001  ffff 0000  00001234 01020304",
		xid:  1,
		msg:  &StatsRequest{Body: VendorStats{0x1234, Bytes{1, 2, 3, 4}}},
	},
	{
		name: "unknown request with unknown flags",
		wire: "01 10 000e 00000001  0063 8001  0102",
		xid:  1,
		msg:  &StatsRequest{Flags: 0x8001, Body: RawStats{0x63, Bytes{1, 2}}},
	},
	{
		name: "desc reply",
		wire: "01 11 042c 00000001  0000 0000" + field("Nicira, Inc.", 256) + field("Open vSwitch", 256) +
			field("3.1.0", 256) + field("None\x00scrap", 32) + field(strings.Repeat("d", 256), 256),
		xid: 1,
		msg: &StatsReply{Body: DescStats{
			Manufacturer: "Nicira, Inc.", Hardware: "Open vSwitch", Software: "3.1.0", SerialNumber: "None",
			Datapath: strings.Repeat("d", 256),
			tails:    [5]string{3: "scrap" + strings.Repeat("\x00", 22)},
		}},
	},
	{
		name: "flow reply, more to come",
		wire: `01 11 00cc 00000001  0001 0001
			0068 00 00` + exampleMatch + `00000004 0bebc200  9c40 00b4 0000 000000000000  0fc7000000000001
			0000000000000001 000000000000003c  0005 0010 020000000002 000000000000
			0058 02 b1` + exampleMatch + `00000009 00000001  8000 0000 0e10 b2b3b4b5b6b7  0000000000000000
			ffffffffffffffff ffffffffffffffff`,
		xid: 1,
		msg: &StatsReply{Flags: StatsMore, Body: FlowStats{
			{
				Match: connection, DurationSec: 4, DurationNsec: 200000000, Priority: 40000, IdleTimeout: 180,
				Cookie: 0x0fc7000000000001, PacketCount: 1, ByteCount: 60,
				Actions: []Action{SetDLDst{MAC: MAC{2, 0, 0, 0, 0, 2}}},
			},
			{
				TableID: 2, Match: connection, DurationSec: 9, DurationNsec: 1, Priority: 0x8000, HardTimeout: 3600,
				PacketCount: 1<<64 - 1, ByteCount: 1<<64 - 1, pad: [7]byte{0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7},
			},
		}},
	},
	{
		name: "flow reply of an empty table",
		wire: "01 11 000c 00000001  0001 0000",
		xid:  1,
		msg:  &StatsReply{Body: FlowStats{}},
	},
	{
		name: "aggregate reply",
		wire: "01 11 0024 00000001  0002 0000  0000000000000001 0000000000000002 00000003 00000000",
		xid:  1,
		msg:  &StatsReply{Body: AggregateStats{PacketCount: 1, ByteCount: 2, FlowCount: 3}},
	},
	{
		name: "table reply",
		wire: `01 11 004c 00000001  0003 0000
			01 000000` + field("classifier", 32) + `003fffff 000f4240 00000005 0000000000000007 0000000000000006`,
		xid: 1,
		msg: &StatsReply{Body: TableStats{{
			TableID: 1, Name: "classifier", Wildcards: WildAll, MaxEntries: 1000000, ActiveCount: 5, LookupCount: 7, MatchedCount: 6,
		}}},
	},
	{
		name: "port reply",
		wire: `01 11 0074 00000001  0004 0000
			0002 000000000000  0000000000000001 0000000000000002 0000000000000003 0000000000000004
			0000000000000005 0000000000000006 0000000000000007 0000000000000008
			0000000000000009 000000000000000a 000000000000000b ffffffffffffffff`,
		xid: 1,
		msg: &StatsReply{Body: PortStats{{
			Port: 2, RxPackets: 1, TxPackets: 2, RxBytes: 3, TxBytes: 4, RxDropped: 5, TxDropped: 6, RxErrors: 7, TxErrors: 8,
			RxFrameErr: 9, RxOverErr: 10, RxCRCErr: 11, Collisions: 1<<64 - 1,
		}}},
	},
	{
		name: "queue reply",
		wire: `01 11 004c 00000001  0005 0000
			0001 0000 00000007  0000000000000001 0000000000000002 0000000000000003
			0002 c1c2 00000008  0000000000000004 0000000000000005 0000000000000006`,
		xid: 1,
		msg: &StatsReply{Body: QueueStats{
			{Port: 1, QueueID: 7, TxBytes: 1, TxPackets: 2, TxErrors: 3},
			{Port: 2, QueueID: 8, TxBytes: 4, TxPackets: 5, TxErrors: 6, pad: [2]byte{0xc1, 0xc2}},
		}},
	},
	{
		name: "vendor reply",
		wire: "01 11 0018 00000001  ffff 0000  00002320 00000000 00000000",
		xid:  1,
		msg:  &StatsReply{Body: VendorStats{VendorNicira, Bytes{0, 0, 0, 0, 0, 0, 0, 0}}},
	},
	{
		name: "unknown reply",
		wire: "01 11 000c 00000001  0006 0002",
		xid:  1,
		msg:  &StatsReply{Flags: 2, Body: RawStats{6, Bytes{}}},
	},
}
