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
	buffered bool
	rules    rules
	conn     net.Conn
	end      chan error // why the reader ended
	sim      net.Conn   // the oftest.Switch's controller end
	sending  sync.Mutex // a write to conn
	counts   counts

	mu    sync.Mutex // guards what follows; the reader holds it from the first message of a read to the last
	load  load
	slots []slot
	kept  kept   // if the rules are lasting
	out   []byte // messages to be sent when all messages of a read are handled
}

// A load is what a switch is measured with. Its methods are called under the switch's mu.
type load interface {
	answer(id uint32, message []byte) (ours bool) // a message that may answer a request, for it carries a packet
	sending()                                     // all messages of a read were handled: what they led to is sent now
}

// rules tells which rules are part of the load, and whom they are for.
type rules interface {
	hot(ofproto.Wildcards) bool      // whether a rule that ignores these fields is part of the load
	lasting() bool                   // whether the controller counts on them, and asks whether they are still there
	slotOf(m *ofproto.FlowMod) *slot // a slot whose packets it is for, nil for none
	checkRule(*ofproto.FlowMod, *slot) error
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

// sendBuffer bounds what an open loop has under way, which must all be answered when it ends.
const sendBuffer = 256 << 10

// dialSwitch connects a simulated switch to a controller, to be served until ctx ends.
func dialSwitch(ctx context.Context, address string, sw *oftest.Switch, all []slot, r rules, buffered bool) (*simSwitch, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if err := conn.(*net.TCPConn).SetWriteBuffer(sendBuffer); err != nil {
		return nil, err
	}
	near, far := oftest.Pipe()
	s := &simSwitch{buffered: buffered, slots: all, rules: r, conn: conn, end: make(chan error, 1), sim: far}
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
			s.load.sending()
			flushed = s.flush()
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
	if s.load == nil {
		_, _ = s.sim.Write(message)
		return
	}
	switch ofproto.Type(message[1]) {
	case ofproto.TypeBarrierRequest: // at once, as rules that count take no time here
		s.out = append(s.out, ofproto.Version, byte(ofproto.TypeBarrierReply), 0, ofproto.HeaderLen)
		s.out = append(s.out, message[4:8]...)
		return
	case ofproto.TypeFlowMod:
		if len(message) < modBuffer || !s.rules.hot(ofproto.Wildcards(binary.BigEndian.Uint32(message[ofproto.HeaderLen:]))) {
			break
		}
		if n := s.counts.flowMods.Add(1); n%sampleMods == 1 {
			s.sampleFlowMod(message)
		}
		if s.rules.lasting() && ofproto.FlowModCommand(binary.BigEndian.Uint16(message[modCommand:])) == ofproto.FlowAdd {
			s.kept.add(message)
		}
		if id, ok := responseID(message); ok {
			s.load.answer(id, message)
		}
		return
	case ofproto.TypePacketOut:
		if id, ok := responseID(message); ok && s.load.answer(id, message) {
			return
		}
	case ofproto.TypeStatsRequest:
		s.tellKept(message)
	}
	_, _ = s.sim.Write(message)
}

// tellKept answers a question for flow entries with those of the load. The others are to be told next. The caller holds mu.
func (s *simSwitch) tellKept(request []byte) {
	if ofproto.StatsKind(binary.BigEndian.Uint16(request[ofproto.HeaderLen:])) != ofproto.StatsFlow {
		return
	}
	s.out = s.kept.appendReplies(s.out, request[4:8])
	_ = s.flush() // whoever reads is told of a broken connection
}

// flush sends what has come together in out. The caller holds mu.
func (s *simSwitch) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	out := s.out
	s.out = s.out[:0]
	return s.send(out)
}

// ask has the switch ask for these pairs from now on.
func (s *simSwitch) ask(which []slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slots = which
}

// set gives the switch another load, nil for none.
func (s *simSwitch) set(l load) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load = l
}

// sampleFlowMod checks a flow mod in full.
func (s *simSwitch) sampleFlowMod(message []byte) {
	s.counts.checked.Add(1)
	_, m, err := ofproto.Decode(message)
	if err != nil {
		s.counts.fail(err)
		return
	}
	mod := m.(*ofproto.FlowMod)
	if mod.Command == ofproto.FlowDelete || mod.Command == ofproto.FlowDeleteStrict {
		return
	}
	sl := s.rules.slotOf(mod)
	if sl == nil {
		s.counts.fail(fmt.Errorf("FLOW_MOD %v for nobody's packets", mod))
		return
	}
	if err := s.rules.checkRule(mod, sl); err != nil {
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
