package ofproto

import "testing"

func TestSameAction(t *testing.T) {
	padded := []Action{
		Output{Port: 1, MaxLen: 64}, SetVLANVID{1, [2]byte{1}}, SetVLANPCP{1, [3]byte{1}}, StripVLAN{[4]byte{1}},
		SetDLSrc{MAC{1}, [6]byte{1}}, SetDLDst{MAC{1}, [6]byte{1}}, SetNWSrc{IPv4{1}}, SetNWDst{IPv4{1}}, SetNWTOS{4, [3]byte{1}},
		SetTPSrc{1, [2]byte{1}}, SetTPDst{1, [2]byte{1}}, Enqueue{1, 2, [6]byte{1}}, VendorAction{1, Bytes{1}}, RawAction{99, Bytes{1}},
		FinTimeout{Idle: 5},
	}
	clean := []Action{
		Output{Port: 1}, SetVLANVID{VID: 1}, SetVLANPCP{PCP: 1}, StripVLAN{}, SetDLSrc{MAC: MAC{1}}, SetDLDst{MAC: MAC{1}},
		SetNWSrc{IPv4{1}}, SetNWDst{IPv4{1}}, SetNWTOS{TOS: 4}, SetTPSrc{Port: 1}, SetTPDst{Port: 1}, Enqueue{Port: 1, QueueID: 2},
		VendorAction{1, Bytes{1}}, RawAction{99, Bytes{1}},
		FinTimeout{Idle: 5},
	}
	others := []Action{
		Output{Port: 2}, SetVLANVID{VID: 2}, SetVLANPCP{PCP: 2}, SetTPSrc{Port: 9}, SetDLSrc{MAC: MAC{2}}, SetDLDst{MAC: MAC{2}},
		SetNWSrc{IPv4{2}}, SetNWDst{IPv4{2}}, SetNWTOS{TOS: 8}, SetTPSrc{Port: 2}, SetTPDst{Port: 2}, Enqueue{Port: 1, QueueID: 3},
		VendorAction{1, Bytes{2}}, RawAction{98, Bytes{1}},
		FinTimeout{Hard: 5},
	}
	for i := range padded {
		for k := range clean {
			if got := SameAction(padded[i], clean[k]); got != (i == k) {
				t.Errorf("SameAction(%v, %v) = %v", padded[i], clean[k], got)
			}
		}
		if SameAction(clean[i], others[i]) {
			t.Errorf("%v is the same as %v", clean[i], others[i])
		}
	}
	if SameAction(Output{PortController, 64}, Output{PortController, 128}) {
		t.Error("the length for the controller makes no difference")
	}
}
