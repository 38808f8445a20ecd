package oftest

import (
	"sync"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// An Interceptor decides about each message from the controller before the switch acts on it; n counts the messages of
// this connection from 1. It is called by one goroutine at a time and may use the switch's methods.
type Interceptor func(n int, xid uint32, m ofproto.Message) Verdict

// A Verdict says what becomes of a message. The zero Verdict lets it pass.
type Verdict struct {
	Do      Outcome
	Refusal Refusal       // with Refuse
	Delay   time.Duration // of the reply, whatever Do says; later messages do not wait for it
}

// An Outcome is what an Interceptor can do to a message.
type Outcome int

// The outcomes.
const (
	Pass        Outcome = iota
	Swallow             // no effect, no reply
	Refuse              // no effect, an ERROR with Verdict.Refusal
	CloseBefore         // the connection is lost, and the message with it
	CloseAfter          // the message takes effect and the connection is lost before any reply
	Hold                // it takes effect; its replies wait for Release, and are lost with the connection
)

// Intercept has an Interceptor asked about every further message; nil for none.
func (s *Switch) Intercept(i Interceptor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = i
}

// Release sends the replies that were withheld by Hold, in the order given by permute, or as they came if that is nil.
func (s *Switch) Release(permute func(n int) []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return
	}
	held := s.session.held
	s.session.held = nil
	if permute == nil {
		for _, r := range held {
			s.session.send(r.xid, r.m)
		}
		return
	}
	for _, i := range permute(len(held)) {
		s.session.send(held[i].xid, held[i].m)
	}
}

// Held returns how many replies wait for Release.
func (s *Switch) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return 0
	}
	return len(s.session.held)
}

// HoldBarriers is an Interceptor that withholds the replies to barriers.
func HoldBarriers(_ int, _ uint32, m ofproto.Message) Verdict {
	if m.Type() == ofproto.TypeBarrierRequest {
		return Verdict{Do: Hold}
	}
	return Verdict{}
}

// LoseAt returns an Interceptor that loses one connection at its nth message, before or after that takes effect, and lets
// pass whatever comes on the next connections. Running a scenario with n = 1, 2, 3, ... loses it at every step.
func LoseAt(n int, outcome Outcome) Interceptor {
	var once sync.Once
	return func(at int, _ uint32, _ ofproto.Message) (v Verdict) {
		if at == n {
			once.Do(func() { v.Do = outcome })
		}
		return v
	}
}

// RefuseFlowMods returns an Interceptor that refuses the flow mods for which which says so.
func RefuseFlowMods(r Refusal, which func(*ofproto.FlowMod) bool) Interceptor {
	return func(_ int, _ uint32, m ofproto.Message) Verdict {
		if mod, ok := m.(*ofproto.FlowMod); ok && which(mod) {
			return Verdict{Do: Refuse, Refusal: r}
		}
		return Verdict{}
	}
}

// Eventually waits until cond holds, and fails the test when it does not within 10 seconds.
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	const most, pause = 10 * time.Second, time.Millisecond
	for start := time.Now(); !cond(); time.Sleep(pause) {
		if time.Since(start) > most {
			t.Fatalf("after %v still not: %s", most, what)
		}
	}
}
