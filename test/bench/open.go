package main

import (
	"context"
	"time"
)

// openBlock is how many requests one write of the open loop carries. They are written as they are, slot after slot, so
// that sending costs little more than the system call; the id is the slot's number.
const openBlock = 500

// An openLoad is the open loop of one switch.
type openLoad struct{ s *simSwitch }

// send sends all slots' requests, over and over, until stop, and returns how many it sent.
func (o *openLoad) send(stop context.Context, first int) (n uint64) {
	for at := first; stop.Err() == nil; {
		b := block(o.s.slots, at, openBlock)
		if o.s.send(b) != nil {
			break
		}
		n += uint64(len(b) / requestLen)
		if at += openBlock; at >= len(o.s.slots) {
			at = 0
		}
	}
	return n
}

// answer implements load.
func (o *openLoad) answer(id uint32, message []byte) bool {
	if int(id) >= len(o.s.slots) {
		return false
	}
	if n := o.s.counts.answers.Add(1); n%sampleAnswers == 0 {
		o.s.check(message, &o.s.slots[id], id)
	}
	return true
}

// sending implements load.
func (*openLoad) sending() {}

// openLoop has every switch send as fast as the controller reads, for a while, after a lead that is not measured. Then it
// waits for the answers that are still to come, to tell how many requests had none.
func openLoop(ctx context.Context, switches []*simSwitch, lead, length time.Duration) (result, error) {
	sendCtx, stop := context.WithCancel(ctx)
	defer stop()
	sent := make(chan uint64, len(switches))
	answered := total(switches).answers
	for i, s := range switches {
		o := &openLoad{s}
		s.set(o)
		go func() { sent <- o.send(sendCtx, i*len(s.slots)/len(switches)/openBlock*openBlock) }()
	}
	nothing := func() error { return nil }
	if err := wait(ctx, switches, lead, nothing); err != nil {
		return result{}, err
	}
	before, start := total(switches), time.Now()
	err := wait(ctx, switches, length, nothing)
	r := total(switches).since(before, time.Since(start))
	stop()
	var asked uint64
	for range switches {
		asked += <-sent
	}
	got, last := total(switches).answers, time.Now()
	for err == nil && got-answered < asked && time.Since(last) < patience { // until nothing more comes
		err = wait(ctx, switches, lostCheck/2, nothing)
		if n := total(switches).answers; n != got {
			got, last = n, time.Now()
		}
	}
	if got-answered < asked {
		r.Lost = asked - (got - answered)
	}
	for _, s := range switches {
		s.set(idle{})
	}
	return r, err
}
