package relay

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

const (
	// writeTimeout ends a viewer whose connection takes nothing at all for so long.
	writeTimeout = 30 * time.Second
	// maxReplies bounds the answers that a viewer may cause before it reads them.
	maxReplies = 4 << 10
)

// A viewer is one player, or a relay below this one.
//
// One goroutine reads what it says. Writing has none of its own: whoever has something for the viewer, mostly the
// goroutine that reads the stream's source, pokes it, and so writes all there is with one call that does not wait. Only
// when the connection takes no more does a goroutine start, which waits for it and ends when the viewer has caught up.
//
// What a viewer is sent is the prelude (handshake and command answers), then per stretch of the stream a setup and the
// window's own bytes, and between those the answers to its pings.
type viewer struct {
	// First what each frame needs, close together: it is seldom in the processor's cache.
	pokes atomic.Int32 // Invariant: above zero while somebody writes; who raises it from zero is that somebody
	over  bool         // the end of the stream has been told; belongs to whoever writes, as do sent and warmed
	cursor
	raw     syscall.RawConn // conn's; nil: not a socket
	stream  *stream
	mu      sync.Mutex
	replies []byte
	sent    uint64 // bytes behind the handshake
	base    atomic.Uint64

	conn    net.Conn
	rtmp    *rtmp.Conn
	request rtmp.Request
	via     []string      // relays between us and the players behind this one
	past    time.Duration // of the stream that it has missed, being a relay that has lost its upstream; zero: none
	index   int           // in the stream's list
	closing atomic.Bool
	writing atomic.Int64 // unix nanoseconds since when a write has been waiting; zero: none
	came    time.Time
	warmed  time.Time // until when the congestion window needs no looking after
}

func newViewer(o Options, c net.Conn, conn *rtmp.Conn, req rtmp.Request, via []string) *viewer {
	v := &viewer{conn: c, raw: rawConn(c), rtmp: conn, request: req, via: via, sent: conn.Written(), came: time.Now()}
	v.queue = o.Queue
	conn.Reply = v.reply
	return v
}

// poke sends the viewer what there is for it, unless somebody is doing so already, who then looks again.
func (v *viewer) poke(now time.Time) {
	if v.pokes.Add(1) > 1 {
		return
	}
	o := outboxes.Get().(*outbox)
	if v.pursue(o, now) {
		v.stream.relay.work.Go(func() { v.finish(o) }) // the goroutine is the one that writes now
		return
	}
	o.release()
}

// finish waits for the connection until the viewer has caught up.
func (v *viewer) finish(o *outbox) {
	defer o.release()
	for waits := true; waits; waits = v.pursue(o, time.Now()) {
		v.writing.Store(time.Now().UnixNano())
		n, err := o.flush(v.conn)
		v.writing.Store(0)
		v.stream.relay.metrics.bytesOut.Add(float64(n))
		if err != nil {
			v.close()
			return
		}
		v.wrote(o)
	}
}

// pursue writes until the viewer has all there is, or the connection would have to be waited for. After an error the viewer
// stays poked: nobody writes to it any more.
func (v *viewer) pursue(o *outbox, now time.Time) (waits bool) {
	for {
		seen := v.pokes.Load()
		waits, err := v.advance(o, now)
		if err != nil {
			v.close()
			return false
		}
		if waits {
			return true
		}
		if v.pokes.CompareAndSwap(seen, 0) {
			return false
		}
	}
}

// advance writes until nothing is left to write that was there when it looked, or the connection would have to be waited for.
func (v *viewer) advance(o *outbox, now time.Time) (waits bool, err error) {
	for more := true; more; {
		if more = v.load(o, now); len(o.bufs) == 0 {
			return false, nil
		}
		n, err := o.try(v.raw)
		v.stream.relay.metrics.bytesOut.Add(float64(n))
		if err != nil {
			return false, err
		}
		if len(o.bufs) > 0 {
			return true, nil
		}
		v.wrote(o)
	}
	return false, nil
}

// load fills o with what there is to send, and reports whether that is not all. Who brings anything later pokes.
func (v *viewer) load(o *outbox, now time.Time) (more bool) {
	b, ended := v.stream.collect(&v.cursor, now, o.entries)
	o.entries = b.entries
	v.mu.Lock()
	o.prefix = append(o.prefix[:0], v.replies...)
	v.replies = v.replies[:0]
	v.mu.Unlock()
	if b.setup != nil {
		o.prefix = v.rtmp.Encode(o.prefix, b.setup.messages(b.entries[0].msg.Timestamp)...)
	}
	if ended && len(b.entries) == 0 && !v.over {
		v.over = true
		if ms, err := rtmp.End(v.request); err == nil {
			o.prefix = v.rtmp.Encode(o.prefix, ms...)
		}
	}
	o.bufs = o.room[:0]
	if len(o.prefix) > 0 {
		o.bufs = append(o.bufs, o.prefix)
		v.sent += uint64(len(o.prefix))
	}
	if len(b.entries) > 0 {
		v.base.Store(b.entries[0].offset - v.sent)
	}
	for _, e := range b.entries {
		o.bufs = append(o.bufs, e.wire)
		v.sent += uint64(len(e.wire))
		if !b.join {
			o.sends = append(o.sends, e.arrived)
		}
	}
	if len(o.bufs) == 0 {
		o.bufs = v.warm(o.bufs, now)
	}
	o.room = o.bufs[:0]
	return b.more || ended && !v.over
}

// wrote notes that the last byte of what was loaded is with the kernel.
func (v *viewer) wrote(o *outbox) {
	if len(o.sends) > 0 {
		now := time.Now()
		for _, arrived := range o.sends {
			v.stream.relay.metrics.added.Observe(now.Sub(arrived).Seconds())
		}
		o.sends = o.sends[:0]
	}
	if v.over {
		v.close()
	}
}

// read follows what the viewer says until it leaves.
func (v *viewer) read() error {
	for {
		ms, err := v.rtmp.ReadBatch()
		if err != nil {
			return err
		}
		for _, m := range ms {
			if rtmp.IsEnd(m) {
				return nil
			}
		}
	}
}

// reply queues an answer behind what is being written, so that what is sent stays in one order.
func (v *viewer) reply(encoded []byte) error {
	v.mu.Lock()
	if len(v.replies)+len(encoded) <= maxReplies { // more: it asks and does not listen
		v.replies = append(v.replies, encoded...)
	}
	v.mu.Unlock()
	v.poke(time.Now())
	return nil
}

// close ends the connection, and with it whoever reads or waits.
func (v *viewer) close() {
	if !v.closing.Swap(true) {
		_ = v.conn.Close() // nothing to be done about a failure
	}
}

// stuck reports whether a write has been waiting for too long.
func (v *viewer) stuck(now time.Time) bool {
	since := v.writing.Load()
	return since != 0 && now.UnixNano()-since > int64(writeTimeout)
}
