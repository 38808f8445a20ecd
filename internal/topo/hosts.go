package topo

import "github.com/ofctl-live/ofctl-live/ofproto"

// numShards splits the host tables so that learning one host copies 1/256 of them and not all: readers keep an
// immutable table, and a hundred thousand hosts still learn in microseconds each.
const numShards = 256

// shardOf spreads by the last address byte, the one that differs between neighbours.
func shardOf(last byte) int { return int(last) }

type (
	macShard map[ofproto.MAC]*Host
	ipShard  map[ofproto.IPv4]*Host
)

// hosts is a persistent pair of tables: with and without return a new value that shares every untouched shard.
type hosts struct {
	byMAC [numShards]macShard
	byIP  [numShards]ipShard
	n     int
}

// with returns the tables with h in place of whatever was known of its MAC. An address moves to its latest claimant.
func (t hosts) with(h *Host) hosts {
	if old := t.byMAC[shardOf(h.MAC[5])][h.MAC]; old != nil {
		t = t.without(old)
	}
	i := shardOf(h.MAC[5])
	t.byMAC[i] = cloneWith(t.byMAC[i], h.MAC, h)
	t.n++
	if h.IP != (ofproto.IPv4{}) {
		i = shardOf(h.IP[3])
		t.byIP[i] = cloneWith(t.byIP[i], h.IP, h)
	}
	return t
}

func (t hosts) without(h *Host) hosts {
	i := shardOf(h.MAC[5])
	if t.byMAC[i][h.MAC] == nil {
		return t
	}
	t.byMAC[i] = cloneWithout(t.byMAC[i], h.MAC)
	t.n--
	i = shardOf(h.IP[3])
	if cur := t.byIP[i][h.IP]; cur != nil && cur.MAC == h.MAC {
		t.byIP[i] = cloneWithout(t.byIP[i], h.IP)
	}
	return t
}

func cloneWith[K comparable](m map[K]*Host, k K, h *Host) map[K]*Host {
	c := make(map[K]*Host, len(m)+1)
	for key, host := range m {
		c[key] = host
	}
	c[k] = h
	return c
}

func cloneWithout[K comparable](m map[K]*Host, k K) map[K]*Host {
	c := make(map[K]*Host, len(m))
	for key, host := range m {
		if key != k {
			c[key] = host
		}
	}
	return c
}
