package relay

import (
	"context"
	"time"
)

// drain turns new viewers away and waits for those that are there, for as long as Options.Drain allows.
func (r *Relay) drain() {
	r.draining.Store(true)
	r.metrics.draining.Set(1)
	if r.o.Controller != "" {
		ctx, cancel := context.WithTimeout(context.Background(), leaveLimit)
		if err := r.report(ctx); err != nil {
			r.log.WithError(err).Warn("could not tell the controller of draining")
		}
		cancel()
	}
	r.closeListeners()
	r.mu.Lock()
	left := r.viewers
	r.mu.Unlock()
	r.log.WithField("viewers", left).Info("relay drains")
	deadline := time.NewTimer(r.o.Drain)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		r.mu.Lock()
		left := r.viewers
		r.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			r.log.WithField("viewers", left).Warn("relay ends with viewers")
			return
		}
	}
}
