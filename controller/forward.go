package controller

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	pairIdle = 60 // seconds
	// pairFresh is how long a pair's rule is believed to be on its way after it was sent. A packet that still comes up
	// later says that the rule is gone.
	pairFresh = time.Second
	// settle is how long the ports of a switch that has connected are watched for discovery packets before broadcasts use
	// them: until then they may be links, and a ring of switches would turn one broadcast into a storm.
	settle = time.Second
	// settlePort is the same for a port that comes up later. Nothing else is being discovered then, and a host that has moved
	// there in silence waits for it.
	settlePort = settle / 2
)

// A pair is all traffic from one host to another that no other rule is for.
type pair struct{ src, dst ofproto.MAC }

// A placedPair is a pair's rule on one switch.
type placedPair struct {
	out     ofproto.Port
	sent    time.Time
	packets uint64    // that it had carried when the switch was last asked
	used    time.Time // about when it was last used
}

// forward carries any other packet along the shortest path to its destination and puts rules on that path for those that
// follow; where the destination is a group, or nobody knows where it is, the packet goes to everybody.
func (d *datapath) forward(snap *topo.Snapshot) error {
	p := &d.packet.peek
	if p.Dst[0]&1 != 0 {
		return d.broadcast(snap)
	}
	h, ok := snap.Host(p.Dst)
	if !ok {
		return d.broadcast(snap)
	}
	out, ok := snap.Toward(d.dpid, h)
	if !ok {
		return d.broadcast(snap)
	}
	if out == d.packet.in.InPort {
		return nil // it is where it came from
	}
	now := d.now
	if d.place(pair{p.Src, p.Dst}, out, now) && h.At.DPID != d.dpid {
		d.placeAhead(snap, pair{p.Src, p.Dst}, h, now)
	}
	return d.send(d.packet.output(out))
}

// place puts a pair's rule on this switch, unless that was just done or its sender has too many, and reports whether it did.
func (d *datapath) place(k pair, out ofproto.Port, now time.Time) bool {
	d.pairMu.Lock()
	was := d.pairs[k]
	due := (was.out != out || now.Sub(was.sent) >= pairFresh) && d.mayPlace(k, now)
	if due {
		d.pairs[k] = placedPair{out: out, sent: now, used: now}
	}
	crowded := !due && d.crowded(now)
	d.pairMu.Unlock()
	if crowded {
		d.evictPairs(crowding)
	}
	if !due {
		return false
	}
	m := &d.packet.mod
	fillPair(m, k, d.packet.output(out))
	_ = d.conn.Write(d.nextXID(), m)
	return true
}

// placeAhead puts the pair's rule on the switches behind this one, so that the packet comes up only once.
func (d *datapath) placeAhead(snap *topo.Snapshot, k pair, h *topo.Host, now time.Time) {
	hops, ok := snap.Path(topo.Point{DPID: d.dpid, Port: d.packet.in.InPort}, h.At)
	if !ok {
		return
	}
	for _, hop := range hops[1:] {
		next, ok := d.c.datapath(hop.DPID)
		if !ok {
			continue
		}
		next.pairMu.Lock()
		room := next.pairRoom(k, now)
		if room {
			next.pairs[k] = placedPair{out: hop.Out, sent: now, used: now}
		}
		next.pairMu.Unlock()
		if !room {
			continue // it asks by itself, packet by packet
		}
		var m ofproto.FlowMod
		fillPair(&m, k, []ofproto.Action{ofproto.Output{Port: hop.Out}})
		_ = next.conn.Write(next.nextXID(), &m)
		next.kick()
	}
}

func fillPair(m *ofproto.FlowMod, k pair, actions []ofproto.Action) {
	*m = ofproto.FlowMod{
		Match: steer.Pair(k.src, k.dst), Cookie: uint64(flow.NewCookie(flow.KindPair, 0)), Command: ofproto.FlowAdd,
		IdleTimeout: pairIdle, Priority: flow.PriorityPair, BufferID: ofproto.NoBuffer, OutPort: ofproto.PortNone,
		Flags: ofproto.SendFlowRem, Actions: actions,
	}
}

// dropPairs deletes the pair rules that match says are wrong; the next packet of each finds its way anew.
func (d *datapath) dropPairs(match func(pair, placedPair) bool) {
	d.pairMu.Lock()
	var gone []pair
	for k, p := range d.pairs {
		if match(k, p) {
			gone = append(gone, k)
			delete(d.pairs, k)
		}
	}
	d.pairMu.Unlock()
	var m ofproto.FlowMod
	for _, k := range gone {
		flow.Key{Match: steer.Pair(k.src, k.dst), Priority: flow.PriorityPair}.Delete(&m)
		_ = d.conn.Write(d.nextXID(), &m)
	}
	if len(gone) > 0 {
		d.kick()
	}
}

// pairExpired handles the switch's word that a pair's rule is gone. What we delete is forgotten before, and one that was
// placed again since is not meant.
func (d *datapath) pairExpired(m *ofproto.FlowRemoved) {
	k := pair{m.Match.DLSrc, m.Match.DLDst}
	d.pairMu.Lock()
	defer d.pairMu.Unlock()
	if m.Reason != ofproto.RemovedDelete && time.Since(d.pairs[k].sent) >= pairIdle*time.Second {
		delete(d.pairs, k)
	}
}

// broadcast sends the packet in hand out of every port that its kind may use.
func (d *datapath) broadcast(snap *topo.Snapshot) error {
	s := &d.packet
	now := time.Now()
	alone := len(snap.DPIDs()) == 1 // one switch cannot make a ring
	in := topo.Point{DPID: d.dpid, Port: s.in.InPort}
	usable := func(p topo.Port) bool { return alone || now.After(p.Settled) }
	if sw, ok := snap.Switch(d.dpid); !ok || !snap.IsLink(in) && !usable(sw.Ports[in.Port]) {
		return nil
	}
	s.flood = snap.BroadcastPorts(s.flood[:0], in, usable)
	if len(s.flood) == 0 || !d.mayPass(now) {
		return nil
	}
	actions := make([]ofproto.Action, len(s.flood))
	for i, port := range s.flood {
		actions[i] = ofproto.Output{Port: port}
	}
	return d.send(actions)
}

// arp answers for hosts that are known, so that their address is not asked of everybody; any other request goes to
// everybody, and a reply to whom it is for. The answer is always the host's own address, a peer's never.
func (d *datapath) arp(snap *topo.Snapshot) error {
	p := &d.packet.peek
	if d.arpAnswer() {
		return nil
	}
	if p.ARPOp != packet.ARPRequest || p.SrcIP == p.DstIP {
		return d.arpOnward(snap)
	}
	target, ok := snap.HostByIP(p.DstIP)
	if ok {
		_, ok = snap.Toward(d.dpid, target)
	}
	if !ok || target.MAC == ofproto.MAC(p.Src) {
		return d.broadcast(snap)
	}
	s := &d.packet
	s.reply = packet.AppendARP(s.reply[:0], packet.ARP{
		Op: packet.ARPReply, VLAN: p.VLAN, SenderMAC: target.MAC, SenderIP: p.DstIP, TargetMAC: p.ARPSenderMAC, TargetIP: p.SrcIP,
	})
	s.out = ofproto.PacketOut{BufferID: ofproto.NoBuffer, InPort: ofproto.PortNone, Actions: s.output(s.in.InPort), Data: s.reply}
	return d.conn.Write(d.nextXID(), &s.out)
}

// arpOnward passes an ARP packet on by its frame's destination, without a rule: the rule for ARP stands above it.
func (d *datapath) arpOnward(snap *topo.Snapshot) error {
	p := &d.packet.peek
	h, ok := snap.Host(p.Dst)
	if p.Dst[0]&1 != 0 || !ok {
		return d.broadcast(snap)
	}
	out, ok := snap.Toward(d.dpid, h)
	switch {
	case !ok:
		return d.broadcast(snap)
	case out != d.packet.in.InPort:
		return d.send(d.packet.output(out))
	}
	return nil
}
