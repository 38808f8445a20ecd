package stream

import "sync"

const tableShards = 64

// A Table holds one value per connection, split so that no lock in it is a global one. The zero Table is empty and ready.
type Table[V any] struct {
	shards [tableShards]shard[V]
}

type shard[V any] struct {
	mu sync.RWMutex
	m  map[Tuple]V
}

// of is the shard that a connection is in: viewers differ in the last byte of their address, their connections in the port.
func (t *Table[V]) of(k Tuple) *shard[V] {
	return &t.shards[(uint16(k.Client[3])^k.ClientPort)%tableShards]
}

// Load finds a connection's value.
func (t *Table[V]) Load(k Tuple) (v V, ok bool) {
	s := t.of(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok = s.m[k]
	return v, ok
}

// Update replaces a connection's value by what f makes of the present one (ok false: absent); keep false removes it.
// f runs under the shard's lock: two packets of one connection are never decided twice.
func (t *Table[V]) Update(k Tuple, f func(v V, ok bool) (next V, keep bool)) {
	s := t.of(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.m[k]
	next, keep := f(v, ok)
	switch {
	case keep:
		if s.m == nil {
			s.m = make(map[Tuple]V)
		}
		s.m[k] = next
	case ok:
		delete(s.m, k)
	}
}

// All calls yield for every connection until it answers false. A shard is locked while its values are shown, so yield must
// not call back into the table.
func (t *Table[V]) All(yield func(Tuple, V) bool) {
	for i := range t.shards {
		if !t.allOf(i, yield) {
			return
		}
	}
}

func (t *Table[V]) allOf(i int, yield func(Tuple, V) bool) bool {
	s := &t.shards[i]
	s.mu.RLock()
	defer s.mu.RUnlock()
	for k, v := range s.m {
		if !yield(k, v) {
			return false
		}
	}
	return true
}

// Len counts the connections.
func (t *Table[V]) Len() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		n += len(s.m)
		s.mu.RUnlock()
	}
	return n
}
