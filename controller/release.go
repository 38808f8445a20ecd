package controller

import (
	"sync"

	"github.com/ofctl-live/ofctl-live/internal/steer"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// held is a packet that waits for its connection's rules.
type held struct {
	d     *datapath
	in    ofproto.Port
	back  bool // from the source to the client
	gone  bool // sent already, behind the rules
	frame []byte
	out   ofproto.PacketOut // that releases it
	older *held             // that waits with it, and goes before
}

// maxHeld is how many packets of one connection wait for its rules: what wakes it may be more than one segment long.
const maxHeld = 4

// behind has a packet wait behind others, of which the oldest goes where they are too many.
func (h *held) behind(older *held) {
	h.older = older
	for n := 1; h != nil; n++ {
		if n == maxHeld {
			h.older = nil
		}
		h = h.older
	}
}

// released are held packets that may hold others.
var released = sync.Pool{New: func() any { return new(held) }}

func (d *datapath) hold() *held {
	h := released.Get().(*held)
	*h = held{d: d, in: d.packet.in.InPort, frame: append(h.frame[:0], d.packet.in.Data...)}
	return h
}

// send sends a held packet on with the same actions as all that follow it.
func (h *held) send(actions []ofproto.Action) {
	h.out = ofproto.PacketOut{BufferID: ofproto.NoBuffer, InPort: h.in, Actions: actions, Data: h.frame}
	_ = h.d.conn.Write(h.d.nextXID(), &h.out)
	h.d.kick()
}

// release sends a held packet and those before it on as a plan's rules would, unless they are gone or nothing is to be done to them.
// They are not held any longer.
func (h *held) release(plan steer.Plan) {
	if h.older != nil {
		h.older.release(plan)
	}
	if actions := releaseActions(plan, h); !h.gone && actions != nil {
		h.send(actions)
	}
	*h = held{frame: h.frame}
	released.Put(h)
}

// holds reports whether a packet waits for the rules that has not been sent on yet.
func (s *session) holds() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == pending && s.held != nil && !s.held.gone
}

// behind is told where a barrier follows the rules.
func (w *installing) behind(on sender) {
	if len(w.plan.Steps) == 1 {
		w.s.releaseBehind(w.plan, on)
	}
}

// releaseBehind sends the packet that waits after the rules and the barrier that were written to the only switch of a plan:
// a switch heeds nothing behind a barrier before it is done with what precedes it (OpenFlow 1.0.0 §5.3.7), so the rules are
// there for all that the packet brings about, a round trip before they are known to be. The packet is kept until then.
//
// Where the switch refuses a rule after all, the packet goes to the service's own node as well, and the peer's answer must not
// reach the client in that node's name. A full switch refuses what comes last: that is the way back here.
func (s *session) releaseBehind(plan steer.Plan, on sender) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == pending {
		s.held.sendBehind(plan, on)
	}
}

// sendBehind sends a packet that waits on a switch, and those before it, of which it keeps a copy.
func (h *held) sendBehind(plan steer.Plan, on sender) {
	if h == nil || h.gone {
		return
	}
	h.older.sendBehind(plan, on)
	if actions := releaseActions(plan, h); actions != nil && on == sender(h.d) {
		h.send(actions)
		h.gone = true
	}
}

// takeBack has a packet and those before it wait again that were sent to a peer which is not to serve.
func (h *held) takeBack() {
	for ; h != nil; h = h.older {
		h.gone = false
	}
}

// releaseActions is what the rules do to the held packet where it is held: on the client's switch, or on another that it
// reached before. It is nil for a packet on its way back that came by where no rule expects it.
func releaseActions(plan steer.Plan, h *held) []ofproto.Action {
	for _, step := range plan.Steps {
		if step.DPID != h.d.dpid {
			continue
		}
		rule := step.Rules[len(step.Rules)-1] // the way there
		if h.back {
			rule = step.Rules[0]
		}
		if rule.Match.InPort == h.in {
			return rule.Actions
		}
	}
	if h.back {
		return nil
	}
	return plan.Release()
}
