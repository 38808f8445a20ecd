package oftest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestAgainstOpenVSwitch sends the same random messages and frames to a Switch and to a real Open vSwitch, and compares
// everything that can be seen of them: errors, notifications, statistics and every byte of every frame that leaves.
func TestAgainstOpenVSwitch(t *testing.T) {
	const ports, rounds = 4, 3000
	v := startOpenVSwitch(t, ports)
	c := newClock()
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("OFCTL_SEED"), "1"), 10, 64)
	if err != nil {
		t.Fatalf("OFCTL_SEED: %v", err)
	}
	d := &differential{t: t, real: v, clock: c, rng: rand.New(rand.NewPCG(seed, 0)),
		sim: NewSwitch(Options{DPID: 1, Ports: []ofproto.Port{1, 2, 3, 4}, Now: c.now})}
	d.simPeer, d.realPeer = connect(t, d.sim), v.connect()
	d.both(&ofproto.SetConfig{MissSendLen: 0xffff})
	for i := 0; i < rounds && !t.Failed(); i++ {
		d.step()
	}
	d.compareFlows()
	t.Logf("%d frames, %d packet-outs, %d flow mods of which %d refused, %d entries expired or deleted with notice, %d flows left",
		d.frames, d.packetOuts, d.flowMods, d.refusals, d.removals, len(d.sim.Flows()))
	if !t.Failed() && (d.frames == 0 || d.packetOuts == 0 || d.refusals == 0 || d.removals == 0) {
		t.Error("some kind of step never happened: the comparison proves less than it should")
	}
}

type differential struct {
	t        *testing.T
	sim      *Switch
	real     *openVSwitch
	simPeer  *peer
	realPeer *peer
	clock    *clock
	rng      *rand.Rand
	history  []string

	frames, packetOuts, flowMods, refusals, removals int
}

func (d *differential) step() {
	switch n := d.rng.IntN(100); {
	case n < 40:
		mod := d.flowMod()
		d.log("%v", mod)
		d.flowMods++
		d.both(mod)
	case n < 80:
		d.receive(ofproto.Port(1+d.rng.IntN(4)), d.frame())
	case n < 90:
		out := &ofproto.PacketOut{BufferID: ofproto.NoBuffer, InPort: d.port(), Data: d.frame(), Actions: d.actions(true)}
		if d.rng.IntN(3) == 0 {
			out.InPort = ofproto.PortNone
		}
		for _, f := range d.reaching(out) {
			if d.ambiguous(out.InPort, f) {
				return
			}
		}
		d.log("%v", out)
		d.packetOuts++
		d.both(out)
		d.real.settle()
		d.compareSent(nil)
	case n < 95:
		seconds := 1 + d.rng.IntN(4)
		d.log("%d seconds pass", seconds)
		// A millisecond more, as the two differ in what becomes of an entry at the very end of its time.
		for range seconds {
			d.pass(time.Second)
		}
		d.pass(time.Millisecond)
		d.both()
	default:
		d.compareFlows()
	}
}

// pass lets time pass.
func (d *differential) pass(t time.Duration) {
	d.clock.at = d.clock.at.Add(t)
	d.sim.Expire()
	d.real.call("time/warp", fmt.Sprint(t.Milliseconds()))
	d.real.settle()
}

func (d *differential) log(format string, args ...any) {
	d.history = append(d.history, fmt.Sprintf(format, args...))
}

func (d *differential) fail(what string, sim, real any) {
	d.t.Helper()
	d.t.Errorf("step %d: %s differ:\n simulated    %v\n Open vSwitch %v\nlast steps:\n%s\nsimulated table:\n%sOpen vSwitch's:\n%s", len(d.history),
		what, sim, real, strings.Join(d.history[max(0, len(d.history)-8):], "\n"), d.sim.DumpFlows(), d.real.call("bridge/dump-flows", "br0"))
}

// both sends messages to both and compares the answers.
func (d *differential) both(ms ...ofproto.Message) {
	d.t.Helper()
	simReplies, realReplies := d.simPeer.ask(ms...), d.realPeer.ask(ms...)
	d.real.settle()
	sim, real := d.seen(simReplies), d.seen(realReplies)
	for tries := 0; len(real) < len(sim) && tries < 500; tries++ {
		d.real.settle() // Open vSwitch reports a deletion some time after the barrier
		time.Sleep(time.Millisecond)
		realReplies = append(realReplies, d.realPeer.ask()...)
		real = d.seen(realReplies)
	}
	for _, s := range sim {
		if strings.HasPrefix(s, "ERROR") {
			d.refusals++
		}
		if strings.HasPrefix(s, "FLOW_REMOVED") {
			d.removals++
		}
	}
	if !slices.Equal(sim, real) {
		d.fail("answers", strings.Join(sim, "\n              "), strings.Join(real, "\n              "))
	}
}

// seen tells what of a message must be the same. The order of notifications is up to the switch.
func (d *differential) seen(replies []reply) (out []string) {
	for _, r := range replies {
		switch m := r.m.(type) {
		case *ofproto.EchoRequest:
		case *ofproto.Error:
			data := m.Data
			if len(data) > 8 {
				data = data[8:] // but for the xid
			}
			out = append(out, fmt.Sprintf("ERROR %d %d %v", m.ErrType, m.Code, data))
		case *ofproto.FlowRemoved:
			out = append(out, fmt.Sprintf("FLOW_REMOVED %v priority %d cookie %d reason %v packets %d bytes %d idle %d",
				m.Match.Normalized(), m.Priority, m.Cookie, m.Reason, m.PacketCount, m.ByteCount, m.IdleTimeout))
		case *ofproto.PacketIn:
			out = append(out, fmt.Sprintf("PACKET_IN port %v %v %d %v", m.InPort, m.Reason, m.TotalLen, m.Data))
		default:
			out = append(out, fmt.Sprintf("%v %v", m.Type(), m))
		}
	}
	slices.Sort(out)
	return out
}

// ambiguous reports whether several entries of the rank that decides match a frame: each switch may take another.
func (d *differential) ambiguous(in ofproto.Port, frame []byte) bool {
	best, n := -1, 0
	for _, g := range d.sim.table.groups {
		if g.entries[under(keyOf(in, frame), g.wildcards)] != nil && g.rank >= best {
			best = g.rank
			n++
		}
	}
	return n > 1
}

// reaching returns the frames that a PACKET_OUT sends to the table.
func (d *differential) reaching(out *ofproto.PacketOut) (frames [][]byte) {
	frame := slices.Clone([]byte(out.Data))
	for _, a := range out.Actions {
		if o, ok := a.(ofproto.Output); ok {
			if o.Port == ofproto.PortTable {
				frames = append(frames, slices.Clone(frame))
			}
		} else if _, ok := a.(ofproto.Enqueue); !ok {
			frame = rewrite(frame, a)
		}
	}
	return frames
}

func (d *differential) receive(in ofproto.Port, frame []byte) {
	d.sim.Expire()
	if d.ambiguous(in, frame) {
		return
	}
	d.log("port %d receives %x", in, frame)
	d.frames++
	direct := d.sim.Receive(in, frame)
	d.real.receive(in, frame)
	d.compareSent(direct)
	d.both()
}

func (d *differential) compareSent(direct []Egress) {
	sim := map[ofproto.Port][]string{}
	for _, e := range append(direct, d.sim.Sent()...) {
		if e.Port != ofproto.PortLocal { // which is not recorded
			sim[e.Port] = append(sim[e.Port], fmt.Sprintf("%x", e.Frame))
		}
	}
	real := map[ofproto.Port][]string{}
	for range 500 {
		for port, frames := range d.real.sent() {
			real[port] = append(real[port], frames...)
		}
		if reflect.DeepEqual(sim, real) {
			return
		}
		d.real.call("version")
		time.Sleep(time.Millisecond)
	}
	d.fail("frames sent", sim, real)
}

func (d *differential) compareFlows() {
	d.real.settle()
	request := ofproto.FlowStatsRequest{Match: ofproto.MatchAll, TableID: ofproto.AllTables, OutPort: ofproto.PortNone}
	if d.rng.IntN(2) == 0 {
		request.Match, request.OutPort = d.match(), d.port()
	}
	ask := func(p *peer) (lines []string) {
		for _, r := range p.ask(&ofproto.StatsRequest{Body: request}) {
			s, ok := r.m.(*ofproto.StatsReply)
			if !ok {
				continue
			}
			for _, f := range s.Body.(ofproto.FlowStats) {
				lines = append(lines, fmt.Sprintf("%05d %v (%x) cookie %d idle %d hard %d actions %v packets %d bytes %d for %d s", f.Priority,
					f.Match.Normalized(), uint32(f.Match.Wildcards), f.Cookie, f.IdleTimeout, f.HardTimeout, f.Actions, f.PacketCount, f.ByteCount, f.DurationSec))
			}
		}
		slices.SortFunc(lines, cmp.Compare[string])
		return lines
	}
	d.log("flow statistics of %v port %v", request.Match, request.OutPort)
	if sim, real := ask(d.simPeer), ask(d.realPeer); !slices.Equal(sim, real) {
		d.fail("flow statistics", strings.Join(sim, "\n              "), strings.Join(real, "\n              "))
	}
}

// The universe is small, so that things meet.

func pick[T any](d *differential, from ...T) T { return from[d.rng.IntN(len(from))] }

func (d *differential) maybe(percent int) bool { return d.rng.IntN(100) < percent }

func (d *differential) ip() ofproto.IPv4 {
	return pick(d, ofproto.IPv4{10, 0, 0, 1}, ofproto.IPv4{10, 0, 0, 2}, ofproto.IPv4{10, 0, 1, 1}, ofproto.IPv4{192, 168, 0, 1})
}

func (d *differential) mac() ofproto.MAC   { return pick(d, macA, macB) }
func (d *differential) port() ofproto.Port { return ofproto.Port(1 + d.rng.IntN(4)) }
func (d *differential) transport() uint16  { return pick[uint16](d, 80, 1935, 40000) }
func (d *differential) tos() uint8         { return pick[uint8](d, 0, 0xb8) }

func (d *differential) frame() []byte {
	vlan := pick[uint16](d, 0, 0, 5)
	payload := make([]byte, d.rng.IntN(80))
	var frame []byte
	switch d.rng.IntN(6) {
	case 0:
		frame = packet.AppendARP(nil, packet.ARP{Op: pick[uint16](d, 1, 2), SenderMAC: d.mac(), TargetMAC: d.mac(), SenderIP: d.ip(), TargetIP: d.ip(), VLAN: vlan})
	case 1:
		frame = packet.AppendUDP(nil, packet.UDP{DstMAC: d.mac(), SrcMAC: d.mac(), SrcIP: d.ip(), DstIP: d.ip(), TOS: d.tos(), VLAN: vlan,
			SrcPort: d.transport(), DstPort: d.transport(), Payload: payload})
	default:
		frame = packet.AppendTCP(nil, packet.TCP{DstMAC: d.mac(), SrcMAC: d.mac(), SrcIP: d.ip(), DstIP: d.ip(), TOS: d.tos(), VLAN: vlan,
			SrcPort: d.transport(), DstPort: d.transport(), Flags: pick[uint8](d, packet.SYN, packet.SYN, packet.ACK, packet.FIN|packet.ACK, packet.RST), Payload: payload})
	}
	if vlan != 0 && d.maybe(50) {
		frame = packet.SetVLANPCP(frame, 3)
	}
	return frame
}

func (d *differential) match() ofproto.Match {
	if d.maybe(5) {
		return keyOf(d.port(), d.frame())
	}
	m := ofproto.MatchAll
	set := func(percent int, bit ofproto.Wildcards, field func()) {
		if d.maybe(percent) {
			m.Wildcards &^= bit
			field()
		}
	}
	set(25, ofproto.WildInPort, func() { m.InPort = d.port() })
	set(15, ofproto.WildDLSrc, func() { m.DLSrc = d.mac() })
	set(15, ofproto.WildDLDst, func() { m.DLDst = d.mac() })
	set(10, ofproto.WildDLVLAN, func() { m.DLVLAN = pick[uint16](d, 5, ofproto.VLANNone) })
	set(10, ofproto.WildDLVLANPCP, func() { m.DLVLANPCP = pick[uint8](d, 0, 3) })
	set(65, ofproto.WildDLType, func() { m.DLType = pick[uint16](d, packet.TypeIPv4, packet.TypeIPv4, packet.TypeARP) })
	set(10, ofproto.WildNWTOS, func() { m.NWTOS = d.tos() })
	set(40, ofproto.WildNWProto, func() { m.NWProto = pick[uint8](d, packet.ProtoTCP, packet.ProtoUDP, 1) })
	set(20, ofproto.WildTPSrc, func() { m.TPSrc = d.transport() })
	set(20, ofproto.WildTPDst, func() { m.TPDst = d.transport() })
	if d.maybe(40) {
		m.NWSrc, m.Wildcards = d.ip(), m.Wildcards.WithNWSrcBits(pick(d, 8, 24, 31, 32))
	}
	if d.maybe(40) {
		m.NWDst, m.Wildcards = d.ip(), m.Wildcards.WithNWDstBits(pick(d, 8, 24, 31, 32))
	}
	// Open vSwitch drops fields that do not count, as canonical does, but no longer finds such an entry by a strict command
	// that leaves them out. That is not worth imitating: a controller that sends them violates something anyway.
	m, _ = canonical(m)
	return plain(m)
}

func (d *differential) flowMod() *ofproto.FlowMod {
	mod := &ofproto.FlowMod{
		Match: d.match(), Cookie: uint64(d.rng.IntN(1000)), Priority: pick[uint16](d, 1, 2, 3, 65534),
		Command:  pick(d, ofproto.FlowAdd, ofproto.FlowAdd, ofproto.FlowAdd, ofproto.FlowAdd, ofproto.FlowModify, ofproto.FlowModifyStrict, ofproto.FlowDelete, ofproto.FlowDeleteStrict),
		BufferID: ofproto.NoBuffer, OutPort: ofproto.PortNone, Flags: pick(d, 0, ofproto.SendFlowRem, ofproto.SendFlowRem, ofproto.CheckOverlap),
	}
	if d.maybe(50) { // never both, as it depends on when a switch looks which of two is seen to be over first
		mod.IdleTimeout = pick[uint16](d, 0, 3, 7)
	} else {
		mod.HardTimeout = pick[uint16](d, 0, 5, 11)
	}
	match, _ := canonical(mod.Match)
	if old := d.sim.table.get(match, int(mod.Priority)); old != nil && past(deadline(mod.IdleTimeout, old.lastUsed), d.clock.at) {
		mod.IdleTimeout = 0 // or its time would be over already, which Open vSwitch notices within a second
	}
	switch mod.Command {
	case ofproto.FlowDelete:
		if d.maybe(60) { // or the table would never fill
			mod.OutPort = d.port()
		}
	case ofproto.FlowDeleteStrict:
		if flows := d.sim.Flows(); len(flows) > 0 {
			f := flows[d.rng.IntN(len(flows))]
			mod.Match, mod.Priority = f.Match, f.Priority
		}
	default:
		mod.Actions = d.actions(false)
		for i, a := range mod.Actions {
			if _, ok := a.(ofproto.FinTimeout); ok && (mod.Command != ofproto.FlowAdd || mod.HardTimeout != 0) {
				mod.Actions[i] = ofproto.FinTimeout{} // or the entry would have both timeouts
			}
		}
	}
	return mod
}

func (d *differential) actions(packetOut bool) (actions []ofproto.Action) {
	for range d.rng.IntN(5) {
		var a ofproto.Action
		switch d.rng.IntN(16) {
		case 0:
			a = ofproto.SetVLANVID{VID: pick[uint16](d, 5, 6, 4095, 4096)}
		case 1:
			a = ofproto.SetVLANPCP{PCP: pick[uint8](d, 0, 3, 7, 7, 8)}
		case 2:
			a = ofproto.StripVLAN{}
		case 3:
			a = ofproto.SetDLSrc{MAC: d.mac()}
		case 4:
			a = ofproto.SetDLDst{MAC: d.mac()}
		case 5:
			a = ofproto.SetNWSrc{IPv4: d.ip()}
		case 6:
			a = ofproto.SetNWDst{IPv4: d.ip()}
		case 7:
			a = ofproto.SetNWTOS{TOS: pick[uint8](d, 0, 0xb8, 0xb8, 0xb9)}
		case 8:
			a = ofproto.SetTPSrc{Port: d.transport()}
		case 9:
			a = ofproto.SetTPDst{Port: d.transport()}
		case 10:
			a = output(pick(d, ofproto.PortInPort, ofproto.PortFlood, ofproto.PortAll, ofproto.PortLocal, ofproto.PortNone, ofproto.PortMax+3))
		case 11:
			a = output(ofproto.PortController)
			if packetOut && d.maybe(50) {
				// Last, as Open vSwitch lets the rewrites of the entry it finds last for the actions that follow, and
				// with no tag added or taken, as it counts the bytes that the packet had before.
				actions = slices.DeleteFunc(actions, func(a ofproto.Action) bool {
					t := a.Type()
					return t == ofproto.ActionSetVLANVID || t == ofproto.ActionSetVLANPCP || t == ofproto.ActionStripVLAN
				})
				return append(actions, output(ofproto.PortTable))
			}
		case 12:
			a = ofproto.Enqueue{Port: d.port(), QueueID: 1}
		case 13:
			a = ofproto.FinTimeout{Idle: pick[uint16](d, 0, 2, 5)}
		default:
			a = output(d.port())
		}
		actions = append(actions, a)
	}
	return actions
}
