package main

import (
	"encoding/binary"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// The network behind each simulated switch: sources on the first ports, destinations on the last.
const (
	sourcePorts = 3
	destPort    = sourcePorts + 1
	peerPort    = destPort + 1 // in the stream scenario
	servicePort = peerPort + 1 // in the stream scenario, of the first switch only
	sources     = 1000
)

// Offsets of what is read and written in place.
const (
	frameAt    = ofproto.HeaderLen + 10 // of a PACKET_IN's frame
	bufferAt   = ofproto.HeaderLen      // of a PACKET_IN's and a PACKET_OUT's buffer id
	modCommand = ofproto.HeaderLen + 48 // of a FLOW_MOD's command
	modBuffer  = ofproto.HeaderLen + 56 // of a FLOW_MOD's buffer id
	actionsAt  = ofproto.HeaderLen + 8  // of a PACKET_OUT's actions
	seqAt      = 14 + 20 + 4            // of the TCP sequence number in a frame
	requestLen = frameAt + packet.MinFrame
)

// A host is an end system behind a simulated switch.
type host struct {
	mac  ofproto.MAC
	ip   ofproto.IPv4
	port ofproto.Port
}

// source and destination return the hosts of a switch, whose addresses no other switch has.
func source(sw, i int) host {
	return host{
		mac:  ofproto.MAC{0x02, 0x0a, byte(sw), 1, byte(i >> 8), byte(i)},
		ip:   ofproto.IPv4{10, byte(sw), byte(i >> 8), byte(i)},
		port: ofproto.Port(1 + i%sourcePorts),
	}
}

func destination(sw, i int) host {
	return host{
		mac:  ofproto.MAC{0x02, 0x0a, byte(sw), 2, byte(i >> 8), byte(i)},
		ip:   ofproto.IPv4{10, byte(sw), 200, byte(i)},
		port: destPort,
	}
}

// announce returns the PACKET_IN by which a controller learns a host: an ARP request for its own address.
func announce(h host) *ofproto.PacketIn {
	frame := packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: h.mac, SenderIP: h.ip, TargetIP: h.ip})
	return packetIn(h.port, frame)
}

func packetIn(port ofproto.Port, frame []byte) *ofproto.PacketIn {
	return &ofproto.PacketIn{
		BufferID: ofproto.NoBuffer, TotalLen: uint16(len(frame)), InPort: port, Reason: ofproto.ReasonNoMatch, Data: frame,
	}
}

// A slot is one pair of hosts and the request that asks for it.
type slot struct {
	from, to host
	peer     *host  // who serves what from asks of to; nil if to does
	request  []byte // a whole PACKET_IN with the slot's number as its id
}

// slots returns every pair of a switch's sources and destinations, so ordered that neighbours differ in both and that the
// first ones have every host among them. The requests follow each other in memory.
func slots(sw, destinations int, buffered bool) []slot {
	all := make([]slot, sources*destinations)
	frames := make([]packet.TCP, len(all))
	for i := range all {
		all[i] = slot{from: source(sw, i%sources), to: destination(sw, (i+i/sources)%destinations)}
		frames[i] = packet.TCP{SrcPort: uint16(10000 + i%sources), DstPort: 80, Flags: packet.ACK}
	}
	buildRequests(all, frames, buffered)
	return all
}

// buildRequests makes the slots' requests of TCP segments, whose addresses it fills in. They follow each other in memory.
func buildRequests(all []slot, frames []packet.TCP, buffered bool) {
	memory := make([]byte, 0, len(all)*requestLen)
	for i := range all {
		s, t := &all[i], &frames[i]
		t.DstMAC, t.SrcMAC, t.SrcIP, t.DstIP, t.Window = s.to.mac, s.from.mac, s.from.ip, s.to.ip, 1000
		at := len(memory)
		var err error
		memory, err = ofproto.Append(memory, 0, packetIn(s.from.port, packet.AppendTCP(nil, *t)))
		if err != nil || len(memory) != at+requestLen {
			panic("bench: a request that is not what the offsets are for")
		}
		putID(memory[at:], uint32(i), buffered)
		s.request = memory[at : at+requestLen : at+requestLen]
	}
}

// appendRequest appends the slot's request with another id.
func (s *slot) appendRequest(dst []byte, id uint32, buffered bool) []byte {
	at := len(dst)
	dst = append(dst, s.request...)
	putID(dst[at:], id, buffered)
	return dst
}

// putID sets the id of a request: in the frame, and in the buffer id if the switch is to buffer packets. The TCP checksum
// is left as it is: a controller that verified it would have a bug of its own.
func putID(request []byte, id uint32, buffered bool) {
	binary.BigEndian.PutUint32(request[frameAt+seqAt:], id)
	if buffered {
		binary.BigEndian.PutUint32(request[bufferAt:], id)
	}
}

// responseID returns the id of the request that a message answers. It reads no further than it must.
func responseID(message []byte) (id uint32, ok bool) {
	switch ofproto.Type(message[1]) {
	case ofproto.TypeFlowMod:
		if len(message) < modBuffer+8 {
			return 0, false
		}
		id = binary.BigEndian.Uint32(message[modBuffer:])
		return id, id != ofproto.NoBuffer
	case ofproto.TypePacketOut:
		if len(message) < actionsAt {
			return 0, false
		}
		if id = binary.BigEndian.Uint32(message[bufferAt:]); id != ofproto.NoBuffer {
			return id, true
		}
		frame := actionsAt + int(binary.BigEndian.Uint16(message[actionsAt-2:]))
		if len(message) != frame+packet.MinFrame || message[frame+12] != 0x08 || message[frame+13] != 0x00 {
			return 0, false // discovery, ARP
		}
		return binary.BigEndian.Uint32(message[frame+seqAt:]), true
	}
	return 0, false
}
