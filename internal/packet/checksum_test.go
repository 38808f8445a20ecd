package packet

import (
	"bytes"
	"errors"
	"testing"
)

func TestVerify(t *testing.T) {
	payload := []byte("odd")
	tcp := AppendTCP(nil, TCP{SrcIP: ipA, DstIP: ipB, VLAN: 4, Options: []byte{1, 1, 1, 1}, Payload: payload})
	udp := AppendUDP(nil, UDP{SrcIP: ipA, DstIP: ipB, Payload: payload})
	for name, frame := range map[string][]byte{"TCP": tcp, "UDP": udp} {
		if err := Verify(frame); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var p Peeked
		if err := Peek(frame, &p); err != nil {
			t.Fatal(err)
		}
		end := p.L4 + tcpLen + 4 + len(payload)
		if name == "UDP" {
			end = p.L4 + udpLen + len(payload)
		}
		for i := p.L3; i < len(frame); i++ {
			broken := bytes.Clone(frame)
			broken[i] ^= 0x10
			if err := Verify(broken); (err == nil) != (i >= end) {
				t.Errorf("%s with byte %d changed: %v", name, i, err)
			}
		}
	}
	udp[40], udp[41] = 0, 0
	if err := Verify(udp); err != nil {
		t.Errorf("UDP without a checksum: %v", err)
	}
	if err := Verify(tcp[:len(tcp)-1]); !errors.Is(err, ErrIPv4) {
		t.Errorf("cut short: %v", err)
	}
	if err := Verify(AppendARP(nil, ARP{})); err != nil {
		t.Errorf("ARP: %v", err)
	}
}
