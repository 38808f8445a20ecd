package e2e

import (
	big "encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Ticks stand for a stream where what counts is when each part of it came: a service that sends a number each 20 ms.

const tick = 20 * time.Millisecond

// sendTicks serves one viewer until he leaves.
func sendTicks(c net.Conn) {
	every := time.NewTicker(tick)
	defer every.Stop()
	for n := uint32(0); ; n++ {
		if err := big.Write(c, big.BigEndian, n); err != nil {
			return
		}
		<-every.C
	}
}

// A ticker is a viewer of ticks.
type ticker struct {
	conn net.Conn
	mu   sync.Mutex
	came []time.Time // by number
	err  error
}

// watchTicks dials a service of ticks and takes them until the test ends.
func (h *host) watchTicks(addr string) *ticker {
	h.lab.t.Helper()
	w := new(ticker)
	err := h.within(func() (err error) {
		if w.conn, err = net.DialTimeout("tcp", addr, 5*time.Second); err == nil {
			_, err = w.conn.Write([]byte("no RTMP\n")) // so that the daemon does not go on listening for what it plays
		}
		return err
	})
	if err != nil {
		h.lab.t.Fatalf("%s: %v", h.name, err)
	}
	h.lab.t.Cleanup(func() { w.conn.Close() })
	go func() {
		var b [4]byte
		for {
			_, err := io.ReadFull(w.conn, b[:])
			w.mu.Lock()
			if n := big.BigEndian.Uint32(b[:]); err == nil && int(n) != len(w.came) {
				err = net.ErrClosed // not the same stream any more
			}
			if err != nil {
				w.err = err
				w.mu.Unlock()
				return
			}
			w.came = append(w.came, time.Now())
			w.mu.Unlock()
		}
	}()
	return w
}

// since returns when the first tick after a moment came, and whether one did.
func (w *ticker) since(moment time.Time) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.came {
		if at.After(moment) {
			return at, true
		}
	}
	return time.Time{}, false
}

// sound wants a stream that is still the same one, and returns the longest time without a tick.
func (w *ticker) sound(t *testing.T) (gap time.Duration) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || len(w.came) == 0 {
		t.Errorf("the stream broke after %d ticks: %v", len(w.came), w.err)
	}
	for i := 1; i < len(w.came); i++ {
		gap = max(gap, w.came[i].Sub(w.came[i-1]))
	}
	return gap
}
