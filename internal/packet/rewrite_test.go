package packet

import (
	"bytes"
	"testing"
)

// TestSet compares each rewritten frame with one that was built that way, checksums and all.
func TestSet(t *testing.T) {
	payload := []byte("some payload")
	tcp := TCP{DstMAC: macB, SrcMAC: macA, SrcIP: ipA, DstIP: ipB, TOS: 3, SrcPort: 1, DstPort: 2, Payload: payload}
	udp := UDP{DstMAC: macB, SrcMAC: macA, SrcIP: ipA, DstIP: ipB, TOS: 3, SrcPort: 1, DstPort: 2, Payload: payload}
	for _, vlan := range []uint16{0, 12} {
		tcp.VLAN, udp.VLAN = vlan, vlan
		for _, tt := range []struct {
			name string
			set  func([]byte)
			want func(*TCP, *UDP)
		}{
			{"source address", func(f []byte) { SetIPv4Src(f, [4]byte{192, 168, 255, 9}) },
				func(t *TCP, u *UDP) { t.SrcIP = [4]byte{192, 168, 255, 9}; u.SrcIP = t.SrcIP }},
			{"destination address", func(f []byte) { SetIPv4Dst(f, [4]byte{}) },
				func(t *TCP, u *UDP) { t.DstIP = [4]byte{}; u.DstIP = t.DstIP }},
			{"DSCP", func(f []byte) { SetDSCP(f, 0xb8) }, func(t *TCP, u *UDP) { t.TOS = 0xbb; u.TOS = 0xbb }},
			{"source port", func(f []byte) { SetSrcPort(f, 65535) }, func(t *TCP, u *UDP) { t.SrcPort = 65535; u.SrcPort = 65535 }},
			{"destination port", func(f []byte) { SetDstPort(f, 80) }, func(t *TCP, u *UDP) { t.DstPort = 80; u.DstPort = 80 }},
		} {
			wantTCP, wantUDP := tcp, udp
			tt.want(&wantTCP, &wantUDP)
			got := AppendTCP(nil, tcp)
			if tt.set(got); !bytes.Equal(got, AppendTCP(nil, wantTCP)) {
				t.Errorf("%s of TCP, VLAN %d:\n got  %x\n want %x", tt.name, vlan, got, AppendTCP(nil, wantTCP))
			}
			got = AppendUDP(nil, udp)
			if tt.set(got); !bytes.Equal(got, AppendUDP(nil, wantUDP)) {
				t.Errorf("%s of UDP, VLAN %d:\n got  %x\n want %x", tt.name, vlan, got, AppendUDP(nil, wantUDP))
			}
			arp := AppendARP(nil, ARP{Op: ARPRequest, VLAN: vlan, SenderIP: ipA})
			before := bytes.Clone(arp)
			if tt.set(arp); !bytes.Equal(arp, before) {
				t.Errorf("%s changed an ARP packet", tt.name)
			}
		}
	}
}

func TestSetVLAN(t *testing.T) {
	tcp := TCP{DstMAC: macB, SrcMAC: macA, SrcIP: ipA, DstIP: ipB, Payload: []byte("payload that needs no padding")}
	plain := AppendTCP(nil, tcp)
	tcp.VLAN = 100
	tagged := AppendTCP(nil, tcp)
	if got := SetVLANID(bytes.Clone(plain), 100); !bytes.Equal(got, tagged) {
		t.Errorf("tag added:\n got  %x\n want %x", got, tagged)
	}
	tcp.VLAN = 7
	if got := SetVLANID(bytes.Clone(tagged), 7); !bytes.Equal(got, AppendTCP(nil, tcp)) {
		t.Errorf("id changed: %x", got)
	}
	if got := StripVLAN(bytes.Clone(tagged)); !bytes.Equal(got, plain) {
		t.Errorf("stripped:\n got  %x\n want %x", got, plain)
	}
	if got := StripVLAN(bytes.Clone(plain)); !bytes.Equal(got, plain) {
		t.Errorf("stripped without a tag: %x", got)
	}
	if p := mustPeek(t, SetVLANPCP(bytes.Clone(tagged), 6)); p.VLAN != 100 || p.PCP != 6 {
		t.Errorf("priority changed: %+v", p)
	}
	if p := mustPeek(t, SetVLANPCP(bytes.Clone(plain), 6)); p.VLAN != 0 || p.PCP != 6 || !p.Tagged || p.DstIP != ipB {
		t.Errorf("priority on a new tag: %+v", p)
	}
}

func TestSetKeepsWrongChecksums(t *testing.T) {
	udp := AppendUDP(nil, UDP{SrcIP: ipA, DstIP: ipB})
	udp[40], udp[41] = 0, 0 // without a checksum
	if SetIPv4Src(udp, ipB); udp[40]|udp[41] != 0 {
		t.Errorf("a checksum appeared: %x", udp[40:42])
	}
	tcp := AppendTCP(nil, TCP{SrcIP: ipA, DstIP: ipB})
	tcp[24]++ // of IPv4
	tcp[50]++ // of TCP
	SetIPv4Src(tcp, ipB)
	if checksum(tcp[14:34], 0) == 0 || checksum(tcp[34:54], pseudo(ipB, ipB, ProtoTCP, 20)) == 0 {
		t.Error("a wrong checksum was repaired")
	}
}

func TestSetFirstFragment(t *testing.T) {
	frame := AppendUDP(nil, UDP{SrcIP: ipA, DstIP: ipB, SrcPort: 5, DstPort: 6, Payload: []byte("whole")})
	frame[20] = 0x20 // more fragments
	adjust(frame[24:], 0x4000, 0x2000)
	SetIPv4Dst(frame, ipA)
	SetDstPort(frame, 99)
	if checksum(frame[34:47], pseudo(ipA, ipA, ProtoUDP, 13)) != 0 {
		t.Error("UDP checksum of the first fragment does not follow the addresses")
	}
	if frame[37] != 6 {
		t.Error("a fragment's port was rewritten")
	}
}
