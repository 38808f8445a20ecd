package oftest

import (
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A tuple names a connection from its host's side.
type tuple struct {
	local  uint16
	remote ofproto.IPv4
	port   uint16
}

// A State is where a connection is.
type State int

// The states of a Conn. TCP's own, RFC 9293 §3.3.2, are told apart no further than tests need it.
const (
	Dialling    State = iota // the SYN is sent, or the SYN is answered
	Established              // both sides know
	Closed                   // the other side has sent a FIN
	Reset                    // it was refused or reset
)

// A Conn is one TCP connection as a host sees it, RFC 9293, with the answers that RFC 5961 asks for against blind
// attacks: a SYN, or a RST that is not exactly next in sequence, is answered by a challenge ACK. There are no timers: what
// is lost stays lost, which a test should notice.
type Conn struct {
	h     *Host
	tuple tuple
	asked bool // it was opened from here
	state State
	snd   uint32 // next to send
	rcv   uint32 // next to receive
	in    []byte
}

// window is what every Conn advertises, in bytes.
const window = 65535

// Listen has the host accept connections to a port.
func (h *Host) Listen(port uint16) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listens[port] = true
}

// Accepted returns the connections that others have opened to the host, oldest first.
func (h *Host) Accepted() []*Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*Conn(nil), h.accepted...)
}

// Dial opens a connection. It only sends the SYN, or the ARP request before it: see Established.
func (h *Host) Dial(ip ofproto.IPv4, port uint16) *Conn {
	h.mu.Lock()
	h.nextPort++
	local := h.nextPort
	h.mu.Unlock()
	return h.DialFrom(local, ip, port)
}

// DialFrom is Dial from a port of one's own choice.
func (h *Host) DialFrom(local uint16, ip ofproto.IPv4, port uint16) *Conn {
	h.mu.Lock()
	c := &Conn{h: h, tuple: tuple{local, ip, port}, asked: true, snd: uint32(local) << 8}
	h.conns[c.tuple] = c
	syn := c.segment(packet.SYN, nil)
	h.mu.Unlock()
	h.sendAll(syn)
	return c
}

// Write sends data in one segment.
func (c *Conn) Write(data []byte) {
	c.h.mu.Lock()
	frames := c.segment(packet.PSH|packet.ACK, data)
	c.h.mu.Unlock()
	c.h.sendAll(frames)
}

// CloseWrite sends a FIN.
func (c *Conn) CloseWrite() {
	c.h.mu.Lock()
	frames := c.segment(packet.FIN|packet.ACK, nil)
	c.h.mu.Unlock()
	c.h.sendAll(frames)
}

// Read returns the bytes that have come in order since the last call.
func (c *Conn) Read() []byte {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	in := c.in
	c.in = nil
	return in
}

// State returns where the connection is.
func (c *Conn) State() State {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	return c.state
}

// Established reports whether both sides know of the connection and neither has ended it.
func (c *Conn) Established() bool { return c.State() == Established }

// Next returns the sequence number of what is sent next.
func (c *Conn) Next() uint32 {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	return c.snd
}

// Local returns the host's own port.
func (c *Conn) Local() uint16 { return c.tuple.local }

// Remote returns the other side's address, as this side knows it.
func (c *Conn) Remote() (ofproto.IPv4, uint16) { return c.tuple.remote, c.tuple.port }

// segment returns the frames for a segment of the connection, and counts what it takes of the sequence.
func (c *Conn) segment(flags uint8, data []byte) [][]byte {
	t := packet.TCP{
		DstIP: c.tuple.remote, SrcPort: c.tuple.local, DstPort: c.tuple.port, Seq: c.snd, Flags: flags, Window: window, Payload: data,
	}
	if flags&packet.ACK != 0 {
		t.Ack = c.rcv
	}
	c.snd += length(flags, data)
	return c.h.route(t)
}

// length is what a segment takes of the sequence.
func length(flags uint8, data []byte) uint32 {
	n := uint32(len(data))
	if flags&packet.SYN != 0 {
		n++
	}
	if flags&packet.FIN != 0 {
		n++
	}
	return n
}

// receiveTCP takes a segment for the host and returns the answers.
func (h *Host) receiveTCP(p *packet.Peeked) [][]byte {
	c := h.conns[tuple{p.DstPort, p.SrcIP, p.SrcPort}]
	syn, ack, rst := p.TCPFlags&packet.SYN != 0, p.TCPFlags&packet.ACK != 0, p.TCPFlags&packet.RST != 0
	switch {
	case c != nil && c.state != Reset:
		return c.receive(p)
	case rst:
		return nil
	case syn && !ack && h.listens[p.DstPort]:
		h.arp[p.SrcIP] = p.Src
		c = &Conn{h: h, tuple: tuple{p.DstPort, p.SrcIP, p.SrcPort}, snd: 7_000_000, rcv: p.Seq + 1}
		h.conns[c.tuple] = c
		h.accepted = append(h.accepted, c)
		return c.segment(packet.SYN|packet.ACK, nil)
	}
	// Nobody here knows of the connection: RFC 9293 §3.10.7.1.
	t := packet.TCP{DstIP: p.SrcIP, DstMAC: p.Src, SrcMAC: h.MAC, SrcIP: h.IP, SrcPort: p.DstPort, DstPort: p.SrcPort}
	if ack {
		t.Flags, t.Seq = packet.RST, p.Ack
	} else {
		t.Flags, t.Ack = packet.RST|packet.ACK, p.Seq+length(p.TCPFlags, p.L4Payload)
	}
	return [][]byte{packet.AppendTCP(nil, t)}
}

func (c *Conn) receive(p *packet.Peeked) [][]byte {
	syn, ack, rst := p.TCPFlags&packet.SYN != 0, p.TCPFlags&packet.ACK != 0, p.TCPFlags&packet.RST != 0
	if c.state == Dialling && c.asked {
		switch {
		case !ack || p.Ack != c.snd: // not for this SYN
			return nil
		case rst:
			c.state = Reset
			return nil
		case !syn:
			return nil
		}
		c.rcv, c.state = p.Seq+1, Established
		return c.segment(packet.ACK, nil)
	}
	switch {
	case rst && p.Seq == c.rcv:
		c.state = Reset
		return nil
	case rst && p.Seq-c.rcv >= window: // outside the window
		return nil
	case rst, syn:
		return c.segment(packet.ACK, nil) // a challenge: RFC 5961 §3.2, §4.2
	}
	if ack && c.state == Dialling && p.Ack == c.snd {
		c.state = Established
	}
	n := length(p.TCPFlags, p.L4Payload)
	switch {
	case n == 0: // out of order or not: two ends that answered bare ACKs would never stop
		return nil
	case p.Seq != c.rcv: // a duplicate, or something is missing: say where we are
		return c.segment(packet.ACK, nil)
	}
	c.rcv += n
	c.in = append(c.in, p.L4Payload...)
	if p.TCPFlags&packet.FIN != 0 {
		c.state = Closed
	}
	return c.segment(packet.ACK, nil)
}
