package packet

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

var (
	macA = [6]byte{0x02, 0, 0, 0, 0, 0x0a}
	macB = [6]byte{0x02, 0, 0, 0, 0, 0x0b}
	ipA  = [4]byte{10, 0, 0, 1}
	ipB  = [4]byte{10, 0, 0, 2}
)

func ethernet(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA[:], DstMAC: macB[:], EthernetType: t}
}

func ipv4(proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 9, TOS: 0xb9, Protocol: proto, SrcIP: ipA[:], DstIP: ipB[:]}
}

// serialize builds a frame with gopacket, the independent implementation.
func serialize(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	for i, l := range ls {
		if ip, ok := l.(*layers.IPv4); ok && i+1 < len(ls) {
			switch l4 := ls[i+1].(type) {
			case *layers.TCP:
				l4.SetNetworkLayerForChecksum(ip)
			case *layers.UDP:
				l4.SetNetworkLayerForChecksum(ip)
			}
		}
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func mustPeek(t testing.TB, frame []byte) Peeked {
	t.Helper()
	var p Peeked
	if err := Peek(frame, &p); err != nil {
		t.Fatalf("Peek(%x): %v", frame, err)
	}
	return p
}

func TestPeekTCPOfGopacket(t *testing.T) {
	ip := ipv4(layers.IPProtocolTCP)
	ip.Options = []layers.IPv4Option{{OptionType: 7, OptionLength: 7, OptionData: []byte{4, 0, 0, 0, 0}}}
	tcp := &layers.TCP{SrcPort: 40000, DstPort: 1935, Seq: 0xdeadbeef, Ack: 0x01020304, SYN: true, ACK: true, Window: 4321,
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}}}}
	for _, vlan := range []uint16{0, 7} {
		ls := []gopacket.SerializableLayer{ethernet(layers.EthernetTypeIPv4)}
		if vlan != 0 {
			ls = []gopacket.SerializableLayer{ethernet(layers.EthernetTypeDot1Q),
				&layers.Dot1Q{VLANIdentifier: vlan, Priority: 5, Type: layers.EthernetTypeIPv4}}
		}
		frame := serialize(t, append(ls, ip, tcp, gopacket.Payload("hello"))...)
		p := mustPeek(t, append(frame, 0, 0, 0)) // with padding, which is no payload
		if p.Src != macA || p.Dst != macB || p.EtherType != TypeIPv4 || p.VLAN != vlan || p.Tagged != (vlan != 0) {
			t.Errorf("Ethernet: %+v", p)
		}
		if vlan != 0 && p.PCP != 5 {
			t.Errorf("priority %d", p.PCP)
		}
		if p.SrcIP != ipA || p.DstIP != ipB || p.TOS != 0xb9 || p.Proto != ProtoTCP || p.Fragment {
			t.Errorf("IPv4: %+v", p)
		}
		if p.SrcPort != 40000 || p.DstPort != 1935 || p.Seq != 0xdeadbeef || p.Ack != 0x01020304 || p.Window != 4321 ||
			p.TCPFlags != SYN|ACK || string(p.L4Payload) != "hello" {
			t.Errorf("TCP: %+v", p)
		}
		if frame[p.L3] != 0x47 || binary.BigEndian.Uint16(frame[p.L4:]) != 40000 {
			t.Errorf("offsets %d, %d", p.L3, p.L4)
		}
	}
}

func TestPeekOthersOfGopacket(t *testing.T) {
	udp := mustPeek(t, serialize(t, ethernet(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolUDP),
		&layers.UDP{SrcPort: 53, DstPort: 5353}, gopacket.Payload("name")))
	if udp.SrcPort != 53 || udp.DstPort != 5353 || string(udp.L4Payload) != "name" {
		t.Errorf("UDP: %+v", udp)
	}
	icmp := mustPeek(t, serialize(t, ethernet(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolICMPv4),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 13)}))
	if icmp.SrcPort != 3 || icmp.DstPort != 13 {
		t.Errorf("ICMP: %+v", icmp)
	}
	arp := mustPeek(t, serialize(t, ethernet(layers.EthernetTypeARP), &layers.ARP{AddrType: layers.LinkTypeEthernet,
		Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPReply,
		SourceHwAddress: macA[:], SourceProtAddress: ipA[:], DstHwAddress: macB[:], DstProtAddress: ipB[:]}))
	if arp.ARPOp != ARPReply || arp.ARPSenderMAC != macA || arp.ARPTargetMAC != macB || arp.SrcIP != ipA || arp.DstIP != ipB {
		t.Errorf("ARP: %+v", arp)
	}
	v6 := mustPeek(t, serialize(t, ethernet(layers.EthernetTypeIPv6), &layers.IPv6{Version: 6,
		SrcIP: netip.IPv6Unspecified().AsSlice(), DstIP: netip.IPv6LinkLocalAllNodes().AsSlice()}))
	if v6.EtherType != TypeIPv6 || v6.L3 != 0 || v6.Proto != 0 {
		t.Errorf("IPv6: %+v", v6)
	}
}

func TestPeekFragments(t *testing.T) {
	for name, ip := range map[string]*layers.IPv4{
		"first": {Version: 4, Flags: layers.IPv4MoreFragments, Protocol: layers.IPProtocolUDP, SrcIP: ipA[:], DstIP: ipB[:]},
		"last":  {Version: 4, FragOffset: 3, Protocol: layers.IPProtocolUDP, SrcIP: ipA[:], DstIP: ipB[:]},
	} {
		p := mustPeek(t, serialize(t, ethernet(layers.EthernetTypeIPv4), ip, &layers.UDP{SrcPort: 1, DstPort: 2}))
		if !p.Fragment || p.SrcPort != 0 || p.DstPort != 0 || p.L4 != 0 || p.L4Payload != nil || p.SrcIP != ipA {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestPeekLengthInsteadOfType(t *testing.T) {
	tcp := AppendTCP(nil, TCP{SrcIP: ipA, DstIP: ipB, SrcPort: 1, DstPort: 2})
	snap := append([]byte{}, tcp[:12]...)
	snap = append(snap, 0, 48, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0)
	snap = append(snap, tcp[14:]...)
	if p := mustPeek(t, snap); p.EtherType != TypeIPv4 || p.DstPort != 2 {
		t.Errorf("SNAP: %+v", p)
	}
	snap[17] = 1 // an organization's own types are not Ethernet's
	if p := mustPeek(t, snap); p.EtherType != TypeNone || p.L3 != 0 {
		t.Errorf("foreign SNAP: %+v", p)
	}
	if p := mustPeek(t, []byte{12: 0, 13: 3, 14: 0x42, 15: 0x42, 16: 3}); p.EtherType != TypeNone { // spanning tree
		t.Errorf("LLC: %+v", p)
	}
}

// TestPeekBroken breaks good frames in one place and tells which layer must complain. The layers before stay readable.
func TestPeekBroken(t *testing.T) {
	tcp := AppendTCP(nil, TCP{DstMAC: macB, SrcMAC: macA, SrcIP: ipA, DstIP: ipB, SrcPort: 1, DstPort: 2})
	tagged := AppendTCP(nil, TCP{VLAN: 3})
	udp := AppendUDP(nil, UDP{SrcIP: ipA, DstIP: ipB, SrcPort: 1, DstPort: 2})
	arp := AppendARP(nil, ARP{Op: ARPRequest})
	with := func(frame []byte, at int, v byte) []byte {
		frame = append([]byte{}, frame...)
		frame[at] = v
		return frame
	}
	tests := []struct {
		name  string
		frame []byte
		want  error
	}{
		{"empty", nil, ErrEthernet},
		{"half an Ethernet header", tcp[:13], ErrEthernet},
		{"tag cut short", tagged[:17], ErrVLAN},
		{"half an ARP", arp[:41], ErrARP},
		{"ARP for another protocol", with(arp, 17, 1), ErrARP},
		{"ARP with longer addresses", with(arp, 18, 8), ErrARP},
		{"half an IPv4 header", tcp[:33], ErrIPv4},
		{"IP version 6 in IPv4", with(tcp, 14, 0x65), ErrIPv4},
		{"IPv4 header length 16", with(tcp, 14, 0x44), ErrIPv4},
		{"IPv4 header longer than the frame", with(tcp[:40], 14, 0x4f), ErrIPv4},
		{"IPv4 total length below its header", with(tcp, 17, 19), ErrIPv4},
		{"TCP beyond the total length", with(tcp, 17, 39), ErrTCP},
		{"half a TCP header", tcp[:53], ErrTCP},
		{"TCP data offset 16", with(tcp, 46, 0x40), ErrTCP},
		{"TCP data offset beyond the packet", with(tcp, 46, 0x60), ErrTCP},
		{"half a UDP header", udp[:41], ErrUDP},
		{"UDP length below its header", with(udp, 39, 7), ErrUDP},
		{"half an ICMP header", with(tcp, 23, ProtoICMP)[:37], ErrICMP},
	}
	for _, tt := range tests {
		var p Peeked
		if err := Peek(tt.frame, &p); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if p.L4 != 0 || p.SrcPort != 0 || p.TCPFlags != 0 {
			t.Errorf("%s: a broken layer is half filled: %+v", tt.name, p)
		}
	}
	var p Peeked
	if Peek(with(tcp, 46, 0x40), &p); p.Src != macA || p.DstIP != ipB {
		t.Errorf("layers before the broken one are lost: %+v", p)
	}
	if err := Peek(tcp[:54], &p); err != nil || p.DstPort != 2 {
		t.Errorf("a frame cut short behind its headers: %v, %+v", err, p)
	}
}

func TestPeekForgets(t *testing.T) {
	var p Peeked
	if err := Peek(AppendTCP(nil, TCP{VLAN: 3, SrcPort: 9, Payload: []byte("x")}), &p); err != nil {
		t.Fatal(err)
	}
	if err := Peek(nil, &p); err == nil || p.SrcPort != 0 || p.VLAN != 0 || p.L4Payload != nil {
		t.Errorf("an earlier frame shines through: %v, %+v", err, p)
	}
}

func TestPeekAllocatesNothing(t *testing.T) {
	var p Peeked
	frames := [][]byte{AppendTCP(nil, TCP{VLAN: 3}), AppendUDP(nil, UDP{}), AppendARP(nil, ARP{}), {1, 2, 3}}
	if n := testing.AllocsPerRun(100, func() {
		for _, f := range frames {
			Peek(f, &p)
		}
	}); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
}

func FuzzPeek(f *testing.F) {
	f.Add(AppendTCP(nil, TCP{VLAN: 5, Options: make([]byte, 12), Payload: []byte("payload")}))
	f.Add(AppendUDP(nil, UDP{Payload: []byte("payload")}))
	f.Add(AppendARP(nil, ARP{Op: ARPReply}))
	f.Add(AppendLLDP(nil, LLDP{DPID: 1}, nil))
	f.Fuzz(func(t *testing.T, frame []byte) {
		before := string(frame)
		var p Peeked
		if err := Peek(frame, &p); err != nil && p.L4 != 0 {
			t.Errorf("error %v and yet a transport header at %d", err, p.L4)
		}
		if p.L3 > len(frame) || p.L4 > len(frame) || p.L4 != 0 && p.L4 < p.L3+ipv4Len {
			t.Errorf("offsets %d, %d in %d bytes", p.L3, p.L4, len(frame))
		}
		if len(p.L4Payload) > 0 && p.L4+udpLen+len(p.L4Payload) > len(frame) {
			t.Errorf("payload of %d bytes does not fit behind byte %d of %d", len(p.L4Payload), p.L4, len(frame))
		}
		if string(frame) != before {
			t.Error("Peek changed the frame")
		}
		// The setters stand on Peek and must be as robust.
		SetIPv4Src(frame, ipA)
		SetIPv4Dst(frame, ipB)
		SetDSCP(frame, 0xb8)
		SetSrcPort(frame, 7)
		SetDstPort(frame, 8)
		StripVLAN(SetVLANPCP(SetVLANID(frame, 9), 3))
	})
}

func BenchmarkPeekTCP(b *testing.B) {
	frame := AppendTCP(nil, TCP{SrcIP: ipA, DstIP: ipB, SrcPort: uint16(rand.Uint32()), DstPort: 1935, Flags: SYN})
	var p Peeked
	b.ReportAllocs()
	for b.Loop() {
		if err := Peek(frame, &p); err != nil {
			b.Fatal(err)
		}
	}
}
