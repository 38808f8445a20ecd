package relay

import (
	"net/netip"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// A publisher is one that brings a stream to this relay itself.
type publisher struct {
	*source
	request  rtmp.Request
	lastByte atomic.Int64 // unix nanoseconds
}

// receiveBuffer is what one read of a stream's source may bring. A frame that is not larger goes on after one read.
const receiveBuffer = 128 << 10

// publish serves one publisher.
func (c *client) publish() {
	r := c.relay
	if reason := r.o.Publish.refusal(c.request, c.address); reason != "" {
		c.refuse("publish", "NetStream.Publish.Denied", reason)
		return
	}
	p := &publisher{request: c.request, source: &source{
		name: "publisher " + c.conn.RemoteAddr().String(), encodes: true, stop: func() { _ = c.conn.Close() },
	}}
	p.lastByte.Store(time.Now().UnixNano())
	var s *stream
	for admitted := false; !admitted; {
		s = r.stream(c.id)
		var busy bool
		if admitted, busy = s.publish(p); busy {
			c.refuse("busy", "NetStream.Publish.BadName", "another publisher has this name")
			return
		}
	}
	defer s.unpublish(p)
	if c.grant() != nil {
		return // it has left
	}
	c.log.Info("publisher came")
	c.conn.opening = false
	c.rtmp.Reply = c.conn.answer
	c.rtmp.SetReadBuffer(receiveBuffer)
	c.rtmp.SetMaxMessage(rtmp.DefaultMaxMessage)
	for {
		ms, err := c.rtmp.ReadBatch()
		if err != nil {
			c.log.WithField("cause", err.Error()).Info("publisher lost")
			return
		}
		p.lastByte.Store(time.Now().UnixNano())
		s.feed(p.source, ms, payloadBytes(ms))
		if slices.ContainsFunc(ms, rtmp.IsEnd) {
			c.log.Info("publisher left")
			return
		}
	}
}

func payloadBytes(ms []rtmp.Message) int {
	n := 0
	for _, m := range ms {
		n += len(m.Payload)
	}
	return n
}

// refusal says why a publisher may not publish, or nothing.
func (o PublishOptions) refusal(req rtmp.Request, address netip.Addr) string {
	if len(o.Allow) > 0 && !slices.ContainsFunc(o.Allow, func(p netip.Prefix) bool { return p.Contains(address) }) {
		return "publishing is not allowed from this address"
	}
	if len(o.Tokens) == 0 {
		return ""
	}
	_, args := rtmp.SplitArgs(req.Key)
	if q, err := url.ParseQuery(args); err == nil && slices.Contains(o.Tokens, q.Get("token")) && q.Get("token") != "" {
		return ""
	}
	return "publishing needs a valid token"
}

// publish makes p the stream's publisher. It fails if the stream is gone, or if another publisher is at work; one that
// has been silent for as long as an upstream may be is taken for dead.
func (s *stream) publish(p *publisher) (admitted, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return false, false
	}
	if old := s.publisher; old != nil && time.Now().UnixNano()-old.lastByte.Load() < int64(s.relay.o.Stall) {
		return false, true
	}
	if old := s.publisher; old != nil {
		s.splicer.drop(old.source)
		old.stop()
	}
	s.publisher = p
	s.splicer.offer(p.source, time.Now())
	s.silent = time.Time{}
	s.args = argumentsOf(p.request)
	if s.pull != nil {
		s.pull.yield() // goes on until the publisher's first keyframe
	}
	s.ensurePushes(p.request)
	s.relay.metrics.published.Inc()
	s.relay.tell()
	return true, false
}

// unpublish takes leave of p; the stream waits for its return.
func (s *stream) unpublish(p *publisher) {
	s.drop(p.source)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.publisher == p {
		s.publisher = nil
		s.relay.tell()
	}
	s.relay.metrics.published.Dec() // whoever sees that may publish
	if len(s.viewers) == 0 {
		s.lonely = time.Now()
	}
}
