package controller

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
)

// maxWaiting bounds the questions that wait for another answer; each is a goroutine and a connection.
const maxWaiting = 1024

// AwaitUpstreams is Upstreams, but while the first of them is at the address than, which the relay knows already, it waits.
// It looks again whenever a stream begins to be published somewhere or ends, and when the relay has been found to be well, before
// which it is sent to the service's own node; and answers in any case when ctx ends, or at once where too many wait.
func (c *Controller) AwaitUpstreams(ctx context.Context, id stream.ID, relay string, than netip.AddrPort) ([]stream.Service, error) {
	mayWait := than.IsValid() && c.waiting.Add(1) <= maxWaiting
	if than.IsValid() {
		defer c.waiting.Add(-1)
	}
	for {
		turn, well := c.streams.Turn(), (<-chan struct{})(nil)
		if p := c.settings().peers.byName[relay]; p != nil {
			well = p.well.next()
		}
		list, err := c.Upstreams(id, relay, time.Now())
		if err != nil || !mayWait || ctx.Err() != nil || len(list) == 0 || addressOf(list[0]) != than {
			return list, err
		}
		select {
		case <-turn:
		case <-well:
		case <-ctx.Done():
		}
	}
}

// A signal is given to all who wait for it. Its zero value is ready.
type signal struct {
	mu sync.Mutex
	ch chan struct{} // nil: nobody waits
}

// next returns a channel that is closed when the signal is next given.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) give() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

func addressOf(s stream.Service) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(s.Address), s.Port)
}

// SourceAt names the source at an address: a peer, or CDN for a service's own node. One that is neither is named by the
// address, which nothing else is called; none at all by nothing.
func (c *Controller) SourceAt(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	if a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()); a.Addr().Is4() {
		at, s := endpoint{a.Addr().As4(), a.Port()}, c.settings()
		if p := s.peers.byService[at]; p != nil {
			return p.Name
		}
		if _, ok := s.services[at]; ok {
			return stream.CDN
		}
	}
	return a.String()
}
