package relay

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

const (
	// pushQueue is what a push may lag behind before it skips: more than a viewer, since many depend on it.
	pushQueue = 10 * time.Second
	// catchUp bounds how fast a push sends what it is behind with, in multiples of the stream's rate. The publisher's line
	// is often that of the first viewers too, whose frames would wait behind such a burst.
	catchUp    = 2
	minBackoff = 250 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// A push hands a stream that is published here on to another server, for as long as there is a publisher and Keep
// beyond, however often that server has to be called.
type push struct {
	stream  *stream
	target  rtmp.URL
	request rtmp.Request
	cancel  context.CancelFunc
	wake    chan struct{} // capacity 1: the stream has grown
	cursor  cursor

	mu      sync.Mutex
	replies []byte // answers to the server, encoded
}

// ensurePushes starts what is not running. The caller holds the stream's lock.
func (s *stream) ensurePushes(req rtmp.Request) {
	if len(s.pushes) > 0 {
		return
	}
	for _, u := range s.relay.o.Push {
		target, err := rtmp.ParseURL(u)
		if err != nil {
			continue // New has checked them all
		}
		if target.App == "" {
			target.App = s.id.app
		}
		to := target
		to.App = withArgs(target.App, argumentsOf(req).app)
		p := &push{stream: s, target: target, request: rtmp.Request{
			Publish: true, App: to.App, Key: req.Key, TcURL: to.String(),
			FlashVer: "FMLE/3.0 (compatible; ofctl-live)",
		}, wake: make(chan struct{}, 1), cursor: cursor{queue: pushQueue}}
		var ctx context.Context
		ctx, p.cancel = context.WithCancel(s.relay.ctx)
		s.pushes = append(s.pushes, p)
		s.relay.work.Go(func() { p.run(ctx) })
	}
}

// stopPushes ends them. The caller holds the stream's lock.
func (s *stream) stopPushes() {
	for _, p := range s.pushes {
		p.cancel()
	}
	s.pushes = nil
}

func (p *push) run(ctx context.Context) {
	log := p.stream.relay.log.WithFields(logrus.Fields{"stream": p.stream.id.String(), "push": p.target.String()})
	m := p.stream.relay.metrics
	m.pushes.Inc()
	defer m.pushes.Dec()
	backoff := minBackoff
	for ctx.Err() == nil {
		began := time.Now()
		err := p.once(ctx, log)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxBackoff {
			backoff = minBackoff
		}
		log.WithError(err).WithField("again_in", backoff.String()).Warn("push failed")
		if !sleep(ctx, backoff) {
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// begin has a new connection start at the latest keyframe. What came while it was being made would only have everybody
// behind it watch that much later. It returns the stream's rate in bytes a second.
func (p *push) begin() float64 {
	p.stream.mu.RLock()
	defer p.stream.mu.RUnlock()
	p.cursor.setup = nil // it knows nothing yet
	p.cursor.join(p.stream.window, JoinGOP)
	return p.stream.window.rate()
}

// follow has a push that is behind since a time go on at the stream's present rate, or free of it once it has caught up. It
// reports whether it is behind still.
func (p *push) follow(nc *receiver, since time.Time) bool {
	if nc.unsent() == 0 || time.Since(since) > pushQueue {
		nc.pace(math.MaxUint32)
		return false
	}
	p.stream.mu.RLock()
	rate := p.stream.window.rate()
	p.stream.mu.RUnlock()
	nc.pace(catchUp * rate)
	return true
}

// poke has the push look for what it is to send.
func (p *push) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// reply queues an answer for who writes, so that what is sent stays in one order.
func (p *push) reply(encoded []byte) error {
	p.mu.Lock()
	if len(p.replies)+len(encoded) <= maxReplies { // more: it asks and does not listen
		p.replies = append(p.replies, encoded...)
	}
	p.mu.Unlock()
	p.poke()
	return nil
}

// takeReplies appends the answers that wait.
func (p *push) takeReplies(dst []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	dst, p.replies = append(dst, p.replies...), p.replies[:0]
	return dst
}

// once pushes over one connection.
func (p *push) once(ctx context.Context, log logrus.FieldLogger) error {
	req := p.request
	nc, conn, err := open(ctx, p.target, &req, p.stream.relay.o)
	if err != nil {
		return err
	}
	log.Info("push begins")
	_ = p.takeReplies(nil) // of the connection before
	conn.Reply = p.reply
	lost := make(chan error, 1)
	p.stream.relay.work.Go(func() { // the server's side: acknowledgements, pings, and its end
		for {
			if _, err := conn.ReadBatch(); err != nil {
				lost <- err
				return
			}
		}
	})
	defer nc.Close()
	began, behind := time.Now(), nc.pace(catchUp*p.begin())
	o := outboxes.Get().(*outbox)
	defer o.release()
	for {
		b, _ := p.stream.collect(&p.cursor, time.Now(), o.entries)
		o.entries = b.entries
		o.prefix = p.takeReplies(o.prefix[:0])
		if len(b.entries) == 0 && len(o.prefix) == 0 {
			select {
			case <-p.wake:
				behind = behind && p.follow(nc, began)
				continue
			case err := <-lost:
				return err
			case <-ctx.Done():
				_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
				return unpublish(conn, req)
			}
		}
		if b.setup != nil {
			for _, m := range b.setup.messages(b.entries[0].msg.Timestamp) {
				o.prefix = conn.Encode(o.prefix, toServer(m, req.StreamID))
			}
		}
		for _, e := range b.entries {
			o.prefix = conn.Encode(o.prefix, toServer(e.msg, req.StreamID))
		}
		clear(b.entries)
		o.bufs = append(o.room[:0], o.prefix)
		o.room = o.bufs[:0]
		if _, err := o.try(nc.raw); err != nil {
			return err
		}
		if len(o.bufs) == 0 {
			continue
		}
		_ = nc.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := o.flush(nc); err != nil {
			return err
		}
	}
}

// unpublish takes leave of a server. It is a courtesy: the connection ends right after.
func unpublish(conn *rtmp.Conn, req rtmp.Request) error {
	m, err := rtmp.Command{Name: "FCUnpublish", Transaction: 6, Args: []rtmp.Value{req.Key}}.Message(0)
	if err != nil {
		return err
	}
	d, err := rtmp.Command{Name: "deleteStream", Transaction: 7, Args: []rtmp.Value{float64(req.StreamID)}}.Message(0)
	if err != nil {
		return err
	}
	return conn.Write(m, d)
}

// toServer turns a message of the window into what a publisher sends.
func toServer(m rtmp.Message, streamID uint32) rtmp.Message {
	m.StreamID = streamID
	if body, ok := rtmp.Metadata(m); ok {
		m.Payload = rtmp.PublishedMetadata(body)
	}
	return m
}
