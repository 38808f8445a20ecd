package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
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
				var at *oftest.Conn
				say := func(flags uint8, seq uint32) {
					seg := packet.TCP{
						SrcMAC: player.mac, DstMAC: hs.MAC, SrcIP: player.ip, DstIP: cdnIP, SrcPort: 50000, DstPort: 1935, Flags: flags, Seq: seq,
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
