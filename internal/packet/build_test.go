package packet

import (
	"bytes"
	"errors"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// dissect decodes a frame with gopacket and fails on any layer it cannot read.
func dissect(t *testing.T, frame []byte) gopacket.Packet {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if e := p.ErrorLayer(); e != nil {
		t.Fatalf("gopacket cannot read %x: %v", frame, e.Error())
	}
	if len(frame) < MinFrame {
		t.Errorf("frame of %d bytes is shorter than Ethernet's minimum", len(frame))
	}
	return p
}

// checkSums lets gopacket serialize the same packet again with checksums of its own, and compares.
func checkSums(t *testing.T, frame []byte) {
	t.Helper()
	p := dissect(t, frame)
	var ls []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		if s, ok := l.(gopacket.SerializableLayer); ok {
			ls = append(ls, s)
		}
	}
	if again := serialize(t, ls...); !bytes.Equal(again, frame[:len(again)]) {
		t.Errorf("checksums or lengths differ:\n ours     %x\n gopacket %x", frame[:len(again)], again)
	}
}

func TestAppendTCP(t *testing.T) {
	for _, payload := range []string{"", "odd", "a payload longer than what Ethernet pads to"} {
		for _, options := range [][]byte{nil, {2, 4, 5, 0xb4}, {1, 1, 3, 3, 7}} {
			want := TCP{DstMAC: macB, SrcMAC: macA, VLAN: 9, SrcIP: ipA, DstIP: ipB, TOS: 0x28, TTL: 3, SrcPort: 40001,
				DstPort: 1935, Seq: 0xfffffff0, Ack: 77, Flags: PSH | ACK, Window: 512, Options: options, Payload: []byte(payload)}
			frame := AppendTCP([]byte("before"), want)[6:]
			checkSums(t, frame)
			p := dissect(t, frame)
			ip := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
			tcp := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
			if !bytes.Equal(ip.SrcIP, ipA[:]) || !bytes.Equal(ip.DstIP, ipB[:]) || ip.TTL != 3 || ip.TOS != 0x28 {
				t.Errorf("IPv4: %+v", ip)
			}
			if tcp.SrcPort != 40001 || tcp.DstPort != 1935 || tcp.Seq != 0xfffffff0 || tcp.Ack != 77 || !tcp.PSH || !tcp.ACK ||
				tcp.SYN || tcp.FIN || tcp.RST || tcp.Window != 512 || string(tcp.Payload) != payload {
				t.Errorf("TCP: %+v", tcp)
			}
			if v := p.Layer(layers.LayerTypeDot1Q).(*layers.Dot1Q); v.VLANIdentifier != 9 {
				t.Errorf("VLAN: %+v", v)
			}
			if got := mustPeek(t, frame); got.Seq != want.Seq || got.VLAN != 9 || string(got.L4Payload) != payload {
				t.Errorf("Peek of our own: %+v", got)
			}
		}
	}
}

func TestAppendUDP(t *testing.T) {
	frame := AppendUDP(nil, UDP{DstMAC: macB, SrcMAC: macA, SrcIP: ipA, DstIP: ipB, SrcPort: 5000, DstPort: 99, Payload: []byte("abc")})
	checkSums(t, frame)
	udp := dissect(t, frame).Layer(layers.LayerTypeUDP).(*layers.UDP)
	if udp.SrcPort != 5000 || udp.DstPort != 99 || string(udp.Payload) != "abc" {
		t.Errorf("UDP: %+v", udp)
	}
	// A checksum that comes out as zero is sent as 0xffff. The checksum of a datagram, as its payload, makes it so.
	zero := AppendUDP(nil, UDP{SrcIP: ipA, DstIP: ipB, Payload: []byte{0, 0}})
	zero = AppendUDP(nil, UDP{SrcIP: ipA, DstIP: ipB, Payload: bytes.Clone(zero[40:42])})
	if zero[40] != 0xff || zero[41] != 0xff {
		t.Errorf("checksum %x, want ffff", zero[40:42])
	}
}

func TestAppendARP(t *testing.T) {
	tests := []struct {
		name string
		arp  ARP
		dst  [6]byte
	}{
		{"request", ARP{Op: ARPRequest, SenderMAC: macA, SenderIP: ipA, TargetIP: ipB}, Broadcast},
		{"request to one host", ARP{Op: ARPRequest, Dst: macB, SenderMAC: macA, SenderIP: ipA, TargetIP: ipB}, macB},
		{"reply", ARP{Op: ARPReply, SenderMAC: macA, SenderIP: ipA, TargetMAC: macB, TargetIP: ipB}, macB},
	}
	for _, tt := range tests {
		p := dissect(t, AppendARP(nil, tt.arp))
		eth := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
		arp := p.Layer(layers.LayerTypeARP).(*layers.ARP)
		if !bytes.Equal(eth.DstMAC, tt.dst[:]) || !bytes.Equal(eth.SrcMAC, macA[:]) {
			t.Errorf("%s: Ethernet %+v", tt.name, eth)
		}
		if arp.Operation != tt.arp.Op || !bytes.Equal(arp.SourceHwAddress, macA[:]) || !bytes.Equal(arp.SourceProtAddress, ipA[:]) ||
			!bytes.Equal(arp.DstHwAddress, tt.arp.TargetMAC[:]) || !bytes.Equal(arp.DstProtAddress, ipB[:]) {
			t.Errorf("%s: ARP %+v", tt.name, arp)
		}
	}
}

func TestLLDP(t *testing.T) {
	key := []byte("secret of this run")
	want := LLDP{Src: macA, DPID: 0xfedcba9876543210, Port: 65279, TTL: 20, Nonce: 0x1122334455667788, Timestamp: -5}
	frame := AppendLLDP(nil, want, key)
	got, err := ParseLLDP(frame, key)
	if err != nil || got != want {
		t.Fatalf("ParseLLDP = %+v, %v, want %+v", got, err, want)
	}
	p := dissect(t, frame)
	if eth := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet); !bytes.Equal(eth.DstMAC, LLDPMulticast[:]) {
		t.Errorf("destination %v", eth.DstMAC)
	}
	l := p.Layer(layers.LayerTypeLinkLayerDiscovery).(*layers.LinkLayerDiscovery)
	if string(l.ChassisID.ID) != "dpid:fedcba9876543210" || string(l.PortID.ID) != "65279" || l.TTL != 20 ||
		l.ChassisID.Subtype != layers.LLDPChassisIDSubTypeLocal || l.PortID.Subtype != layers.LLDPPortIDSubtypeLocal {
		t.Errorf("gopacket reads %+v", l)
	}
	if _, err := ParseLLDP(frame, []byte("another secret")); !errors.Is(err, ErrLLDPForged) {
		t.Errorf("with another key: %v", err)
	}
	// No bit of what ParseLLDP returns can be changed, but the source address, which it does not vouch for.
	for i := 12; i < len(frame); i++ {
		for bit := range 8 {
			frame[i] ^= 1 << bit
			if got, err := ParseLLDP(frame, key); err == nil && got != want {
				t.Errorf("bit %d of byte %d changed: accepted as %+v", bit, i, got)
			}
			frame[i] ^= 1 << bit
		}
	}
	for n := range len(frame) - (MinFrame - 14) {
		if _, err := ParseLLDP(frame[:n], key); err == nil && n < 14+24+8+4+38 {
			t.Errorf("accepted with %d bytes", n)
		}
	}
}

func TestLLDPOfOthers(t *testing.T) {
	other := serialize(t, &layers.Ethernet{SrcMAC: macA[:], DstMAC: LLDPMulticast[:], EthernetType: layers.EthernetTypeLinkLayerDiscovery},
		&layers.LinkLayerDiscovery{
			ChassisID: layers.LLDPChassisID{Subtype: layers.LLDPChassisIDSubTypeMACAddr, ID: macA[:]},
			PortID:    layers.LLDPPortID{Subtype: layers.LLDPPortIDSubtypeIfaceName, ID: []byte("eth0")}, TTL: 120})
	if _, err := ParseLLDP(other, nil); !errors.Is(err, ErrLLDPForeign) {
		t.Errorf("LLDP of a server: %v", err)
	}
	if _, err := ParseLLDP(AppendARP(nil, ARP{}), nil); !errors.Is(err, ErrNotLLDP) {
		t.Errorf("ARP: %v", err)
	}
}

func FuzzParseLLDP(f *testing.F) {
	key := []byte("k")
	f.Add(AppendLLDP(nil, LLDP{DPID: 5, Port: 2, TTL: 20, Nonce: 3, Timestamp: 4}, key))
	f.Fuzz(func(t *testing.T, frame []byte) {
		l, err := ParseLLDP(frame, key)
		if err != nil {
			if l != (LLDP{}) {
				t.Errorf("error %v and yet %+v", err, l)
			}
			return
		}
		if again, err := ParseLLDP(AppendLLDP(nil, l, key), key); err != nil || again != l {
			t.Errorf("%+v comes back as %+v, %v", l, again, err)
		}
	})
}
