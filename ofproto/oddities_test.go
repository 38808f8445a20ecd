package ofproto

import (
	"bytes"
	"testing"
)

// What switches and libraries send although the specification says otherwise, or does not say: strange content in a
// message whose lengths are right. None of it is refused, and all of it is encoded to the bytes it came in.
func TestDecodeTolerates(t *testing.T) {
	const blanks = "2020202020202020202020202020202020202020202020202020202020202020" // 32
	const match = " 003fffff 00000000000000000000000000000000000000000000000000000000000000000000 0000 "
	tests := []struct {
		name string
		wire string
	}{
		{"hello of a version to come", "40 00 0008 00000000"},
		{"hello with elements that contradict its version", "01 00 0010 00000000 0001 0008 00000000"},
		{"echo of an odd length", "01 02 0009 00000000 ff"},
		{"error with part of a header", "01 01 0010 00000001 0001 0006 010e 0050"},
		{"error that quotes another version", "01 01 0014 00000001 0001 0000 0402 0008 00000001"},
		{"vendor message of the vendor alone", "01 04 000c 00000020 005c16c7"},
		{"vendor message of an odd length", "01 04 001e 00000020 005c16c7 00000006 00000000 73686f7720636c6f636b"},
		{"port with unknown bits everywhere", "01 0c 0040 00000000 09 01020304050607" +
			"ff01 ffffffffffff 4142434445464748494a4b4c4d4e4f50 80008001 ffffffff ffffffff ffffffff ffffffff ffffffff"},
		{"port whose name is scraps behind a NUL", "01 0c 0040 00000000 02 00000000000000" +
			"0001 000000000000 00 74682f3078000000000000 000001 00 00000000 00000000 00000000 00000000 00000000 00000000"},
		{"packet in longer than it says", "01 0a 0016 00000000 00000100 0001 0001 07 ff cafebabe"},
		{"flow removed for an unknown reason, at once", "01 0b 0058 00000000" + match +
			"0000000000000000 0000 c8 ff ffffffff ffffffff 0000 ffff ffffffffffffffff ffffffffffffffff"},
		{"packet out of a buffer and of data", "01 0d 001a 00000000 00000001 ffff 0008 0000 0008 fffb ffff 6162"},
		{"flow mod with wildcards of more than 32 bits", "01 0e 0048 00000000" +
			"ffffffff 0000 000000000000 000000000000 ffff ff ff 0000 03 00 ffff 0a000001 0a000001 0000 0000" +
			"0000000000000000 00ff 0000 0000 0000 00000000 0000 ffff"},
		{"actions with ports, VLANs and padding out of range", "01 0d 0038 00000000 ffffffff fff0 0028" +
			"0000 0008 0000 ffff  0001 0008 ffff ffff  0002 0008 ff ffffff  000b 0010 fffe ffffffffffff ffffffff"},
		{"vendor action of the vendor alone", "01 0d 0018 00000000 ffffffff ffff 0008 ffff 0008 00001234"},
		{"statistics request with flags", "01 10 000c 00000000 0000 ffff"},
		{"last part of statistics, empty", "01 11 000c 00000000 0001 0000"},
		{"statistics reply with unknown flags", "01 11 000c 00000000 0005 fffe"},
		{"table named without a NUL", "01 11 004c 00000000 0003 0001 fe ffffff" + blanks +
			"ffffffff 00000000 00000000 ffffffffffffffff ffffffffffffffff"},
		{"vendor statistics of the vendor alone", "01 11 0010 00000000 ffff 0000 00001234"},
		{"no queues", "01 15 0010 00000000 0010 000000000000"},
		{"queues with no property and a disabled rate", "01 15 0038 00000000 0001 ffffffffffff" +
			"00000000 0010 ffff 0000 0008 ffffffff  00000001 0018 0000 0001 0010 00000000 ffff ffffffffffff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := unhex(t, tt.wire)
			h, m, err := Decode(wire)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := Append(nil, h.XID, m); err != nil || !bytes.Equal(again, wire) {
				t.Errorf("encoded as %x, %v\nwant %x", again, err, wire)
			}
		})
	}
}

// The descriptions of some switches fill their fields with blanks, to the last byte.
func TestDescriptionsWithoutNUL(t *testing.T) {
	wire := append(unhex(t, "01 11 042c 00000001 0000 0000"), bytes.Repeat([]byte{' '}, descStatsLen)...)
	_, m, err := Decode(wire)
	if err != nil {
		t.Fatal(err)
	}
	desc := m.(*StatsReply).Body.(DescStats)
	if len(desc.Manufacturer) != 256 || len(desc.SerialNumber) != 32 || len(desc.Datapath) != 256 {
		t.Errorf("%+v", desc)
	}
	if again, err := Append(nil, 1, m); err != nil || !bytes.Equal(again, wire) {
		t.Errorf("encoded as %x, %v", again, err)
	}
}
