package relay

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

const (
	supervision = 50 * time.Millisecond // how often a pull looks after its connections
	refresh     = 5 * time.Second       // how often the controller is asked for something better, which it says sooner if it can
	silence     = 10 * time.Second      // an upstream that has never sent is given this, if there is another
	disfavour   = time.Minute           // an upstream that was offered as better and was not, is not tried again for this
)

// A pull brings a stream from upstreams, one at a time but for the moments of a change. It looks after its inlets: one
// that dies or stalls is replaced by the next best at once, one that the controller has found a better upstream for is
// replaced once the new one is in step.
type pull struct {
	stream   *stream
	cancel   context.CancelFunc
	yielding atomic.Bool // a publisher is here: no more calls

	finished chan *inlet
	answers  chan []rtmp.URL

	// What follows belongs to run's goroutine.
	list    []rtmp.URL // upstreams, best first
	moved   bool       // the last answer named another first than the one before it
	asking  bool
	asked   time.Time
	active  *inlet // whose messages viewers get; nil: none
	next    *inlet // on its way to become active; nil: none
	running int    // inlets whose goroutine has not finished
	faults  map[rtmp.URL]fault
}

// fault remembers that an upstream has failed.
type fault struct {
	until   time.Time
	backoff time.Duration
}

// startPull starts pulling s, whose lock the caller holds.
func startPull(s *stream) *pull {
	ctx, cancel := context.WithCancel(s.relay.ctx)
	p := &pull{
		stream: s, cancel: cancel, finished: make(chan *inlet), answers: make(chan []rtmp.URL, 1), faults: make(map[rtmp.URL]fault),
	}
	s.relay.work.Go(func() {
		defer cancel()
		p.run(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pull = nil
		if s.relay.ctx.Err() == nil {
			s.ensurePull() // somebody may have come while it ended
		}
	})
	return p
}

// yield makes the pull end with its present inlet.
func (p *pull) yield() { p.yielding.Store(true) }

func (p *pull) run(ctx context.Context) {
	tick := time.NewTicker(supervision)
	defer tick.Stop()
	log := p.stream.relay.log.WithField("stream", p.stream.id.String())
	p.ask(ctx)
	for ctx.Err() == nil && !(p.yielding.Load() && p.active == nil) {
		select {
		case <-ctx.Done():
		case in := <-p.finished:
			p.lost(in, log)
		case list := <-p.answers:
			p.asking = false
			p.moved = len(list) > 0 && (len(p.list) == 0 || list[0] != p.list[0])
			p.list = list
		case <-tick.C:
		}
		p.look(ctx, time.Now(), log)
	}
	p.cancel() // and with it every inlet
	for ; p.running > 0; p.running-- {
		<-p.finished
	}
	if p.asking {
		<-p.answers
	}
}

// ask finds upstreams without holding up anything else. A controller lets it wait for better ones.
func (p *pull) ask(ctx context.Context) {
	p.asking, p.asked = true, time.Now()
	known := p.list
	go func() { p.answers <- p.stream.relay.upstreams.find(ctx, p.stream.id, known) }()
}

// look decides what is to be done now.
func (p *pull) look(ctx context.Context, now time.Time, log *logrus.Entry) {
	if ctx.Err() != nil || p.yielding.Load() {
		return
	}
	if !p.asking && (now.Sub(p.asked) > refresh || (p.moved || len(p.list) == 0) && now.Sub(p.asked) > time.Second) {
		p.ask(ctx)
	}
	p.settle()
	stalled := p.active != nil && p.active.media.Load() && p.active.quiet(now) > p.stream.relay.o.Stall
	switch {
	case p.next != nil && p.active == nil && !p.next.media.Load() && p.better(now.Add(-disfavour), p.next.url):
		p.next.stop() // it waits for a stream that is to be had elsewhere
		p.call(ctx, &p.list[0], log)
	case p.next != nil:
		p.mind(now, stalled)
	case p.active == nil || stalled:
		p.call(ctx, p.choose(now, p.active), log)
	case p.better(now, p.active.url):
		p.call(ctx, &p.list[0], log)
	}
}

// settle takes note of a change: what was active has been stopped by it.
func (p *pull) settle() {
	if p.next != nil && p.stream.isActive(p.next.source) {
		p.active, p.next = p.next, nil
		delete(p.faults, p.active.url)
	}
}

// better reports whether there is a better upstream than u that has no fault at that time.
func (p *pull) better(now time.Time, u rtmp.URL) bool {
	return len(p.list) > 0 && p.list[0] != u && !now.Before(p.faults[p.list[0]].until)
}

// mind gives up a next inlet that leads nowhere, and a stalled one that has been replaced.
func (p *pull) mind(now time.Time, stalled bool) {
	in := p.next
	age := now.Sub(in.began)
	switch {
	case !in.opened.Load():
		return // it has its own deadline
	case stalled:
		p.active.stop()
		p.active = nil
	case p.active != nil && age > 2*patience:
		// It was called because it was better, or because the active one had stalled, and proves neither.
		p.faults[in.url] = fault{until: now.Add(disfavour), backoff: minBackoff}
		in.stop()
	case p.active == nil && !in.media.Load() && age > silence && len(p.list) > 1,
		p.active == nil && len(p.list) > 0 && !in.media.Load() && !slices.Contains(p.list, in.url):
		in.stop()
	case in.media.Load() && in.quiet(now) > p.stream.relay.o.Stall:
		in.stop()
	}
}

// choose returns the best upstream that has no fault now, preferring another than the one that stalls.
func (p *pull) choose(now time.Time, stalled *inlet) *rtmp.URL {
	var last *rtmp.URL
	for i := range p.list {
		u := &p.list[i]
		switch {
		case now.Before(p.faults[*u].until):
		case stalled != nil && *u == stalled.url:
			last = u
		default:
			return u
		}
	}
	return last
}

// call starts an inlet from u, if there is one to call.
func (p *pull) call(ctx context.Context, u *rtmp.URL, log *logrus.Entry) {
	if u == nil {
		return
	}
	ctx, in := newInlet(ctx, *u)
	p.next = in
	p.running++
	log.WithField("upstream", u.String()).Debug("calling upstream")
	go func() {
		in.run(ctx, p.stream)
		p.finished <- in
	}()
}

// lost takes note of an inlet's end.
func (p *pull) lost(in *inlet, log *logrus.Entry) {
	p.running--
	p.settle()
	if in != p.active && in != p.next {
		return // it was stopped because another took over
	}
	if in == p.active {
		p.active = nil
	}
	if in == p.next {
		p.next = nil
	}
	f, known := p.faults[in.url]
	if time.Now().After(f.until) {
		f.backoff = min(max(2*f.backoff, minBackoff), maxBackoff)
		if in.media.Load() {
			f.backoff = minBackoff
		}
		f.until = time.Now().Add(f.backoff)
		p.faults[in.url] = f
	}
	level := logrus.WarnLevel
	if known && !in.media.Load() {
		level = logrus.DebugLevel // it was told once
	}
	log.WithError(in.err).WithField("upstream", in.url.String()).Log(level, "upstream lost")
}

// isActive reports whether src is where the stream comes from.
func (s *stream) isActive(src *source) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.splicer.active == src
}
