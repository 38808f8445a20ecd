package relay

import (
	"net"
	"sync"
	"sync/atomic"
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
	cursor
	conn    net.Conn
	rtmp    *rtmp.Conn
	request rtmp.Request
	stream  *stream
	via     []string // relays between us and the players behind this one
	index   int      // in the stream's list

	mu      sync.Mutex
	replies []byte

	pokes   atomic.Int32 // Invariant: above zero while somebody writes; who raises it from zero is that somebody
	closing atomic.Bool
	writing atomic.Int64 // unix nanoseconds since when a write has been waiting; zero: none

	// What follows belongs to whoever writes.
	out    *gatherer
	bufs   net.Buffers // being written
	room   net.Buffers // bufs' memory, to use again
	prefix []byte      // replies and setup, in bufs
	sent   uint64      // bytes behind the handshake
	base   atomic.Uint64
	over   bool // the end of the stream has been told
	came   time.Time
	warmed time.Time   // until when the congestion window needs no looking after
	sends  []time.Time // arrivals of the messages in bufs, to measure the delay added
}

func newViewer(o Options, c net.Conn, conn *rtmp.Conn, req rtmp.Request, via []string) *viewer {
	v := &viewer{conn: c, rtmp: conn, request: req, via: via, sent: conn.Written(), out: newGatherer(c), came: time.Now()}
	v.queue = o.Queue
	conn.Reply = v.reply
	return v
}

// poke sends the viewer what there is for it, unless somebody is doing so already, who then looks again.
func (v *viewer) poke(now time.Time) {
	if v.pokes.Add(1) > 1 {
		return
	}
	for {
		seen := v.pokes.Load()
		waits, err := v.advance(now)
		if err != nil {
			v.close()
			return // and stays poked: nobody writes any more
		}
		if waits {
			v.stream.relay.work.Go(v.finish)
			return // the goroutine is the one that writes now
		}
		if v.pokes.CompareAndSwap(seen, 0) {
			return
		}
	}
}

// advance writes until there is nothing left to write, or the connection would have to be waited for.
func (v *viewer) advance(now time.Time) (waits bool, err error) {
	for {
		if len(v.bufs) == 0 && !v.load(now) {
			if v.warm(now); len(v.bufs) == 0 {
				return false, nil
			}
		}
		n, err := v.out.try(&v.bufs)
		v.stream.relay.metrics.bytesOut.Add(float64(n))
		if err != nil {
			return false, err
		}
		if len(v.bufs) > 0 {
			return true, nil
		}
		v.wrote()
	}
}

// finish waits for the connection until the viewer has caught up.
func (v *viewer) finish() {
	for {
		v.writing.Store(time.Now().UnixNano())
		n, err := v.out.flush(&v.bufs)
		v.writing.Store(0)
		v.stream.relay.metrics.bytesOut.Add(float64(n))
		if err != nil {
			v.close()
			return
		}
		v.wrote()
		for {
			seen := v.pokes.Load()
			waits, err := v.advance(time.Now())
			if err != nil {
				v.close()
				return
			}
			if waits {
				break
			}
			if v.pokes.CompareAndSwap(seen, 0) {
				return
			}
		}
	}
}

// load fills bufs with all there is to send, and reports whether that is anything.
func (v *viewer) load(now time.Time) bool {
	b, ended := v.stream.collect(&v.cursor, now)
	v.prefix = v.prefix[:0]
	v.mu.Lock()
	v.prefix = append(v.prefix, v.replies...)
	v.replies = v.replies[:0]
	v.mu.Unlock()
	if b.setup != nil {
		v.prefix = v.rtmp.Encode(v.prefix, b.setup.messages(b.entries[0].msg.Timestamp)...)
	}
	if ended && len(b.entries) == 0 && !v.over {
		v.over = true
		if ms, err := rtmp.End(v.request); err == nil {
			v.prefix = v.rtmp.Encode(v.prefix, ms...)
		}
	}
	v.bufs = v.room[:0]
	if len(v.prefix) > 0 {
		v.bufs = append(v.bufs, v.prefix)
		v.sent += uint64(len(v.prefix))
	}
	if len(b.entries) > 0 {
		v.base.Store(b.entries[0].offset - v.sent)
	}
	for _, e := range b.entries {
		v.bufs = append(v.bufs, e.wire)
		v.sent += uint64(len(e.wire))
		if !b.join {
			v.sends = append(v.sends, e.arrived)
		}
	}
	if v.room = v.bufs[:0]; cap(v.room) > keepGather {
		v.room = nil
	}
	return len(v.bufs) > 0
}

// wrote notes that the last byte of what was loaded is with the kernel.
func (v *viewer) wrote() {
	if len(v.sends) > 0 {
		now := time.Now()
		for _, arrived := range v.sends {
			v.stream.relay.metrics.added.Observe(now.Sub(arrived).Seconds())
		}
		if v.sends = v.sends[:0]; cap(v.sends) > keepGather {
			v.sends = nil
		}
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
