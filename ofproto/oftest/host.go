package oftest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A Host is a simulated end system. It answers ARP requests for its address and speaks enough TCP (see Conn) to tell
// whether a controller redirects connections rightly. It takes only what is addressed to it, and checks checksums.
type Host struct {
	Name string
	MAC  ofproto.MAC
	IP   ofproto.IPv4

	n    *Network
	wire *Wire

	mu       sync.Mutex // guards what follows, and wire
	silent   bool
	frames   [][]byte
	arp      map[ofproto.IPv4]ofproto.MAC
	waiting  map[ofproto.IPv4][]packet.TCP // for the answer to an ARP request
	conns    map[tuple]*Conn
	accepted []*Conn
	listens  map[uint16]bool
	nextPort uint16
	bad      []string
}

func newHost(n *Network, name, ip string) *Host {
	addr, err := ofproto.ParseIPv4(ip)
	if err != nil {
		panic(err)
	}
	return &Host{
		Name: name, MAC: ofproto.MAC{0x02, 0x00, addr[0], addr[1], addr[2], addr[3]}, IP: addr, n: n,
		arp:      map[ofproto.IPv4]ofproto.MAC{},
		waiting:  map[ofproto.IPv4][]packet.TCP{},
		conns:    map[tuple]*Conn{},
		listens:  map[uint16]bool{},
		nextPort: 40000,
	}
}

// Wire returns the wire the host is plugged in by.
func (h *Host) Wire() *Wire {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.wire
}

// Send has the host send a frame as it is.
func (h *Host) Send(frame []byte) { h.n.run(h.n.leave(end{host: h}, frame, 0)) }

// SendTCP has the host send a segment of no connection to t.DstIP. It fills in the host's own addresses where they are
// zero and the destination's Ethernet address, for which it asks by ARP first where it does not know it.
func (h *Host) SendTCP(t packet.TCP) {
	h.mu.Lock()
	frames := h.route(t)
	h.mu.Unlock()
	h.sendAll(frames)
}

func (h *Host) sendAll(frames [][]byte) {
	for _, f := range frames {
		h.Send(f)
	}
}

// route returns the frame for a segment, or the ARP request that has to be answered before.
func (h *Host) route(t packet.TCP) [][]byte {
	if t.SrcIP == ([4]byte{}) {
		t.SrcIP = h.IP
	}
	if t.SrcMAC == ([6]byte{}) {
		t.SrcMAC = h.MAC
	}
	mac, known := h.arp[t.DstIP]
	if !known {
		h.waiting[t.DstIP] = append(h.waiting[t.DstIP], t)
		return [][]byte{packet.AppendARP(nil, packet.ARP{
			Op: packet.ARPRequest, SenderMAC: h.MAC, SenderIP: h.IP, TargetIP: t.DstIP,
		})}
	}
	t.DstMAC = mac
	return [][]byte{packet.AppendTCP(nil, t)}
}

// ARP has the host ask for an address by broadcast, whether it knows it or not.
func (h *Host) ARP(ip ofproto.IPv4) {
	h.Send(packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: h.MAC, SenderIP: h.IP, TargetIP: ip}))
}

// Knows returns the Ethernet address that the host has learnt for an IPv4 address.
func (h *Host) Knows(ip ofproto.IPv4) (ofproto.MAC, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	mac, ok := h.arp[ip]
	return mac, ok
}

// Forget empties the host's ARP cache.
func (h *Host) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.arp)
}

// SetSilent has the host answer nothing, as one that hangs, or again everything. Its link stays up.
func (h *Host) SetSilent(silent bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent = silent
}

// Frames returns every frame that has come to the host since the last call, whoever it was for, but for ARP and LLDP.
func (h *Host) Frames() [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	frames := h.frames
	h.frames = nil
	return frames
}

// Complaints returns what came to the host and was malformed or had a wrong checksum.
func (h *Host) Complaints() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.bad)
}

// receive takes a frame and returns the answers.
func (h *Host) receive(frame []byte) [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	var p packet.Peeked
	err := packet.Peek(frame, &p)
	if p.EtherType == packet.TypeLLDP {
		return nil
	}
	if p.EtherType != packet.TypeARP {
		h.frames = append(h.frames, bytes.Clone(frame))
	}
	if err == nil {
		err = packet.Verify(frame)
	}
	if err != nil {
		h.bad = append(h.bad, fmt.Sprintf("host %s: %v: %x", h.Name, err, frame))
		return nil
	}
	if h.silent || p.Dst != h.MAC && p.Dst[0]&1 == 0 || p.Tagged {
		return nil
	}
	switch {
	case p.EtherType == packet.TypeARP:
		return h.receiveARP(&p)
	case p.EtherType == packet.TypeIPv4 && p.Proto == packet.ProtoTCP && p.L4 != 0 && p.DstIP == h.IP:
		return h.receiveTCP(&p)
	}
	return nil
}

func (h *Host) receiveARP(p *packet.Peeked) [][]byte {
	if p.DstIP != h.IP {
		return nil
	}
	var out [][]byte
	if p.SrcIP != ([4]byte{}) { // a probe's sender has no address yet
		h.arp[p.SrcIP] = p.ARPSenderMAC
		for _, t := range h.waiting[p.SrcIP] {
			out = append(out, h.route(t)...)
		}
		delete(h.waiting, p.SrcIP)
	}
	if p.ARPOp == packet.ARPRequest {
		out = append(out, packet.AppendARP(nil, packet.ARP{
			Op: packet.ARPReply, SenderMAC: h.MAC, SenderIP: h.IP, TargetMAC: p.ARPSenderMAC, TargetIP: p.SrcIP,
		}))
	}
	return out
}
