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
// Two goroutines serve it: one reads its commands, pings and end; the other writes. What it is sent is the prelude
// (handshake and command answers), then per stretch of the stream a setup and the window's own bytes, and between those
// the answers to its pings.
type viewer struct {
	*cursor
	conn    net.Conn
	rtmp    *rtmp.Conn
	request rtmp.Request
	stream  *stream
	via     []string // relays between us and the players behind this one, see loop detection

	mu      sync.Mutex
	replies []byte
	closing atomic.Bool
	writing atomic.Int64 // unix nanoseconds since when a write has been under way; zero: none

	sent uint64        // bytes behind the handshake that were handed to the connection
	base atomic.Uint64 // window offset minus sent, for the present stretch of the stream
}

// write sends the stream until the viewer or the stream ends.
func (v *viewer) write() error {
	var (
		bufs  net.Buffers
		prefs []byte
		m     = v.stream.relay.metrics
	)
	for {
		b, ended := v.stream.collect(v.cursor)
		v.mu.Lock()
		prefs = append(prefs[:0], v.replies...)
		v.replies = v.replies[:0]
		v.mu.Unlock()
		if b.setup != nil {
			prefs = v.rtmp.Encode(prefs, b.setup.messages(b.entries[0].msg.Timestamp)...)
		}
		if ended && len(b.entries) == 0 {
			if ms, err := rtmp.End(v.request); err == nil {
				prefs = v.rtmp.Encode(prefs, ms...)
			}
		}
		if len(prefs) == 0 && len(b.entries) == 0 {
			if v.closing.Load() {
				return nil
			}
			<-v.wake
			continue
		}
		all := bufs[:0]
		if len(prefs) > 0 {
			all = append(all, prefs)
			v.sent += uint64(len(prefs))
		}
		if len(b.entries) > 0 {
			v.base.Store(b.entries[0].offset - v.sent)
		}
		for _, e := range b.entries {
			all = append(all, e.wire)
			v.sent += uint64(len(e.wire))
		}
		bufs = all
		v.writing.Store(time.Now().UnixNano())
		n, err := all.WriteTo(v.conn)
		v.writing.Store(0)
		m.bytesOut.Add(float64(n))
		if err != nil {
			return err
		}
		if !b.join {
			now := time.Now()
			for _, e := range b.entries {
				m.added.Observe(now.Sub(e.arrived).Seconds())
			}
		}
		if ended && len(b.entries) == 0 {
			return nil
		}
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

// reply queues an answer for the writing goroutine, so that what is sent stays in one order.
func (v *viewer) reply(encoded []byte) error {
	v.mu.Lock()
	if len(v.replies)+len(encoded) > maxReplies {
		encoded = nil // it asks and does not listen
	}
	v.replies = append(v.replies, encoded...)
	v.mu.Unlock()
	v.signal()
	return nil
}

// close makes both goroutines end.
func (v *viewer) close() {
	v.closing.Store(true)
	_ = v.conn.Close() // nothing to be done about a failure
	v.signal()
}

// stuck reports whether a write has made no end for too long.
func (v *viewer) stuck(now time.Time) bool {
	since := v.writing.Load()
	return since != 0 && now.UnixNano()-since > int64(writeTimeout)
}
