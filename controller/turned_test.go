package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestTurnedWayBack has a player on a peer's host, or behind the same port, be served by that peer. He closes his end, the rules go,
// and the peer has more to say: it reaches him, as the service's.
func TestTurnedWayBack(t *testing.T) {
	for name, player := range map[string]struct {
		ip  ofproto.IPv4
		mac ofproto.MAC
	}{
		"its own host": {peerIP, ofproto.MAC{}},
		"a neighbour":  {ofproto.IPv4{10, 0, 0, 9}, ofproto.MAC{2, 9, 9, 9, 9, 9}},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) { single(l); l.o.Peers[0].DSCP = 46 }, func(l *lab) {
				hb, hs := l.Host("hb"), l.Host("hs")
				if player.mac == (ofproto.MAC{}) {
					player.mac = hb.MAC
				}
				at, say := l.behindPeer(player.mac, player.ip)
				say(packet.FIN|packet.ACK, 1001)
				l.after(8 * time.Second)
				if n := l.sessionRules(); n != 0 {
					l.t.Fatalf("%d rules are left\n%s", n, l.dump())
				}
				hb.Frames()
				at.Write([]byte("the rest"))
				l.after(time.Second)
				got := ""
				for _, f := range hb.Frames() {
					var p packet.Peeked
					if packet.Peek(f, &p) == nil && p.SrcIP == cdnIP && p.SrcPort == 1935 && p.DstIP == player.ip && p.DstPort == 50000 && p.Dst == player.mac {
						got += string(p.L4Payload)
					}
				}
				if got != "the rest" {
					l.t.Errorf("the player got %q\n%s", got, l.dump())
				}
				if n := saw(hs, peerIP); n != 0 {
					l.t.Errorf("the service's node saw %d segments", n)
				}
			})
		})
	}
}

// behindPeer has a player on the peer's port dial the service, be connected to the peer, and say more, a second each.
func (l *lab) behindPeer(mac ofproto.MAC, ip ofproto.IPv4) (at *oftest.Conn, say func(flags uint8, seq uint32)) {
	l.t.Helper()
	hb := l.Host("hb")
	say = func(flags uint8, seq uint32) {
		seg := packet.TCP{
			SrcMAC: mac, DstMAC: l.Host("hs").MAC, SrcIP: ip, DstIP: cdnIP, SrcPort: 50000, DstPort: 1935, Flags: flags, Seq: seq,
			Window: 65535,
		}
		if at != nil {
			seg.Ack = at.Next()
		}
		hb.SendTCP(seg)
		l.after(time.Second)
	}
	say(packet.SYN, 1000)
	for _, c := range hb.Accepted() {
		if ip, port := c.Remote(); ip == cdnIP && port == 50000 {
			at = c
		}
	}
	if at == nil {
		l.t.Fatalf("the peer has no connection\n%s", l.dump())
	}
	say(packet.ACK, 1001)
	return at, say
}

// TestTurnedReset ends the session of a player behind the port of the peer that serves him: the peer is reset as well.
func TestTurnedReset(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].DSCP = 46 }, func(l *lab) {
		at, say := l.behindPeer(ofproto.MAC{2, 9, 9, 9, 9, 9}, ofproto.IPv4{10, 0, 0, 9})
		if !at.Established() {
			l.t.Fatalf("the peer is not connected: %v", at.State())
		}
		l.c.Migrate(func(stream.Tuple) (string, bool) { return "a test", true }, time.Millisecond, nil)
		say(packet.ACK, 1001) // as he answers the SYN
		if at.State() != oftest.Reset {
			l.t.Errorf("the peer's connection is %v", at.State())
		}
	})
}
