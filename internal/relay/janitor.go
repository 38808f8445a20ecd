package relay

import (
	"context"
	"time"
)

// janitor looks after the streams: it ends what nobody needs, pulls what has lost its publisher, measures bit rates.
func (r *Relay) janitor(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			r.sweep(now)
		}
	}
}

func (r *Relay) sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, s := range r.streams {
		if s.sweep(now) {
			delete(r.streams, id)
		}
	}
	r.metrics.streams.Set(float64(len(r.streams)))
}

// sweep does a stream's share and reports whether the stream is over.
func (s *stream) sweep(now time.Time) bool {
	o := s.relay.o
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meter.tick(s.bytes, now)
	for _, v := range s.viewers {
		if v.stuck(now) {
			v.close()
		}
	}
	unwatched := !s.lonely.IsZero() && now.Sub(s.lonely) > o.Keep
	if s.publisher == nil {
		sourceless := !s.silent.IsZero() && now.Sub(s.silent) > o.Keep
		if sourceless {
			s.stopPushes()
			s.ensurePull()
		}
		if s.pull != nil && unwatched {
			s.pull.cancel()
		}
		if o.Idle > 0 && len(s.viewers) > 0 && !s.silent.IsZero() && now.Sub(s.silent) > o.Idle {
			s.ended, s.gone = true, true
			s.stopPushes()
			if s.pull != nil {
				s.pull.cancel()
			}
			s.relay.work.Go(func() { s.fanOut(now) }) // tells them, once the lock is free
		}
		if unwatched && sourceless && s.pull == nil {
			s.gone = true
		}
	}
	return s.gone
}
