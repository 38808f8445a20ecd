package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// ring is three switches in a ring, a host at each.
func ring(l *lab) { ringOf(new([3]*oftest.Wire))(l) }

// ringOf is ring with its wires: between s1 and s2, s2 and s3, s3 and s1.
func ringOf(wires *[3]*oftest.Wire) func(*lab) {
	return func(l *lab) {
		for i, name := range []string{"s1", "s2", "s3"} {
			l.AddSwitch(name, oftest.Options{DPID: ofproto.DPID(i + 1)})
		}
		wires[0] = l.Join("s1", 10, "s2", 11, time.Millisecond)
		wires[1] = l.Join("s2", 10, "s3", 11, time.Millisecond)
		wires[2] = l.Join("s3", 10, "s1", 11, time.Millisecond)
		l.AddHost("a", "10.0.1.1", "s1", 1, time.Millisecond)
		l.AddHost("b", "10.0.1.2", "s2", 1, time.Millisecond).Listen(80)
		l.AddHost("c", "10.0.1.3", "s3", 1, time.Millisecond).Listen(80)
	}
}

// announce is a broadcast that no host answers.
func announce(h *oftest.Host) []byte {
	return packet.AppendUDP(nil, packet.UDP{
		DstMAC: [6]byte{255, 255, 255, 255, 255, 255}, SrcMAC: h.MAC, SrcIP: h.IP, DstIP: [4]byte{255, 255, 255, 255},
		SrcPort: 5000, DstPort: 5000, Payload: []byte("hello everybody"),
	})
}

// TestRingBroadcast sends a broadcast into a ring of switches: it reaches each host once, and not the one it is of.
func TestRingBroadcast(t *testing.T) {
	inLab(t, ring, func(l *lab) {
		if n := len(l.c.Topology().Links()); n != 6 {
			l.t.Fatalf("%d links, want 3 both ways", n)
		}
		for range 3 {
			l.Host("a").Send(announce(l.Host("a")))
			l.after(time.Second)
			for name, want := range map[string]int{"a": 0, "b": 1, "c": 1} {
				if got := len(l.Host(name).Frames()); got != want {
					l.t.Errorf("%s got it %d times, want %d", name, got, want)
				}
			}
		}
	})
}

// TestNoStormBeforeDiscovery sends broadcasts while nobody knows yet that the switches are a ring.
func TestNoStormBeforeDiscovery(t *testing.T) {
	inLab(t, ring, func(l *lab) {
		for _, sw := range l.Switches() {
			sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
				if out, ok := m.(*ofproto.PacketOut); ok && out.InPort == ofproto.PortNone {
					v.Do = oftest.Swallow // discovery
				}
				return v
			})
		}
		l.restart()
		for range 5 {
			l.Host("a").Send(announce(l.Host("a")))
			l.after(100 * time.Millisecond)
		}
		for _, sw := range l.Switches() {
			sw.Intercept(nil)
		}
		l.after(10 * time.Second)
		for _, name := range []string{"b", "c"} {
			if got := len(l.Host(name).Frames()); got > 5 {
				l.t.Errorf("%s got 5 broadcasts %d times", name, got)
			}
		}
	})
}

// TestARP has the controller answer for hosts that it knows: the question goes no further, and the answer is the host's.
func TestARP(t *testing.T) {
	inLab(t, ring, func(l *lab) {
		a, b, c := l.Host("a"), l.Host("b"), l.Host("c")
		a.ARP(b.IP) // b is not known: everybody is asked, b answers and is learnt
		l.after(time.Second)
		if mac, _ := a.Knows(b.IP); mac != b.MAC {
			t.Fatalf("a takes %v for b's address, want %v", mac, b.MAC)
		}
		before, _ := b.Wire().Carried()
		c.ARP(b.IP)
		l.after(100 * time.Millisecond)
		after, _ := b.Wire().Carried()
		if mac, _ := c.Knows(b.IP); mac != b.MAC {
			t.Errorf("c takes %v for b's address, want %v", mac, b.MAC)
		}
		if asked := after[1] - before[1]; asked != 0 {
			t.Errorf("%d packets came to b although it is known", asked)
		}
		if h, ok := l.c.Topology().HostByIP(b.IP); !ok || h.At.DPID != 2 || h.At.Port != 1 {
			t.Errorf("b is learnt to be at %+v", h)
		}
	})
}

// TestForwarding has two hosts talk over the shortest path. The packets after the first do not trouble the controller.
func TestForwarding(t *testing.T) {
	inLab(t, ring, func(l *lab) {
		conn := l.Host("a").Dial(l.Host("b").IP, 80)
		l.after(time.Second)
		if !conn.Established() {
			l.t.Fatalf("state %v\n%s", conn.State(), l.dump())
		}
		outs := l.Switch("s1").Received(ofproto.TypePacketOut) + l.Switch("s2").Received(ofproto.TypePacketOut)
		for range 50 {
			conn.Write([]byte("x"))
		}
		l.after(100 * time.Millisecond)
		if got := string(from(l.Host("b"), l.Host("a"))[0].Read()); len(got) != 50 {
			l.t.Errorf("b got %d bytes, want 50", len(got))
		}
		outs = l.Switch("s1").Received(ofproto.TypePacketOut) + l.Switch("s2").Received(ofproto.TypePacketOut) - outs
		if outs > 40 {
			l.t.Errorf("%d packets went by the controller", outs)
		}
		if n := len(l.rules("s3", flow.KindPair)); n != 0 {
			l.t.Errorf("%d rules on the switch that is not on the path", n)
		}
	})
}

// TestLinkCut cuts the link that a conversation uses: within a second it goes the other way round the ring.
func TestLinkCut(t *testing.T) {
	var wires [3]*oftest.Wire
	inLab(t, ringOf(&wires), func(l *lab) {
		conn := l.Host("a").Dial(l.Host("b").IP, 80)
		l.after(time.Second)
		for _, seen := range []bool{true, false} { // a cut that the switches notice, and one that they do not
			lost := time.Second
			if seen {
				wires[0].SetUp(false)
			} else {
				wires[0].SetLossy(true)
				lost = 25 * time.Second // three discovery packets, and some
			}
			l.after(lost)
			got := from(l.Host("b"), l.Host("a"))[0]
			got.Read()
			conn.Write([]byte("round"))
			l.after(100 * time.Millisecond)
			if s := string(got.Read()); s != "round" {
				l.t.Fatalf("noticed %v: b got %q\n%s", seen, s, l.dump())
			}
			l.Host("c").Frames()
			l.Host("a").Send(announce(l.Host("a")))
			l.after(time.Second)
			if n := len(l.Host("c").Frames()); n != 1 {
				l.t.Errorf("noticed %v: a broadcast came %d times", seen, n)
			}
			wires[0].SetUp(true)
			l.settle()
			if n := len(l.c.Topology().Links()); n != 6 {
				l.t.Errorf("%d links after the cut was mended, want 6", n)
			}
		}
	})
}

// TestHostMove moves a host to another switch in the middle of a conversation. As soon as it says something it is found,
// also by those who send to it all the time.
func TestHostMove(t *testing.T) {
	inLab(t, ring, func(l *lab) {
		a, b := l.Host("a"), l.Host("b")
		conn := a.Dial(b.IP, 80)
		l.after(time.Second)
		back := from(b, a)[0]
		l.Move("a", "s3", 5)
		l.after(2 * time.Second)
		a.ARP(b.IP)
		l.after(500 * time.Millisecond)
		back.Write([]byte("there you are"))
		l.after(500 * time.Millisecond)
		if got := string(conn.Read()); got != "there you are" {
			l.t.Errorf("got %q after the move\n%s", got, l.dump())
		}
		if l.logged("host moved") != 1 {
			l.t.Errorf("moved %d times", l.logged("host moved"))
		}
		if n := len(l.rules("s1", flow.KindPair)); n != 0 {
			l.t.Errorf("%d rules at the place it has left: a detour", n)
		}
	})
}

// TestTwoClaimOneAddress has a second host claim a known one's IPv4 address. It is reported.
func TestTwoClaimOneAddress(t *testing.T) {
	inLab(t, ring, func(l *lab) {
		a, b := l.Host("a"), l.Host("b")
		a.ARP(b.IP)
		l.after(time.Second)
		l.Host("c").Send(packet.AppendARP(nil, packet.ARP{
			Op: packet.ARPRequest, SenderMAC: l.Host("c").MAC, SenderIP: b.IP, TargetIP: a.IP,
		}))
		l.after(time.Second)
		if l.logged("address claimed by a second host") != 1 || l.metric("ofctl_address_conflicts_total") != 1 {
			l.t.Error("not reported")
		}
	})
}
