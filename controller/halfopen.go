package controller

import (
	"container/list"
	"net"
	"sync"
)

// halfOpen holds the connections that have not finished the handshake. Where it is full the oldest makes room, for a switch
// that means it is through in no time: whoever opens connections and says nothing shuts out only his own. Its zero value is
// empty.
type halfOpen struct {
	mu      sync.Mutex
	waiting list.List // of net.Conn, oldest first. Invariant: no more than maxHalfOpen
}

// enter lets a connection in until leave is called, and reports whether another was closed for it. leave may be called for a
// connection that had to make room.
func (h *halfOpen) enter(nc net.Conn) (leave func(), crowded bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting.Len() >= maxHalfOpen {
		oldest := h.waiting.Front()
		_ = h.waiting.Remove(oldest).(net.Conn).Close()
		crowded = true
	}
	at := h.waiting.PushBack(nc)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.waiting.Remove(at)
	}, crowded
}
