package controller

import (
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

const floodedPorts, firstFlooded = 100, ofproto.Port(100)

// broad is line, with many more ports at the first switch.
func broad(l *lab) {
	line(l)
	for i := range ofproto.Port(floodedPorts) {
		l.Switch("s1").AddPort(firstFlooded + i)
	}
}

// TestManyPortsFlood has a hundred ports of one switch send what costs everybody, each of them less than its share. All of them
// together are held to the share of a switch, and a viewer at one more port of theirs and one at another switch are served.
func TestManyPortsFlood(t *testing.T) {
	for _, f := range floods {
		if f.name != "to everybody" && f.name != "ARP for nobody" {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				broad(l)
				l.AddHost("far", "10.0.0.9", "s3", 3, time.Millisecond)
			}, func(l *lab) {
				sw := l.Switch("s1")
				const bursts = 60
				sent, began := 0, time.Now()
				first := map[string]string{"dpid": ofproto.DPID(1).String()}
				handled := func() float64 {
					return l.series("ofctl_packet_ins_total", first) - l.series("ofctl_packet_ins_dropped_total", first)
				}
				before := handled()
				burst := func() {
					l.atOnce(func() {
						for i := range ofproto.Port(4 * floodedPorts) {
							sw.Receive(firstFlooded+i%floodedPorts, f.frame(l, sent))
							sent++
						}
					})
				}
				for range bursts {
					burst()
					l.after(10 * time.Millisecond)
				}
				took := time.Since(began).Seconds()
				whole := shares[f.class].whole()
				most := whole.burst + whole.rate*took + floodedPorts*(leastBurst+leastRate*took) + 100
				if n := handled() - before; n > most {
					l.t.Errorf("%v of %v are handled, want no more than %.0f", n, sent, most)
				}
				if l.series("ofctl_packet_ins_dropped_total", map[string]string{"port": anyPort, "class": f.class.String()}) == 0 {
					l.t.Error("nothing is counted as dropped")
				}
				if n := len(l.rules("s1", flow.KindQuench)); n < floodedPorts/2 {
					l.t.Errorf("%d ports are quenched", n)
				}
				for _, name := range []string{"hv2", "far"} {
					begin := time.Now()
					c := l.Host(name).Dial(cdnIP, 1935)
					for range 60 {
						if c.Established() {
							break
						}
						burst()
						l.after(10 * time.Millisecond)
					}
					if took := time.Since(begin); took > 500*time.Millisecond {
						l.t.Errorf("%s is connected after %v", name, took)
					}
				}
				if n := l.dropped(2, classStream) + l.dropped(3, classStream); n != 0 {
					l.t.Errorf("%v connections of viewers dropped", n)
				}
			})
		})
	}
}

// TestAllowance has one switch's ports ask for more than their share together: each still gets the little that is its own, and
// another switch's ports all.
func TestAllowance(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := share{rate: 100, burst: 100}
	var flooded, quiet bucket
	ports, other := make([]allowance, 200), new(allowance)
	count := make(map[verdict]int)
	const seconds, each = 10, 50
	for range seconds * each {
		now = now.Add(time.Second / each)
		for i := range ports[1:] {
			count[ports[1+i].take(&flooded, s, now)]++
		}
		if v := other.take(&quiet, s, now); v != granted {
			t.Fatal("a port of another switch is refused")
		}
	}
	w := s.whole()
	most := w.burst + w.rate*seconds + float64(len(ports))*(leastBurst+leastRate*seconds)
	if n := float64(count[granted]); n > most || n < w.rate*seconds {
		t.Errorf("%v granted, want the share of a switch and the least of each port, %v", n, most)
	}
	if count[overSwitch] == 0 || count[overShare] != 0 {
		t.Errorf("verdicts %v, want none that a port exceeds its own share", count)
	}
	if v := ports[0].take(&flooded, s, now); v != granted {
		t.Error("a port that has sent nothing is refused")
	}
	if v := new(allowance).take(new(bucket), share{burst: 0}, now); v != overShare {
		t.Errorf("verdict %v on a port without a share", v)
	}
}

// TestLinkShare has more come over a link than a switch may send: the rest is dropped. Discovery is heard all the while.
func TestLinkShare(t *testing.T) {
	inLab(t, line, func(l *lab) {
		sw, whole := l.Switch("s2"), shares[classARP].whole()
		const bursts, burst = 16, 3000
		for i := range bursts {
			l.atOnce(func() {
				for n := range burst {
					mac, ip := made(i*burst + n)
					sw.Receive(11, packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: mac, SenderIP: ip, TargetIP: [4]byte{10, 77, 0, 1}}))
				}
			})
			l.after(300 * time.Millisecond)
		}
		if n := l.dropped(11, classARP); n == 0 || n > bursts*burst-whole.burst {
			l.t.Errorf("%v dropped of %v", n, bursts*burst)
		}
		if n := l.logged("link down"); n != 0 || len(l.c.Topology().Links()) != 4 {
			l.t.Errorf("%d links lost", n)
		}
	})
}
