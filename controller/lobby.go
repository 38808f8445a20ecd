package controller

import (
	"container/list"
	"net"
	"sync"
)

// A lobby holds the connections that are half-open: they have not finished the handshake. Where it is full the oldest makes
// room, for a switch that means it is through in no time: whoever opens connections and says nothing shuts out only his
// own. Its zero value is empty.
type lobby struct {
	mu      sync.Mutex
	waiting list.List // of net.Conn, oldest first. Invariant: no more than maxHalfOpen
}

// enter lets a connection in until leave is called, and reports whether another was closed for it. leave may be called for a
// connection that had to make room.
func (l *lobby) enter(nc net.Conn) (leave func(), crowded bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting.Len() >= maxHalfOpen {
		oldest := l.waiting.Front()
		_ = l.waiting.Remove(oldest).(net.Conn).Close()
		crowded = true
	}
	at := l.waiting.PushBack(nc)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting.Remove(at)
	}, crowded
}
