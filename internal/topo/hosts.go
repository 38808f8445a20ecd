package topo

import "github.com/ofctl-live/ofctl-live/ofproto"

// hosts is who is known, found by each of the ways that are asked for. It never changes; with and without return others.
//
// Invariant: every host is in byMAC and in bySwitch; it is in byIP if and only if it has an address, and then nobody else
// has that address.
type hosts struct {
	byMAC    trie[*Host]
	byIP     trie[*Host]
	bySwitch trie[*trie[*Host]] // by MAC within one switch; none is empty
}

func macKey(m ofproto.MAC) uint64 {
	return uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

func ipKey(a ofproto.IPv4) uint64 {
	return uint64(a[0])<<24 | uint64(a[1])<<16 | uint64(a[2])<<8 | uint64(a[3])
}

// with puts h in place of whatever was known of its MAC. An address goes to its latest claimant; who had it is left
// without, so that it can claim it back.
func (t hosts) with(h *Host) hosts {
	if h.IP != (ofproto.IPv4{}) {
		if other, ok := t.byIP.get(ipKey(h.IP)); ok && other.MAC != h.MAC {
			loser := *other
			loser.IP = ofproto.IPv4{}
			t = t.with(&loser)
		}
	}
	if old, ok := t.byMAC.get(macKey(h.MAC)); ok {
		t = t.without(old)
	}
	t.byMAC = t.byMAC.with(macKey(h.MAC), h)
	here := t.on(h.At.DPID).with(macKey(h.MAC), h)
	t.bySwitch = t.bySwitch.with(uint64(h.At.DPID), &here)
	if h.IP != (ofproto.IPv4{}) {
		t.byIP = t.byIP.with(ipKey(h.IP), h)
	}
	return t
}

// without takes a known host away.
func (t hosts) without(h *Host) hosts {
	t.byMAC = t.byMAC.without(macKey(h.MAC))
	if here := t.on(h.At.DPID).without(macKey(h.MAC)); here.n > 0 {
		t.bySwitch = t.bySwitch.with(uint64(h.At.DPID), &here)
	} else {
		t.bySwitch = t.bySwitch.without(uint64(h.At.DPID))
	}
	if h.IP != (ofproto.IPv4{}) {
		t.byIP = t.byIP.without(ipKey(h.IP))
	}
	return t
}

// on is the hosts on one switch.
func (t hosts) on(d ofproto.DPID) trie[*Host] {
	if here, ok := t.bySwitch.get(uint64(d)); ok {
		return *here
	}
	return trie[*Host]{}
}

// withoutAt takes away the hosts on the ports of one switch that match.
func (t hosts) withoutAt(d ofproto.DPID, match func(ofproto.Port) bool) hosts {
	here := t.on(d)
	here.all(func(h *Host) bool {
		if match(h.At.Port) {
			t = t.without(h)
		}
		return true
	})
	return t
}
