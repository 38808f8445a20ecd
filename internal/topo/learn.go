package topo

import (
	"sync/atomic"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// MoveHold is how long a host must have stayed at a point before a move away from it is believed, and had its IPv4 address
// before another may claim it: two that both claim one address would otherwise make it flap at packet rate.
const MoveHold = 200 * time.Millisecond

// Learned says what a packet taught about its sender.
type Learned struct {
	New      bool  // first sight of this hardware address
	Moved    bool  // it was elsewhere before; Was says where
	Was      Point // meaningful when Moved
	Conflict *Host // another host that claimed the same IPv4 address until now; nil where there was none
	Refused  bool  // not learnt: the point is a link or no known port, or a move came too soon after the last
}

// Learn records that a host with this hardware address, and this IPv4 address if not zero, sent a packet in at a point.
// Group addresses, link ports and ports that the switch never named teach nothing. An IPv4 address goes to whoever claimed it
// last, unless it has only just changed hands; who had it is known without one from then on, so that its next claim is heard
// again.
func (s *Store) Learn(mac ofproto.MAC, ip ofproto.IPv4, at Point, now time.Time) (l Learned) {
	s.edit(func(snap Snapshot) *Snapshot {
		if p, named := snap.port(at); !named || p.IsLink() || mac[0]&1 != 0 || mac == (ofproto.MAC{}) {
			l.Refused = true
			return nil
		}
		old, known := snap.Host(mac)
		if !known {
			old = &Host{heard: new(atomic.Int64)}
		}
		h := Host{MAC: mac, IP: ip, At: at, Since: now, claimed: now, heard: old.heard}
		h.heard.Store(now.Unix())
		if other, ok := snap.HostByIP(ip); ok && other.MAC != mac {
			if now.Sub(other.claimed) < MoveHold {
				h.IP = old.IP
			} else {
				l.Conflict = other
			}
		}
		if h.IP == (ofproto.IPv4{}) || h.IP == old.IP {
			h.IP, h.claimed = old.IP, old.claimed
		}
		switch {
		case !known:
			l.New = true
		case old.At == at:
			if h.IP == old.IP {
				return nil
			}
			h.Delay, h.Since = old.Delay, old.Since
		case now.Sub(old.Since) < MoveHold:
			l = Learned{Refused: true}
			return nil
		default:
			l.Moved, l.Was = true, old.At
		}
		snap.hosts = snap.hosts.with(&h)
		return &snap
	})
	return l
}

// SetHostDelay records the measured one-way delay between a host and its switch, under the same reluctance as SetLink.
func (s *Store) SetHostDelay(mac ofproto.MAC, delay time.Duration) {
	s.edit(func(snap Snapshot) *Snapshot {
		old, ok := snap.Host(mac)
		if !ok || !differs(old.Delay, delay) {
			return nil
		}
		h := *old
		h.Delay = delay
		snap.hosts = snap.hosts.with(&h)
		return &snap
	})
}
