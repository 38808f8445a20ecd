package main

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	openBlock = 500  // requests that one write of the open loop carries
	openRing  = 4096 // blocks whose time of sending is remembered: more than any controller lets wait
)

// An openLoad is the open loop of one switch. Requests are numbered from 0; the nth is for the slot at first+n.
type openLoad struct {
	s     *simSwitch
	slots []slot
	first int

	asked  atomic.Uint64
	sentAt [openRing]atomic.Int64 // nanoseconds since start
	start  time.Time

	// Of the reader:
	answered [openRing]struct{ block, n uint32 } // so many answers of the newest block that ended up here
	now      int64                               // when the messages being handled were read; 0 before the first answer among them
	latency  histogram
}

func (o *openLoad) slot(id uint32) *slot {
	return &o.slots[(o.first+int(id))%len(o.slots)]
}

// send sends all slots' requests, over and over, until stop. Sending a block costs little more than the system call.
func (o *openLoad) send(stop context.Context) {
	buf := make([]byte, 0, openBlock*requestLen)
	for n := uint32(0); stop.Err() == nil; n++ {
		buf = buf[:0]
		for i := n * openBlock; i < (n+1)*openBlock; i++ {
			buf = o.slot(i).appendRequest(buf, i, o.s.buffered)
		}
		o.sentAt[n%openRing].Store(int64(time.Since(o.start)))
		o.asked.Add(openBlock)
		if o.s.send(buf) != nil {
			return
		}
	}
}

// answer implements load. More answers than a block has requests answer nothing.
func (o *openLoad) answer(id uint32, message []byte) bool {
	if uint64(id) >= o.asked.Load() {
		return false
	}
	if o.now == 0 {
		o.now = int64(time.Since(o.start))
	}
	block := id / openBlock
	b := &o.answered[block%openRing]
	if b.block != block {
		b.block, b.n = block, 0
	}
	if b.n++; b.n > openBlock {
		o.s.counts.unmatched.Add(1)
		return true
	}
	o.latency.add(time.Duration(o.now - o.sentAt[block%openRing].Load()))
	if n := o.s.counts.answers.Add(1); n%sampleAnswers == 0 {
		o.s.check(message, o.slot(id), id)
	}
	return true
}

// sending implements load.
func (o *openLoad) sending() { o.now = 0 }

// openLoop has every switch send as fast as the controller reads, for a while, after a lead that is not measured. Then it
// waits for the answers that are still to come, to tell how many requests had none.
func openLoop(ctx context.Context, switches []*simSwitch, lead, length time.Duration) (result, error) {
	sendCtx, stop := context.WithCancel(ctx)
	defer stop()
	sent := make(chan struct{}, len(switches))
	answered := total(switches).answers
	loads := make([]*openLoad, len(switches))
	for i, s := range switches {
		o := &openLoad{s: s, slots: s.slots, first: i * len(s.slots) / len(switches), start: time.Now()}
		loads[i] = o
		s.set(o)
		go func() { o.send(sendCtx); sent <- struct{}{} }()
	}
	nothing := func() error { return nil }
	if err := wait(ctx, switches, lead, nothing); err != nil {
		return result{}, err
	}
	for _, o := range loads {
		o.s.mu.Lock()
		o.latency = histogram{}
		o.s.mu.Unlock()
	}
	before, start := total(switches), time.Now()
	err := wait(ctx, switches, length, nothing)
	r := total(switches).since(before, time.Since(start))
	r.latency = new(histogram)
	for _, o := range loads {
		o.s.mu.Lock()
		r.latency.merge(&o.latency)
		o.s.mu.Unlock()
	}
	stop()
	var asked uint64
	for _, o := range loads {
		<-sent
		asked += o.asked.Load()
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
