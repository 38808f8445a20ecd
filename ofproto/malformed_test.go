package ofproto

import (
	"errors"
	"testing"
)

func TestDecodeMalformed(t *testing.T) {
	const matchAll = " 003fffff 00000000000000000000000000000000000000000000000000000000000000000000 0000 "
	const flowMod = matchAll + "0000000000000000 0000 0000 0000 8000 ffffffff ffff 0000 "
	const flowStat = matchAll + "00000000 00000000 0000 0000 0000 000000000000 0000000000000000 0000000000000000 0000000000000000 "
	tests := []struct {
		name   string
		wire   string
		offset int
		cause  error
	}{
		{"nothing", "", 0, ErrShort},
		{"half a header", "01 02 0008 00", 5, ErrShort},
		{"length 0", "01 02 0000 00000001", 2, ErrLength},
		{"length below the header", "01 02 0007 00000001", 2, ErrLength},
		{"cut off", "01 02 000a 00000001 00", 9, ErrShort},
		{"two messages", "01 02 0008 00000001 01 02 0008 00000002", 2, ErrLength},
		{"version 0", "00 00 0008 00000001", 0, ErrVersion},
		{"version 4", "04 02 0008 00000001", 0, ErrVersion},

		{"error without a code", "01 01 000a 00000001 0001", 10, ErrShort},
		{"vendor message without a vendor", "01 04 000b 00000001 000023", 11, ErrShort},
		{"Nicira message without a subtype", "01 04 000c 00000001 00002320", 12, ErrShort},
		{"role request without a role", "01 04 0010 00000001 00002320 0000000a", 16, ErrShort},
		{"role reply with more than padding", "01 04 001c 00000001 00002320 0000000b 00000001 0000000000000000", 20, ErrLength},
		{"flow mod table id, cut", "01 04 0017 00000001 00002320 0000000f 01 000000000000", 23, ErrShort},
		{"set flow format, cut", "01 04 0012 00000001 00002320 0000000c 0000", 18, ErrShort},
		{"set packet in format, cut", "01 04 0012 00000001 00002320 00000010 0000", 18, ErrShort},
		{"set async config, cut", "01 04 0014 00000001 00002320 00000013 00000000", 20, ErrShort},
		{"set controller id, cut", "01 04 0014 00000001 00002320 00000014 00000000", 20, ErrShort},
		{"set controller id, long", "01 04 001c 00000001 00002320 00000014 0000000000000001 00000000", 24, ErrLength},
		{"flow monitor cancel, cut", "01 04 0012 00000001 00002320 00000015 0000", 18, ErrShort},
		{"flow monitor cancel, long", "01 04 0018 00000001 00002320 00000015 00000001 00000000", 20, ErrLength},

		{"features request with a body", "01 05 000c 00000001 00000000", 8, ErrLength},
		{"features reply, cut", "01 06 001f 00000001 0000000000000001 00000000 00 000000 00000000 000000", 31, ErrShort},
		{"features reply with half a port", "01 06 0028 00000001 0000000000000001 00000000 00 000000 00000000 00000000 0001 020000000001", 32, ErrLength},
		{"get config request with a body", "01 07 0009 00000001 00", 8, ErrLength},
		{"get config reply, cut", "01 08 000a 00000001 0000", 10, ErrShort},
		{"get config reply, long", "01 08 000e 00000001 0000 0080 0000", 12, ErrLength},
		{"set config, cut", "01 09 000b 00000001 0000 00", 11, ErrShort},
		{"set config, long", "01 09 0010 00000001 0000 0080 00000000", 12, ErrLength},
		{"packet in, cut", "01 0a 0011 00000001 ffffffff 0000 0001 00", 17, ErrShort},
		{"flow removed, cut", "01 0b 0048 00000001" + matchAll + "0000000000000000 0000 00 00 00000000 00000000 0000 0000", 72, ErrShort},
		{"port status, cut", "01 0c 0010 00000001 00 00000000000000", 16, ErrShort},
		{"port status, long", "01 0c 0041 00000001 00 00000000000000" + exampleEth1 + "00", 64, ErrLength},

		{"packet out, cut", "01 0d 000f 00000001 ffffffff ffff 00", 15, ErrShort},
		{"packet out, actions beyond its end", "01 0d 0018 00000001 ffffffff ffff 0010 0000 0008 0001 0000", 14, ErrLength},
		{"packet out, actions_len splits an action", "01 0d 0018 00000001 ffffffff ffff 0004 0000 0008 0001 0000", 16, ErrShort},
		{"packet out, action over actions_len", "01 0d 0020 00000001 ffffffff ffff 0008 0004 0010 0200 00000001 000000000000", 16, ErrShort},
		{"action length 0", "01 0d 0018 00000001 ffffffff ffff 0008 0000 0000 0001 0000", 16, ErrShort},
		{"action length 4", "01 0d 0018 00000001 ffffffff ffff 0008 0000 0004 0001 0000", 16, ErrShort},
		{"action length 12", "01 0d 001c 00000001 ffffffff ffff 000c 0004 000c 020000000001 0000", 16, ErrLength},
		{"flow mod, cut", "01 0e 0047 00000001" + flowMod[:len(flowMod)-3], 71, ErrShort},
		{"flow mod, second action cut", "01 0e 0054 00000001" + flowMod + "0000 0008 0001 0000  0000 0008", 80, ErrShort},
		{"output of 16 bytes", "01 0e 0058 00000001" + flowMod + "0000 0010 0001 0000 0000000000000000", 72, ErrLength},
		{"set VLAN id of 16 bytes", "01 0e 0058 00000001" + flowMod + "0001 0010 0001 0000 0000000000000000", 72, ErrLength},
		{"set VLAN priority of 16 bytes", "01 0e 0058 00000001" + flowMod + "0002 0010 0100 0000 0000000000000000", 72, ErrLength},
		{"strip VLAN of 16 bytes", "01 0e 0058 00000001" + flowMod + "0003 0010 0000 0000 0000000000000000", 72, ErrLength},
		{"set dl_src of 8 bytes", "01 0e 0050 00000001" + flowMod + "0004 0008 0200 0000", 72, ErrLength},
		{"set dl_dst of 24 bytes", "01 0e 0060 00000001" + flowMod + "0005 0018 020000000001 000000000000 0000000000000000", 72, ErrLength},
		{"set nw_src of 16 bytes", "01 0e 0058 00000001" + flowMod + "0006 0010 0a000001 0000000000000000", 72, ErrLength},
		{"set nw_dst of 16 bytes", "01 0e 0058 00000001" + flowMod + "0007 0010 0a000001 0000000000000000", 72, ErrLength},
		{"set nw_tos of 16 bytes", "01 0e 0058 00000001" + flowMod + "0008 0010 b8000000 0000000000000000", 72, ErrLength},
		{"set tp_src of 16 bytes", "01 0e 0058 00000001" + flowMod + "0009 0010 00500000 0000000000000000", 72, ErrLength},
		{"set tp_dst of 16 bytes", "01 0e 0058 00000001" + flowMod + "000a 0010 00500000 0000000000000000", 72, ErrLength},
		{"enqueue of 8 bytes", "01 0e 0050 00000001" + flowMod + "000b 0008 0001 0000", 72, ErrLength},
		{"Nicira action without a subtype", "01 0e 0050 00000001" + flowMod + "ffff 0008 00002320", 72, ErrShort},
		{"port mod, cut", "01 0f 001c 00000001 0001 020000000001 00000000 00000000 00000000", 28, ErrShort},
		{"port mod, long", "01 0f 0028 00000001 0001 020000000001 00000000 00000000 00000000 00000000 0000000000000000", 32, ErrLength},

		{"statistics request without flags", "01 10 000a 00000001 0000", 10, ErrShort},
		{"desc request with a body", "01 10 0010 00000001 0000 0000 00000000", 12, ErrLength},
		{"table request with a body", "01 10 0010 00000001 0003 0000 00000000", 12, ErrLength},
		{"flow request, cut", "01 10 0034 00000001 0001 0000" + matchAll, 52, ErrShort},
		{"aggregate request, long", "01 10 003c 00000001 0002 0000" + matchAll + "ff 00 ffff 00000000", 56, ErrLength},
		{"port request, cut", "01 10 000e 00000001 0004 0000 ffff", 14, ErrShort},
		{"queue request, long", "01 10 0018 00000001 0005 0000 ffff 0000 ffffffff 00000000", 20, ErrLength},
		{"vendor request without a vendor", "01 10 000c 00000001 ffff 0000", 12, ErrShort},
		{"statistics reply without flags", "01 11 0008 00000001", 8, ErrShort},
		{"desc reply, cut", "01 11 000c 00000001 0000 0000", 12, ErrShort},
		{"flow reply, cut", "01 11 0064 00000001 0001 0000 0058 00 00" + flowStat[:len(flowStat)-3] + "", 99, ErrShort},
		{"flow entry length 0", "01 11 0064 00000001 0001 0000 0000 00 00" + flowStat, 12, ErrShort},
		{"flow entry length 87", "01 11 0064 00000001 0001 0000 0057 00 00" + flowStat, 12, ErrShort},
		{"flow entry over the end", "01 11 0064 00000001 0001 0000 0060 00 00" + flowStat, 12, ErrShort},
		{"flow entry with half an action", "01 11 0068 00000001 0001 0000 005c 00 00" + flowStat + "0000 0008", 100, ErrShort},
		{"flow entry with an action length 0", "01 11 006c 00000001 0001 0000 0060 00 00" + flowStat + "0000 0000 0001 0000", 100, ErrShort},
		{"rest behind a flow entry", "01 11 006c 00000001 0001 0000 0058 00 00" + flowStat + "0000 0008 0001 0000", 100, ErrShort},
		{"aggregate reply, cut", "01 11 0020 00000001 0002 0000 0000000000000001 0000000000000002 00000003", 32, ErrShort},
		{"table reply that does not divide", "01 11 0010 00000001 0003 0000 00000000", 12, ErrLength},
		{"port reply that does not divide", "01 11 0010 00000001 0004 0000 00010000", 12, ErrLength},
		{"queue reply that does not divide", "01 11 0030 00000001 0005 0000 0001 0000 00000007 0000000000000001 0000000000000002 0000000000000003 00000000", 44, ErrLength},
		{"vendor reply without a vendor", "01 11 000e 00000001 ffff 0000 0000", 14, ErrShort},
		{"Nicira reply without a subtype", "01 11 0010 00000001 ffff 0000 00002320", 16, ErrShort},

		{"barrier request with a body", "01 12 000c 00000001 00000000", 8, ErrLength},
		{"barrier reply with a body", "01 13 0009 00000001 00", 8, ErrLength},
		{"queue request, cut", "01 14 000a 00000001 0001", 10, ErrShort},
		{"queue request, long", "01 14 0010 00000001 0001 0000 00000000", 12, ErrLength},
		{"queue reply, cut", "01 15 000c 00000001 0001 0000", 12, ErrShort},
		{"half a queue", "01 15 0014 00000001 0001 000000000000 00000001", 16, ErrShort},
		{"queue length 0", "01 15 0018 00000001 0001 000000000000 00000001 0000 0000", 16, ErrShort},
		{"queue over the end", "01 15 0018 00000001 0001 000000000000 00000001 0010 0000", 16, ErrShort},
		{"half a property", "01 15 001c 00000001 0001 000000000000 00000001 000c 0000 0000 0008", 24, ErrShort},
		{"property length 0", "01 15 0020 00000001 0001 000000000000 00000001 0010 0000 0000 0000 00000000", 24, ErrShort},
		{"property over its queue", "01 15 0028 00000001 0001 000000000000 00000001 0010 0000 0001 0010 00000000 0005 000000000000", 24, ErrShort},
		{"no property of 16 bytes", "01 15 0028 00000001 0001 000000000000 00000001 0018 0000 0000 0010 00000000 0000000000000000", 24, ErrLength},
		{"minimum rate of 8 bytes", "01 15 0020 00000001 0001 000000000000 00000001 0010 0000 0001 0008 00000000", 24, ErrLength},
		{"property length 12", "01 15 0024 00000001 0001 000000000000 00000001 0014 0000 0009 000c 00000000 00000000", 24, ErrLength},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, m, err := Decode(unhex(t, tt.wire))
			var e *DecodeError
			if !errors.As(err, &e) || m != nil {
				t.Fatalf("Decode = %v, %v; want a DecodeError", m, err)
			}
			if !errors.Is(err, tt.cause) || e.Offset != tt.offset {
				t.Errorf("error at byte %d: %v; want %q at byte %d", e.Offset, err, tt.cause, tt.offset)
			}
		})
	}
}

func TestDecodeBodyKeepsValueOnError(t *testing.T) {
	p := PacketIn{InPort: 7}
	if err := p.DecodeBody([]byte{1, 2, 3}); err == nil || p.InPort != 7 {
		t.Errorf("%+v, %v", p, err)
	}
	f := FlowMod{Cookie: 7}
	bad := make([]byte, flowModLen+8)
	if err := f.DecodeBody(bad); err == nil || f.Cookie != 7 || f.Actions != nil {
		t.Errorf("%+v, %v", f, err)
	}
	r := RoleRequest{RolePrimary}
	if err := r.DecodeBody(unhex(t, "00002320 0000000a 00000000 00000000")); !errors.Is(err, ErrLength) || r.Role != RolePrimary {
		t.Errorf("%+v, %v", r, err)
	}
	if err := r.DecodeBody(unhex(t, "00002320 0000000b 00000000")); !errors.Is(err, ErrVendor) || r.Role != RolePrimary {
		t.Errorf("%+v, %v", r, err)
	}
}
