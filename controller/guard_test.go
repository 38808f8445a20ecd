package controller

import (
	"slices"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// made is the nth of the addresses that nobody has.
func made(n int) (mac [6]byte, ip [4]byte) {
	return [6]byte{0x06, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, [4]byte{10, 128 | byte(n>>16), byte(n >> 8), byte(n)}
}

// floods are ways of a host to send what its switch must ask about, each time from an address that is new.
var floods = []struct {
	name  string
	class class
	frame func(l *lab, n int) []byte
}{
	{"to everybody", classOther, func(_ *lab, n int) []byte {
		mac, ip := made(n)
		return packet.AppendUDP(nil, packet.UDP{SrcMAC: mac, DstMAC: [6]byte{255, 255, 255, 255, 255, 255}, SrcIP: ip, DstIP: [4]byte{255, 255, 255, 255}, SrcPort: 1, DstPort: 2})
	}},
	{"to the service's host", classOther, func(l *lab, n int) []byte {
		mac, ip := made(n)
		return packet.AppendUDP(nil, packet.UDP{SrcMAC: mac, DstMAC: l.Host("hs").MAC, SrcIP: ip, DstIP: cdnIP, SrcPort: 1, DstPort: 2})
	}},
	{"ARP for nobody", classARP, func(_ *lab, n int) []byte {
		mac, ip := made(n)
		return packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: mac, SenderIP: ip, TargetIP: [4]byte{10, 77, 0, 1}})
	}},
	{"ARP for the service's host", classARP, func(l *lab, _ int) []byte {
		return packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: l.Host("hv1").MAC, SenderIP: l.Host("hv1").IP, TargetIP: cdnIP})
	}},
	{"ARP replies to the service's host", classARP, func(l *lab, _ int) []byte {
		h := l.Host("hs")
		return packet.AppendARP(nil, packet.ARP{
			Op: packet.ARPReply, SenderMAC: l.Host("hv1").MAC, SenderIP: l.Host("hv1").IP, TargetMAC: h.MAC, TargetIP: h.IP, Dst: h.MAC,
		})
	}},
	{"LLDP", classLLDP, func(l *lab, n int) []byte {
		return packet.AppendLLDP(nil, packet.LLDP{DPID: 1, Port: 4, TTL: 15, Nonce: uint64(n)}, []byte("guessed"))
	}},
	{"from a probe's address", classOther, func(l *lab, n int) []byte {
		return packet.AppendUDP(nil, packet.UDP{SrcMAC: probeMAC(uint32(n)), DstMAC: l.Host("hs").MAC, SrcIP: l.Host("hv1").IP, DstIP: cdnIP, SrcPort: 1, DstPort: 2})
	}},
	{"copies", classOther, func(l *lab, n int) []byte { return copied(l, n, 99) }},
	{"copies to the service", classStream, func(l *lab, n int) []byte { return copied(l, n, 1935) }},
	{"no Ethernet", classOther, func(*lab, int) []byte { return make([]byte, 9) }},
	{"answers to no probe", classProbe, func(l *lab, n int) []byte { return answer(l, n, packet.ACK) }},
	{"refusals of no probe", classProbe, func(l *lab, n int) []byte { return answer(l, n, packet.ACK|packet.RST) }},
	{"SYNs", classStream, func(l *lab, n int) []byte { return segment(l, n, packet.SYN) }},
	{"RSTs", classStream, func(l *lab, n int) []byte { return segment(l, n, packet.RST) }},
}

// copied is a copy of a connection's that is nobody's.
func copied(l *lab, n int, port uint16) []byte {
	h := l.Host("hv1")
	return packet.AppendTCP(nil, packet.TCP{
		SrcMAC: h.MAC, DstMAC: steer.CopyMAC, SrcIP: h.IP, DstIP: cdnIP, SrcPort: uint16(1024 + n%60000), DstPort: port, Seq: uint32(n), Flags: packet.ACK,
	})
}

// answer seems to be a peer's to a probe that nobody sent.
func answer(l *lab, n int, flags uint8) []byte {
	return packet.AppendTCP(nil, packet.TCP{
		SrcMAC: l.Host("hv1").MAC, DstMAC: l.Host("hs").MAC, SrcIP: peerIP, DstIP: cdnIP, SrcPort: 1935, DstPort: probePort, Ack: uint32(n), Flags: flags,
	})
}

func segment(l *lab, n int, flags uint8) []byte {
	_, ip := made(n)
	return packet.AppendTCP(nil, packet.TCP{
		SrcMAC: l.Host("hv1").MAC, DstMAC: l.Host("hs").MAC, SrcIP: ip, DstIP: cdnIP, SrcPort: uint16(1024 + n%60000), DstPort: 1935,
		Seq: uint32(n), Flags: flags, Window: 1000,
	})
}

// TestKeepsUp has a host send what costs everybody, two thousand a second, while nothing tells that this is too much: all of
// it is handled, and nothing is dropped anywhere.
func TestKeepsUp(t *testing.T) {
	for _, f := range floods {
		t.Run(f.name, func(t *testing.T) {
			inLab(t, single, func(l *lab) {
				l.watch("hv1")
				ins := l.metric("ofctl_packet_ins_total")
				const packets = 6000
				for n := range packets {
					l.Host("hv1").Send(f.frame(l, n))
					time.Sleep(500 * time.Microsecond)
				}
				l.after(10 * time.Millisecond)
				if n := l.metric("ofctl_packet_ins_total") - ins; n < packets && f.name != "to the service's host" {
					l.t.Errorf("%v packets came up, want %d", n, packets)
				}
				if n := l.metric("ofctl_packet_ins_dropped_total"); n != 0 || len(l.rules("s1", flow.KindQuench)) != 0 {
					l.t.Errorf("%v packets are dropped", n)
				}
				if n := len(l.Host("hv2").Frames()); f.name == "to everybody" && n < packets {
					l.t.Errorf("%d came to another host, want all %d", n, packets)
				}
				if n := l.metric("ofctl_decisions_total"); f.name == "SYNs" && n < packets {
					l.t.Errorf("%v connections are decided, want all %d", n, packets)
				}
			})
		})
	}
}

// TestOverload has a host send the same faster than is read: many packets come in one read. Its port is quenched, what is
// dropped is counted by port and class, and other hosts' packets of the same kind are handled all the while.
func TestOverload(t *testing.T) {
	for _, f := range floods {
		t.Run(f.name, func(t *testing.T) {
			inLab(t, single, func(l *lab) {
				l.watch("hv1")
				sw := l.Switch("s1")
				// A barrier that takes long is how a switch tells that it is behind with rules.
				sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
					if m.Type() == ofproto.TypeBarrierRequest {
						v.Delay = 50 * time.Millisecond
					}
					return v
				})
				ins := l.metric("ofctl_packet_ins_total")
				const bursts, burst = 25, 400
				for i := range bursts {
					l.atOnce(func() {
						for n := range burst {
							sw.Receive(3, f.frame(l, i*burst+n))
						}
					})
					l.after(40 * time.Millisecond)
				}
				if n := l.metric("ofctl_packet_ins_total") - ins; n > bursts*burst/2 {
					l.t.Errorf("%v of %d packets came up: the port is not quenched", n, bursts*burst)
				}
				if n := l.dropped(3, f.class); n == 0 {
					l.t.Error("no packet of its port and class is counted as dropped")
				}
				for c := range classes {
					if n := l.dropped(3, c); c != f.class && n != 0 {
						l.t.Errorf("%v of class %v are dropped", n, c)
					}
				}
				if n := l.dropped(4, f.class); n != 0 {
					l.t.Errorf("%v of another port", n)
				}
				if l.metric("ofctl_overloads_total") == 0 && f.class != classStream {
					l.t.Error("nobody is told")
				}
				l.Host("hv2").Forget()
				begin := time.Now()
				c := l.Host("hv2").Dial(cdnIP, 1935)
				for i := 0; !c.Established() && i < 2000; i++ {
					sw.Receive(3, f.frame(l, bursts*burst+i))
					l.after(time.Millisecond)
				}
				if took := time.Since(begin); took > 500*time.Millisecond {
					l.t.Errorf("another host is connected after %v", took)
				}
			})
		})
	}
}

func (l *lab) dropped(port ofproto.Port, c class) float64 {
	return l.series("ofctl_packet_ins_dropped_total", map[string]string{"port": port.String(), "class": c.String()})
}

// series is the sum of those series of a metric that have some labels.
func (l *lab) series(name string, labels map[string]string) (sum float64) {
	l.t.Helper()
	families, err := l.reg.Gather()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			found := 0
			for _, p := range m.GetLabel() {
				if want, ok := labels[p.GetName()]; ok && want == p.GetValue() {
					found++
				}
			}
			if found == len(labels) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// TestLag has the answers of one switch take long, although few packets come in one read: it does not keep up, and ports are
// held to their shares. Once it does again, they are free.
func TestLag(t *testing.T) {
	inLab(t, single, func(l *lab) {
		sw := l.Switch("s1")
		send := func(from, packets int) {
			for n := range packets {
				sw.Receive(3, floods[0].frame(l, from+n))
				l.after(500 * time.Microsecond)
			}
		}
		send(0, 2000)
		if l.metric("ofctl_packet_ins_dropped_total") != 0 {
			l.t.Fatal("dropped too early")
		}
		sw.Intercept(func(_ int, _ uint32, m ofproto.Message) (v oftest.Verdict) {
			if m.Type() == ofproto.TypeEchoRequest {
				v.Delay = 100 * time.Millisecond
			}
			return v
		})
		send(10_000, 4000)
		was := l.metric("ofctl_packet_ins_dropped_total")
		if n := l.metric("ofctl_overloads_total"); was == 0 || n < 1 || n > 2 { // one a second: meanwhile its port is quenched
			l.t.Errorf("%v dropped, %v overloads in two seconds, want some and one or two", was, n)
		}
		sw.Intercept(nil)
		l.after(2 * time.Second)
		send(20_000, 2000)
		if n := l.metric("ofctl_packet_ins_dropped_total"); n != was {
			l.t.Errorf("%v dropped although all keep up again", n-was)
		}
	})
}

// TestAddressFlood has a host use ever new addresses. What is remembered of them is bounded, in the daemon and on the switch,
// and those who live at other ports stay known.
func TestAddressFlood(t *testing.T) {
	inLab(t, single, func(l *lab) {
		for n := range maxHosts {
			mac, ip := made(n)
			l.c.topo.Learn(mac, ip, topo.Point{DPID: 1, Port: 3}, time.Now())
		}
		const packets = pairBurst + 1000
		begin := time.Now()
		for n := range packets {
			l.Switch("s1").Receive(3, floods[1].frame(l, maxHosts+n))
			if n%50 == 0 {
				l.after(20 * time.Millisecond)
			}
		}
		if n := l.c.Topology().NumHosts(); n > maxHosts || n < maxHosts/2 {
			l.t.Errorf("%d hosts are remembered, want at most %d", n, maxHosts)
		}
		if most := pairBurst + int(pairRate*time.Since(begin).Seconds()) + 10; len(l.rules("s1", flow.KindPair)) > most {
			l.t.Errorf("%d rules on the switch, want at most %d", len(l.rules("s1", flow.KindPair)), most)
		}
		for _, name := range []string{"hs", "hb"} {
			if _, ok := l.c.Topology().HostByIP(l.Host(name).IP); !ok {
				l.t.Errorf("%s is not known any more", name)
			}
		}
		if l.logged("too many hosts: those of the switch that has most make room") == 0 {
			l.t.Error("nobody is told")
		}
		l.servedBy(l.watch("hv2"), "hv2", "hb")
	})
}

// TestSYNFlood has a host send SYNs from ever new addresses. The sessions that are remembered are bounded, and so are their
// rules; who really watches, from the same port even, keeps his session.
func TestSYNFlood(t *testing.T) {
	inLab(t, single, func(l *lab) {
		one := l.watch("hv1")
		l.servedBy(one, "hv1", "hb")
		for n := range maxUnheard + 500 {
			l.Switch("s1").Receive(3, segment(l, n, packet.SYN))
			l.after(500 * time.Microsecond)
		}
		if n := l.c.sessions.Len(); n > maxUnheard+1 || n < maxUnheard {
			l.t.Errorf("%d sessions are remembered, want about %d", n, maxUnheard)
		}
		if n := l.sessionRules(); n > 2*(maxUnheard+1) {
			l.t.Errorf("%d rules of sessions", n)
		}
		l.servedBy(one, "hv1", "hb")
		l.servedBy(l.watch("hv2"), "hv2", "hb")
	})
}

// TestRoomForSessions fills all the room of a port with sessions that go on. There is room again as soon as one of them is
// over, or has fallen silent.
func TestRoomForSessions(t *testing.T) {
	inLab(t, single, func(l *lab) {
		b := new(begun)
		first := &session{c: l.c, state: active, heard: true}
		for range maxUnheard + maxHeard {
			if !b.room() {
				l.t.Fatalf("no room with %d and %d", len(b.young), len(b.heard))
			}
			b.add(&session{c: l.c, state: active, heard: true})
		}
		b.heard[3] = first
		if b.room() {
			l.t.Errorf("room beside %d and %d that go on", len(b.young), len(b.heard))
		}
		for i, state := range []sessionState{ended, parked} {
			s := b.heard[4]
			s.mu.Lock()
			s.state = state
			s.mu.Unlock()
			if !b.room() {
				l.t.Errorf("%d: no room although one is %v", i, state)
			}
			b.add(&session{c: l.c, state: active, heard: true})
			if s.isOpen() {
				l.t.Errorf("%d: it is still remembered", i)
			}
		}
		if !first.isOpen() || len(b.heard) > maxHeard || len(b.young) > maxUnheard {
			l.t.Errorf("%d and %d", len(b.young), len(b.heard))
		}
	})
}

// TestBeyondRoom has a viewer dial from a port where all that is remembered of sessions goes on. The daemon keeps up, so nothing is
// dropped: he is served by the node he dialled, and what he sends counts towards the port's share once it does not.
func TestBeyondRoom(t *testing.T) {
	inLab(t, single, func(l *lab) {
		before := l.Host("hv1").DialFrom(41000, cdnIP, 1935)
		l.servedBy(before, "hv1", "hb")
		l.after(10 * time.Minute) // its rules have expired
		d, _ := l.c.datapath(1)
		b := &d.guard(3).begun
		other := &session{c: l.c, state: active, heard: true}
		b.young, b.heard = slices.Repeat([]*session{other}, maxUnheard), slices.Repeat([]*session{other}, maxHeard)
		l.servedBy(l.watch("hv1"), "hv1", "hs")
		l.Host("hs").Frames()
		for i, flags := range []uint8{packet.SYN, packet.ACK, packet.ACK} { // from a port that led to the peer
			l.Host("hv1").SendTCP(packet.TCP{DstIP: cdnIP, SrcPort: 41000, DstPort: 1935, Seq: uint32(99 + i), Flags: flags, Window: 1000})
			l.after(time.Second)
		}
		if n := saw(l.Host("hs"), l.Host("hv1").IP); n < 3 {
			l.t.Errorf("%d segments of a new connection came to whom it dialled, want all 3", n)
		}
		if n := l.metric("ofctl_packet_ins_dropped_total"); n != 0 || l.logged("port floods") != 0 {
			l.t.Errorf("%v packets are dropped", n)
		}
		if n := l.metric("ofctl_sessions"); n != 0 {
			l.t.Errorf("%v sessions begin where there is no room for any", n)
		}
		l.servedBy(l.watch("hv2"), "hv2", "hb")
		for range 25 {
			l.atOnce(func() {
				for n := range 400 {
					l.Switch("s1").Receive(3, segment(l, n, packet.SYN))
				}
			})
			l.after(40 * time.Millisecond)
		}
		if l.dropped(3, classStream) == 0 {
			l.t.Error("a flood beside them is not held to its share")
		}
	})
}

// TestReusedPort has a host begin a connection from the same port again and again: what is remembered of those before does not
// add up, and they count towards its share like others.
func TestReusedPort(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.watch("hv1")
		hv1, hs := l.Host("hv1"), l.Host("hs")
		l.atOnce(func() { // before there is a rule
			for n := range 2 * maxUnheard {
				l.Switch("s1").Receive(3, packet.AppendTCP(nil, packet.TCP{
					SrcMAC: hv1.MAC, DstMAC: hs.MAC, SrcIP: hv1.IP, DstIP: cdnIP, SrcPort: 5000, DstPort: 1935,
					Seq: uint32(n), Flags: packet.SYN, Window: 1000,
				}))
			}
		})
		l.after(time.Second)
		d, _ := l.c.datapath(1)
		if n := len(d.guard(3).begun.young); n > maxUnheard {
			l.t.Errorf("%d sessions of one port are remembered", n)
		}
	})
}

// TestStrangersOverLinks has packets come over a link from a host that nobody knows: they are sent on, and get no rule.
func TestStrangersOverLinks(t *testing.T) {
	inLab(t, line, func(l *lab) {
		hs := l.Host("hs")
		for n := range 100 {
			mac, ip := made(n)
			frame := packet.AppendUDP(nil, packet.UDP{SrcMAC: mac, DstMAC: hs.MAC, SrcIP: ip, DstIP: cdnIP, SrcPort: 1, DstPort: 2})
			l.Switch("s2").Receive(11, frame)
		}
		l.after(time.Second)
		for _, sw := range []string{"s2", "s3"} {
			if n := len(l.rules(sw, flow.KindPair)); n != 0 {
				l.t.Errorf("%d rules on %s", n, sw)
			}
		}
		got := 0
		for _, f := range hs.Frames() {
			var p packet.Peeked
			if packet.Peek(f, &p) == nil && p.Src[0] == 0x06 {
				got++
			}
		}
		if got != 100 {
			l.t.Errorf("%d came to their host, want 100", got)
		}
	})
}

// TestManyPorts has a switch name more ports than are told apart.
func TestManyPorts(t *testing.T) {
	inLab(t, single, func(l *lab) {
		d, _ := l.c.datapath(1)
		other := &datapath{c: l.c, dpid: 9, guards: make(map[ofproto.Port]*portGuard), metrics: d.metrics}
		for port := range ofproto.Port(60_000) {
			other.guard(port).pairs.take(time.Now(), 1, 2)
		}
		if n := len(other.guards); n > maxGuarded+1 {
			l.t.Errorf("%d ports are told apart", n)
		}
	})
}

// TestFloodOfWaysBack has a peer send what might be the way back of a session of any host behind its port: where that is too much, it
// is held to its share.
func TestFloodOfWaysBack(t *testing.T) {
	inLab(t, single, func(l *lab) {
		hb, hs := l.Host("hb"), l.Host("hs")
		l.atOnce(func() { // before there is a rule
			for n := range 2000 {
				l.Switch("s1").Receive(1, packet.AppendTCP(nil, packet.TCP{
					SrcMAC: hb.MAC, DstMAC: hs.MAC, SrcIP: hb.IP, DstIP: hs.IP, SrcPort: 1935, DstPort: uint16(2000 + n), Flags: packet.ACK,
				}))
			}
		})
		l.after(time.Second)
		if n := l.dropped(1, classOther); n == 0 {
			l.t.Error("nothing is dropped")
		}
	})
}
