package oftest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

func TestLookup(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(9)})
	exact := keyOf(1, tcp(nil))
	mustApply(t, sw,
		add(0, ofproto.MatchAll, output(9)),
		add(10, tcpTo(ofproto.IPv4{10}, 8), output(2)),
		add(20, tcpTo(ofproto.IPv4{10, 0, 0, 2}, 31), output(3)), // 10.0.0.2 and 10.0.0.3
		add(65535, tcpTo(ofproto.IPv4{10, 0, 0, 3}, 32), output(4)),
		add(5, exact, output(5)),
		add(30, match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildDLVLAN; m.DLVLAN = 7 }), output(6)),
		add(15, match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildInPort; m.InPort = 8 }), output(7)),
	)
	for _, tt := range []struct {
		name  string
		in    ofproto.Port
		frame []byte
		want  []ofproto.Port
	}{
		{"exact outranks every priority", 1, tcp(nil), []ofproto.Port{5}},
		{"another source port is not exact", 1, tcp(func(t *packet.TCP) { t.SrcPort++ }), []ofproto.Port{3}},
		{"another port in is not exact", 2, tcp(nil), []ofproto.Port{3}},
		{"highest priority", 1, tcp(func(t *packet.TCP) { t.DstIP[3] = 3 }), []ofproto.Port{4}},
		{"prefix of 8", 1, tcp(func(t *packet.TCP) { t.DstIP = [4]byte{10, 9, 9, 9} }), []ofproto.Port{2}},
		{"outside the prefix", 1, tcp(func(t *packet.TCP) { t.DstIP = [4]byte{11, 9, 9, 9} }), []ofproto.Port{9}},
		{"another destination port", 1, tcp(func(t *packet.TCP) { t.DstPort = 80 }), []ofproto.Port{9}},
		{"VLAN", 1, tcp(func(t *packet.TCP) { t.VLAN = 7 }), []ofproto.Port{6}},
		{"port in", 8, tcp(func(t *packet.TCP) { t.DstPort = 80 }), []ofproto.Port{7}},
		{"lower priority, not more exact", 8, tcp(nil), []ofproto.Port{3}},
	} {
		wantPorts(t, tt.name, outPorts(sw, tt.in, tt.frame), tt.want...)
	}
	if v := sw.Violations(); v != nil {
		t.Errorf("violations: %q", v)
	}
}

func TestCounters(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2)})
	mustApply(t, sw, add(1, ofproto.MatchAll, output(2)))
	long := tcp(func(t *packet.TCP) { t.Payload = make([]byte, 100) })
	sw.Receive(1, tcp(nil))
	sw.Receive(1, long)
	if f := sw.Flows()[0]; f.Packets != 2 || f.Bytes != uint64(60+len(long)) {
		t.Errorf("%d packets, %d bytes", f.Packets, f.Bytes)
	}
	mustApply(t, sw, with(add(1, ofproto.MatchAll, output(1)), func(m *ofproto.FlowMod) { m.Command = ofproto.FlowModify }))
	if f := sw.Flows()[0]; f.Packets != 2 || !reflect.DeepEqual(f.Actions, []ofproto.Action{output(1)}) {
		t.Errorf("after MODIFY: %+v", f)
	}
	mustApply(t, sw, add(1, ofproto.MatchAll, output(2)))
	if f := sw.Flows(); len(f) != 1 || f[0].Packets != 0 {
		t.Errorf("after ADD of the same match: %+v", f)
	}
}

// TestCommands runs each command on the same table and looks at which cookies are left, in order of priority.
func TestCommands(t *testing.T) {
	wide, narrow, other := tcpTo(ofproto.IPv4{10}, 8), tcpTo(ipB, 32), tcpTo(ofproto.IPv4{11}, 8)
	command := func(c ofproto.FlowModCommand, priority uint16, m ofproto.Match, out ofproto.Port) *ofproto.FlowMod {
		return with(add(priority, m, output(4)), func(mod *ofproto.FlowMod) { mod.Command, mod.OutPort, mod.Cookie = c, out, 99 })
	}
	for _, tt := range []struct {
		name string
		mod  *ofproto.FlowMod
		want []uint64
	}{
		{"delete all", command(ofproto.FlowDelete, 0, ofproto.MatchAll, ofproto.PortNone), nil},
		{"delete what the prefix covers", command(ofproto.FlowDelete, 0, wide, ofproto.PortNone), []uint64{4}},
		{"delete what the narrow one covers", command(ofproto.FlowDelete, 0, narrow, ofproto.PortNone), []uint64{4, 1}},
		{"delete by port", command(ofproto.FlowDelete, 0, ofproto.MatchAll, 3), []uint64{4, 1}},
		{"delete by port and match", command(ofproto.FlowDelete, 0, other, 3), []uint64{4, 3, 2, 1}},
		{"strict, right priority", command(ofproto.FlowDeleteStrict, 20, narrow, ofproto.PortNone), []uint64{4, 3, 1}},
		{"strict, wrong priority", command(ofproto.FlowDeleteStrict, 21, narrow, ofproto.PortNone), []uint64{4, 3, 2, 1}},
		{"strict, wrong port", command(ofproto.FlowDeleteStrict, 20, narrow, 2), []uint64{4, 3, 2, 1}},
		{"modify what it covers", command(ofproto.FlowModify, 0, narrow, ofproto.PortNone), []uint64{4, 99, 99, 1}},
		{"modify ignores out_port", command(ofproto.FlowModify, 0, narrow, 2), []uint64{4, 99, 99, 1}},
		{"modify strict", command(ofproto.FlowModifyStrict, 20, narrow, ofproto.PortNone), []uint64{4, 3, 99, 1}},
		{"modify nothing adds", command(ofproto.FlowModify, 50, tcpTo(ofproto.IPv4{12}, 8), ofproto.PortNone), []uint64{99, 4, 3, 2, 1}},
		{"modify strict nothing adds", command(ofproto.FlowModifyStrict, 10, narrow, ofproto.PortNone), []uint64{4, 3, 2, 1, 99}},
		{"add beside", command(ofproto.FlowAdd, 20, wide, ofproto.PortNone), []uint64{4, 3, 2, 99, 1}},
		{"add in place", command(ofproto.FlowAdd, 20, narrow, ofproto.PortNone), []uint64{4, 3, 99, 1}},
	} {
		sw := NewSwitch(Options{Ports: ports(4)})
		mustApply(t, sw,
			with(add(10, wide, output(2)), func(m *ofproto.FlowMod) { m.Cookie = 1 }),
			with(add(20, narrow, output(3)), func(m *ofproto.FlowMod) { m.Cookie = 2 }),
			with(add(30, narrow, output(1), ofproto.Enqueue{Port: 3}), func(m *ofproto.FlowMod) { m.Cookie = 3 }),
			with(add(40, other, output(2)), func(m *ofproto.FlowMod) { m.Cookie = 4 }))
		mustApply(t, sw, tt.mod)
		if got := cookies(sw); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: cookies %d left, want %d", tt.name, got, tt.want)
		}
	}
}

func TestModifyKeepsCookieOfAllOnes(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2)})
	mustApply(t, sw, with(add(1, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.Cookie = 5 }),
		with(add(1, ofproto.MatchAll, output(2)), func(m *ofproto.FlowMod) { m.Command, m.Cookie = ofproto.FlowModify, ^uint64(0) }))
	if f := sw.Flows()[0]; f.Cookie != 5 || len(f.Actions) != 1 {
		t.Errorf("%+v", f)
	}
}

func TestOverlap(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2)})
	overlap := func(priority uint16, m ofproto.Match) error {
		return sw.Apply(with(add(priority, m), func(m *ofproto.FlowMod) { m.Flags = ofproto.CheckOverlap }))
	}
	mustApply(t, sw, add(10, tcpTo(ofproto.IPv4{10}, 8)))
	fromA := match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildDLSrc; m.DLSrc = macA })
	for _, tt := range []struct {
		name     string
		priority uint16
		match    ofproto.Match
		want     error
	}{
		{"inside", 10, tcpTo(ipB, 32), Overlap},
		{"around", 10, ofproto.MatchAll, Overlap},
		{"another field", 10, fromA, Overlap},
		{"the same", 10, tcpTo(ofproto.IPv4{10}, 8), nil},
		{"apart", 10, tcpTo(ofproto.IPv4{11}, 8), nil},
		{"another priority", 11, tcpTo(ipB, 32), nil},
	} {
		if err := overlap(tt.priority, tt.match); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if n := len(sw.Flows()); n != 3 {
		t.Errorf("%d entries, want 3: a refused entry must not be added", n)
	}
}

func TestTableFull(t *testing.T) {
	sw := NewSwitch(Options{TableSize: 2})
	mustApply(t, sw, add(1, ofproto.MatchAll), add(2, ofproto.MatchAll))
	if err := sw.Apply(add(3, ofproto.MatchAll)); !errors.Is(err, TableFull) {
		t.Errorf("third entry: %v", err)
	}
	if err := sw.Apply(with(add(3, tcpTo(ipA, 32)), func(m *ofproto.FlowMod) { m.Command = ofproto.FlowModifyStrict })); !errors.Is(err, TableFull) {
		t.Errorf("a modification that adds: %v", err)
	}
	mustApply(t, sw, add(2, ofproto.MatchAll)) // in place of one that is there
	mustApply(t, sw, with(add(2, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.Command = ofproto.FlowDeleteStrict; m.OutPort = ofproto.PortNone }))
	mustApply(t, sw, add(3, ofproto.MatchAll))
}

func TestTimeouts(t *testing.T) {
	c := newClock()
	sw := NewSwitch(Options{Ports: ports(2), Now: c.now})
	timed := func(cookie uint64, priority, idle, hard uint16) *ofproto.FlowMod {
		return with(add(priority, ofproto.MatchAll, output(2)), func(m *ofproto.FlowMod) {
			m.Cookie, m.IdleTimeout, m.HardTimeout = cookie, idle, hard
		})
	}
	mustApply(t, sw, timed(1, 3, 10, 0), timed(2, 2, 0, 25), timed(3, 1, 0, 0))
	c.add(9.9)
	wantPorts(t, "idle entry in use", outPorts(sw, 1, tcp(nil)), 2)
	c.add(9.9) // 19.8, of which 9.9 idle
	if got := cookies(sw); !reflect.DeepEqual(got, []uint64{1, 2, 3}) {
		t.Errorf("at 19.8 s: %d", got)
	}
	c.add(0.1)
	if got := cookies(sw); !reflect.DeepEqual(got, []uint64{2, 3}) {
		t.Errorf("at 19.9 s, after 10 idle: %d", got)
	}
	sw.Receive(1, tcp(nil)) // a packet does not help against a hard timeout
	c.add(5.1)
	if got := cookies(sw); !reflect.DeepEqual(got, []uint64{3}) {
		t.Errorf("at 25 s: %d", got)
	}
	if f := sw.Flows()[0]; f.Age != 25*time.Second {
		t.Errorf("age %v", f.Age)
	}
}

func TestCanonical(t *testing.T) {
	ip := func(change func(*ofproto.Match)) ofproto.Match {
		return match(func(m *ofproto.Match) {
			m.Wildcards &^= ofproto.WildDLType
			m.DLType = packet.TypeIPv4
			change(m)
		})
	}
	for _, tt := range []struct {
		name     string
		in       ofproto.Match
		want     ofproto.Match
		complain bool
	}{
		{"address without type", match(func(m *ofproto.Match) { m.Wildcards = m.Wildcards.WithNWSrcBits(32); m.NWSrc = ipA }), ofproto.MatchAll, true},
		{"port without protocol", ip(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildTPDst; m.TPDst = 80 }), ip(func(*ofproto.Match) {}), true},
		{"protocol without type", match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildNWProto; m.NWProto = 6 }), ofproto.MatchAll, true},
		{"lower bits of TOS", ip(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildNWTOS; m.NWTOS = 0xbb }),
			ip(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildNWTOS; m.NWTOS = 0xb8 }), false},
		{"count beyond 32", match(func(m *ofproto.Match) { m.Wildcards = m.Wildcards&^ofproto.WildNWSrc | 40<<8 }), ofproto.MatchAll, false},
		{"priority of untagged packets", match(func(m *ofproto.Match) {
			m.Wildcards &^= ofproto.WildDLVLAN | ofproto.WildDLVLANPCP
			m.DLVLAN, m.DLVLANPCP = ofproto.VLANNone, 3
		}), match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildDLVLAN; m.DLVLAN = ofproto.VLANNone }), false},
		{"all is well", tcpTo(ipA, 24), tcpTo(ofproto.IPv4{10, 0, 0, 0}, 24), false},
	} {
		got, complaint := canonical(tt.in)
		if got = plain(got); got != tt.want.Normalized() || (complaint != "") != tt.complain {
			t.Errorf("%s: %+v, %q; want %+v", tt.name, got, complaint, tt.want.Normalized())
		}
	}
}

func TestViolations(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(3)})
	mustApply(t, sw,
		add(5, match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildDLSrc; m.DLSrc = macA }), output(2)),
		add(5, match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildDLDst; m.DLDst = macB }), output(3)))
	if v := sw.Violations(); v != nil {
		t.Errorf("before any packet: %q", v)
	}
	sw.Receive(1, tcp(nil))
	if v := sw.Violations(); len(v) != 1 {
		t.Errorf("two contradicting entries: %q", v)
	}
	mustApply(t, sw, add(6, match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildInPort; m.InPort = 2 }), output(2)))
	if v := sw.Violations(); len(v) != 2 {
		t.Errorf("output to the port it came from: %q", v)
	}
}

// TestClocks holds what Open vSwitch does with the timeouts of an entry that is changed or added again.
func TestClocks(t *testing.T) {
	c := newClock()
	sw := NewSwitch(Options{Ports: ports(2), Now: c.now})
	idle := with(add(1, ofproto.MatchAll), func(m *ofproto.FlowMod) { m.IdleTimeout = 10 })
	hard := with(add(2, tcpTo(ipA, 32)), func(m *ofproto.FlowMod) { m.HardTimeout = 10 })
	mustApply(t, sw, idle, hard)
	c.add(6)
	modify := *hard
	modify.Command = ofproto.FlowModifyStrict
	mustApply(t, sw, idle, &modify)
	c.add(6)
	if f := sw.Flows(); len(f) != 1 || f[0].Priority != 2 {
		t.Errorf("adding again refreshed the idle timeout, or modifying did not restart the hard one:\n%s", sw.DumpFlows())
	}
	c.add(4)
	if f := sw.Flows(); len(f) != 0 {
		t.Errorf("left:\n%s", sw.DumpFlows())
	}
}

func TestExactIsHighestPriority(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2)})
	exact := keyOf(1, tcp(nil))
	exact.DLVLANPCP = 0
	mustApply(t, sw, add(5, exact, output(2)))
	f := sw.Flows()
	if len(f) != 1 || f[0].Priority != 65535 {
		t.Fatalf("%v", f)
	}
	// As it is reported, so it can be deleted.
	mustApply(t, sw, with(add(f[0].Priority, f[0].Match), func(m *ofproto.FlowMod) { m.Command = ofproto.FlowDeleteStrict }))
	if f := sw.Flows(); len(f) != 0 {
		t.Errorf("left: %v", f)
	}
}

func TestVLANPriorityOfUntagged(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2)})
	mustApply(t, sw, add(1, match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildDLVLANPCP }), output(2)))
	wantPorts(t, "untagged", outPorts(sw, 1, tcp(nil)))
	wantPorts(t, "tagged", outPorts(sw, 1, tcp(func(t *packet.TCP) { t.VLAN = 4 })), 2)
	untagged := match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildDLVLAN; m.DLVLAN = ofproto.VLANNone })
	if err := sw.Apply(with(add(1, untagged), func(m *ofproto.FlowMod) { m.Flags = ofproto.CheckOverlap })); err != nil {
		t.Errorf("untagged packets and a priority overlap: %v", err)
	}
}

// TestDeleteByZero has a command name a field whose value is zero, as an ignored field's is too.
func TestDeleteByZero(t *testing.T) {
	sw := NewSwitch(Options{Ports: ports(2)})
	zero := match(func(m *ofproto.Match) { m.Wildcards &^= ofproto.WildDLVLAN })
	mustApply(t, sw, add(1, ofproto.MatchAll), add(2, zero),
		with(add(0, zero), func(m *ofproto.FlowMod) { m.Command = ofproto.FlowDelete }))
	if f := sw.Flows(); len(f) != 1 || f[0].Priority != 1 {
		t.Errorf("left:\n%s", sw.DumpFlows())
	}
}

// TestFinTimeout ends connections by FIN and by RST: the entry they come by expires sooner, and says so itself. It counts
// from the last packet, so that what still flows stays.
func TestFinTimeout(t *testing.T) {
	for _, flags := range []uint8{packet.FIN | packet.ACK, packet.RST} {
		c := newClock()
		sw := NewSwitch(Options{Ports: ports(2), Now: c.now})
		flows(t, sw, "cookie=1,idle_timeout=180,priority=2,tcp,tp_dst=1935 actions=fin_timeout(idle_timeout=5),output:2",
			"cookie=2,priority=1,ip actions=fin_timeout(idle_timeout=3,hard_timeout=60),output:2")
		frame := func(port uint16, flags uint8) []byte {
			return packet.AppendTCP(nil, packet.TCP{DstMAC: macB, SrcMAC: macA, SrcIP: ipA, DstIP: ipB, SrcPort: 1, DstPort: port, Flags: flags})
		}
		sw.Receive(1, frame(1935, packet.ACK))
		sw.Receive(1, frame(80, flags))
		if f := sw.Flows(); f[0].IdleTimeout != 180 || f[1].IdleTimeout != 3 || f[1].HardTimeout != 60 {
			t.Errorf("flags %x: timeouts of\n%s", flags, sw.DumpFlows())
		}
		sw.Receive(1, frame(1935, flags))
		for range 3 {
			c.add(4)
			wantPorts(t, "in use after its end", outPorts(sw, 1, frame(1935, packet.ACK)), 2)
		}
		if got := cookies(sw); !reflect.DeepEqual(got, []uint64{1}) {
			t.Errorf("flags %x: after 12 s: %d", flags, got)
		}
		c.add(5)
		if got := cookies(sw); len(got) != 0 {
			t.Errorf("flags %x: 5 s after the last packet: %d", flags, got)
		}
	}
	mod := add(1, ofproto.MatchAll, ofproto.FinTimeout{Idle: 5})
	if err := NewSwitch(Options{Plain: true}).Apply(mod); err != BadActionVendor {
		t.Errorf("a switch without extensions says %v", err)
	}
}
