package controller

import (
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

const (
	maxPublishers   = 4096
	publisherMemory = 24 * time.Hour
)

// publishers remembers who has published. Its zero value is empty and ready.
type publishers struct {
	mu sync.Mutex
	m  map[ofproto.IPv4]time.Time
}

func (p *publishers) add(ip ofproto.IPv4, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = make(map[ofproto.IPv4]time.Time)
	}
	if len(p.m) >= maxPublishers {
		for other := range p.m { // any: so many publishers are nobody's normal case
			delete(p.m, other)
			break
		}
	}
	p.m[ip] = now
}

func (p *publishers) has(ip ofproto.IPv4, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, ok := p.m[ip]
	return ok && now.Sub(last) < publisherMemory
}
