package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// A simSwitch is one simulated switch. An oftest.Switch says everything but the load: the handshake, echoes, barriers,
// statistics. The messages that a benchmark consists of never reach it; they are handled where they are read.
type simSwitch struct {
	behind
	slots   []slot
	pairs   map[pair]*slot // by addresses
	conn    net.Conn
	end     chan error // why the reader ended
	sim     net.Conn   // the oftest.Switch's controller end
	sending sync.Mutex // a write to conn
	counts  counts

	mu   sync.Mutex // guards load; the reader holds it from the first message of a read to the last
	load load
}

// A load is what a switch is measured with. Its methods are called under the switch's mu.
type load interface {
	answer(id uint32, message []byte) // a message that answers a request
	flush() error                     // all messages of a read were handled
}

type pair struct{ from, to ofproto.MAC }

// behind says what is behind a switch, and what kind of switch it is.
type behind struct {
	destinations int
	buffered     bool // it buffers packets for the controller
}

// counts are what a switch has seen.
type counts struct {
	flowMods  atomic.Uint64
	answers   atomic.Uint64
	unmatched atomic.Uint64 // answers to what was not asked, or was answered before
	checked   atomic.Uint64
	wrong     atomic.Uint64
	firstErr  atomic.Pointer[error]
}

func (c *counts) fail(err error) {
	c.wrong.Add(1)
	c.firstErr.CompareAndSwap(nil, &err)
}

// dialSwitch connects a simulated switch to a controller; index tells switches apart. It is served until ctx ends.
func dialSwitch(ctx context.Context, address string, index int, b behind) (*simSwitch, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	near, far := oftest.Pipe()
	sw := oftest.NewSwitch(oftest.Options{DPID: ofproto.DPID(index + 1), Ports: switchPorts()})
	s := &simSwitch{behind: b, slots: slots(index, b.destinations, b.buffered), conn: conn, end: make(chan error, 1), sim: far, pairs: map[pair]*slot{}}
	for i := range s.slots {
		s.pairs[pair{s.slots[i].from.mac, s.slots[i].to.mac}] = &s.slots[i]
	}
	context.AfterFunc(ctx, func() { conn.Close(); far.Close() })
	go func() { _ = sw.Serve(ctx, near) }()
	go func() { _ = s.forwardSim() }()
	go func() { s.end <- s.read() }()
	return s, nil
}

// forwardSim sends to the controller what the oftest.Switch says.
func (s *simSwitch) forwardSim() error {
	from := ofproto.NewConn(s.sim, ofproto.ConnOptions{})
	for {
		frames, err := from.ReadBatch()
		if err != nil {
			return err
		}
		for _, f := range frames {
			if err := s.send(f); err != nil {
				return err
			}
		}
	}
}

// send writes whole messages to the controller.
func (s *simSwitch) send(b []byte) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	_, err := s.conn.Write(b)
	return err
}

const (
	readBuffer = 256 << 10
	sampleMods = 1024 // one flow mod in so many is checked
)

// read handles what the controller says until the connection ends.
func (s *simSwitch) read() error {
	buf := make([]byte, readBuffer)
	have := 0
	for {
		n, err := s.conn.Read(buf[have:])
		have += n
		rest := buf[:have]
		s.mu.Lock()
		for len(rest) >= ofproto.HeaderLen {
			size := int(binary.BigEndian.Uint16(rest[2:]))
			if size < ofproto.HeaderLen {
				s.mu.Unlock()
				return fmt.Errorf("the controller sent a message of length %d", size)
			}
			if size > len(rest) {
				break
			}
			s.handle(rest[:size])
			rest = rest[size:]
		}
		var flushed error
		if s.load != nil {
			flushed = s.load.flush()
		}
		s.mu.Unlock()
		have = copy(buf, rest)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		if flushed != nil {
			return flushed
		}
	}
}

// handle takes one message. Rules that come before there is any load are the controller's own and go to the table.
func (s *simSwitch) handle(message []byte) {
	t := ofproto.Type(message[1])
	if t == ofproto.TypeFlowMod && s.load != nil {
		if n := s.counts.flowMods.Add(1); n%sampleMods == 1 {
			s.sampleFlowMod(message)
		}
	}
	if id, ok := responseID(message); ok && s.load != nil {
		s.load.answer(id, message)
		return
	}
	if s.load == nil || t != ofproto.TypePacketOut && t != ofproto.TypeFlowMod {
		_, _ = s.sim.Write(message)
	}
}

// set gives the switch another load, nil for none.
func (s *simSwitch) set(l load) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load = l
}

// sampleFlowMod checks a flow mod that is for the packets of one pair of hosts.
func (s *simSwitch) sampleFlowMod(message []byte) {
	s.counts.checked.Add(1)
	_, m, err := ofproto.Decode(message)
	if err != nil {
		s.counts.fail(err)
		return
	}
	mod := m.(*ofproto.FlowMod)
	sl, ok := s.pairs[pair{mod.Match.DLSrc, mod.Match.DLDst}]
	if !ok {
		s.counts.fail(fmt.Errorf("FLOW_MOD %v for nobody's packets", mod))
		return
	}
	if err := checkFlowMod(mod, sl); err != nil {
		s.counts.fail(err)
	}
}

// check checks an answer in full.
func (s *simSwitch) check(message []byte, sl *slot, id uint32) {
	s.counts.checked.Add(1)
	if err := checkResponse(message, sl, id, s.buffered); err != nil {
		s.counts.fail(err)
	}
}
