package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// TestIdlePairsMakeRoom fills a switch with the rules of hosts that talk all the time, and then with those of hosts that have
// exchanged a word. For a viewer the latter make room, though they came later.
func TestIdlePairsMakeRoom(t *testing.T) {
	for _, restarted := range []bool{false, true} { // the rules are those of an earlier run
		t.Run(fmt.Sprint("restarted ", restarted), func(t *testing.T) { idlePairsMakeRoom(t, restarted) })
	}
}

func idlePairsMakeRoom(t *testing.T, restarted bool) {
	const hosts = 10
	inLab(t, func(l *lab) {
		single(l)
		for i := range hosts {
			l.AddHost(fmt.Sprint("h", i), fmt.Sprint("10.0.1.", i+1), "s1", ofproto.Port(10+i), time.Millisecond).Listen(80)
		}
	}, func(l *lab) {
		var talk []*oftest.Conn
		dial := func(from, to int) *oftest.Conn {
			return l.Host(fmt.Sprint("h", from%hosts)).Dial(l.Host(fmt.Sprint("h", to%hosts)).IP, 80)
		}
		for i := range hosts {
			talk = append(talk, dial(i, i+1))
		}
		pass := func(seconds int) {
			for range seconds {
				for _, c := range talk {
					c.Write([]byte("so much to say"))
				}
				l.after(time.Second)
			}
		}
		pass(40)
		for i := range hosts {
			dial(i, i+3)
		}
		pass(20)
		if restarted {
			l.restart()
		}
		pass(2)
		d, _ := l.c.datapath(1)
		if n := len(l.rules("s1", flow.KindPair)); n != 4*hosts {
			l.t.Fatalf("%d rules of pairs, want %d", n, 4*hosts)
		}
		d.makeRoom(time.Now())
		l.after(10 * time.Millisecond)
		busy, idle := 0, 0
		for _, f := range l.rules("s1", flow.KindPair) {
			if away := (int(f.Match.DLDst[5]) - int(f.Match.DLSrc[5]) + hosts) % hosts; away == 1 || away == hosts-1 {
				busy++
			} else {
				idle++
			}
		}
		if busy != 2*hosts || idle != 2*hosts-evicted {
			l.t.Errorf("left are %d rules in use and %d idle ones, want %d and %d", busy, idle, 2*hosts, 2*hosts-evicted)
		}
	})
}

// TestNoRoomAhead has a switch on the way be full, in one way or the other. It gets no more rules for pairs from those before it
// either; the packets come to their host.
func TestNoRoomAhead(t *testing.T) {
	for name, fill := range map[string]func(*datapath){
		"it has said so":                 func(d *datapath) { d.noPairs = time.Now().Add(fullFor) },
		"all are there that are counted": func(d *datapath) { crowd(d, time.Now()) },
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, line, func(l *lab) {
				d, _ := l.c.datapath(2)
				d.pairMu.Lock()
				fill(d)
				d.pairMu.Unlock()
				hv, hs := l.Host("hv1"), l.Host("hs")
				hv.Send(packet.AppendUDP(nil, packet.UDP{SrcMAC: hv.MAC, DstMAC: hs.MAC, SrcIP: hv.IP, DstIP: hs.IP, SrcPort: 1, DstPort: 2}))
				l.after(200 * time.Millisecond)
				for sw, want := range map[string]int{"s1": 1, "s2": 0, "s3": 1} {
					if n := len(l.rules(sw, flow.KindPair)); n != want {
						l.t.Errorf("%d rules on %s, want %d", n, sw, want)
					}
				}
				if n := len(hs.Frames()); n == 0 {
					l.t.Error("nothing came")
				}
			})
		})
	}
}

// crowd has a switch have as many pairs as are remembered, the first of them idle for longest. Under pairMu.
func crowd(d *datapath, now time.Time) {
	for n := range maxPairs {
		mac, _ := made(n)
		d.pairs[pair{mac, ofproto.MAC{2}}] = placedPair{out: 1, sent: now, used: now.Add(time.Duration(n))}
	}
}

// TestCrowded has a switch have as many pairs as are remembered. Those that have been idle for longest make room for others.
func TestCrowded(t *testing.T) {
	inLab(t, single, func(l *lab) {
		d, _ := l.c.datapath(1)
		d.pairMu.Lock()
		crowd(d, time.Now().Add(-time.Minute))
		d.pairMu.Unlock()
		hv, hs := l.Host("hv1"), l.Host("hs")
		l.c.topo.Learn(hv.MAC, hv.IP, topo.Point{DPID: 1, Port: 3}, time.Now())
		l.after(newcomer)
		k := pair{hv.MAC, hs.MAC}
		for range 3 {
			hv.Send(packet.AppendUDP(nil, packet.UDP{SrcMAC: k.src, DstMAC: k.dst, SrcIP: hv.IP, DstIP: hs.IP, SrcPort: 1, DstPort: 2}))
			l.after(fullFor)
		}
		d.pairMu.Lock()
		defer d.pairMu.Unlock()
		if _, ok := d.pairs[k]; !ok || len(d.pairs) > maxPairs {
			l.t.Errorf("the pair's rule is placed: %v; %d pairs", ok, len(d.pairs))
		}
		for n := range 2 * crowding {
			mac, _ := made(n)
			if _, left := d.pairs[pair{mac, ofproto.MAC{2}}]; left != (n >= crowding) {
				l.t.Fatalf("of those idle for long, the one at %d is left: %v", n, left)
			}
		}
	})
}

// TestRoomAsNeeded has a crowd dial where a switch is full of rules of pairs: no more of those make room than the crowd has rules, and
// some; whatever the switch had been sent when it first said so.
func TestRoomAsNeeded(t *testing.T) {
	const hosts, viewers = 30, 20
	inLab(t, func(l *lab) {
		singleWith(l, oftest.Options{TableSize: 500})
		for i := range hosts {
			l.AddHost(fmt.Sprint("x", i), fmt.Sprint("10.0.2.", i+1), "s1", ofproto.Port(30+i), time.Millisecond)
		}
	}, func(l *lab) {
		l.watch("hv1")
		for i := range hosts {
			l.Host(fmt.Sprint("x", i)).ARP(ofproto.IPv4{10, 0, 0, 1})
		}
		l.after(2 * time.Second)
		for i := range hosts {
			for j := range hosts {
				if a, b := l.Host(fmt.Sprint("x", i)), l.Host(fmt.Sprint("x", j)); i != j {
					a.SendTCP(packet.TCP{DstMAC: b.MAC, DstIP: b.IP, SrcPort: 5, DstPort: 6, Flags: packet.ACK})
				}
			}
			l.after(20 * time.Millisecond)
		}
		l.after(5 * time.Second)
		pairs, sessions := len(l.rules("s1", flow.KindPair)), len(l.rules("s1", flow.KindSession))
		l.atOnce(func() {
			for range viewers {
				l.Host("hv1").Dial(cdnIP, 1935)
			}
			l.after(20 * time.Millisecond)
		})
		l.after(500 * time.Millisecond)
		if n := len(l.rules("s1", flow.KindSession)) - sessions; n != 2*viewers {
			l.t.Errorf("%d rules of sessions, want %d", n, 2*viewers)
		}
		if n := pairs - len(l.rules("s1", flow.KindPair)); n < 2*viewers || n > 2*viewers+2*evicted {
			l.t.Errorf("%d of %d pairs made room for %d rules", n, pairs, 2*viewers)
		}
	})
}
