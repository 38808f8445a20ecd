package topo

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// The networks of the benchmarks: a tree of switches with treeFan branches each, and hosts on them.
const (
	treeFan  = 8
	bigTree  = 2_000
	manyHost = 100_000
)

// A wire is a cable of a tree, from parent to child.
type wire struct{ parent, child Point }

// treeWires joins n switches to a tree: switch i hangs by its port 1 on switch (i-2)/treeFan+1.
func treeWires(n int) []wire {
	wires := make([]wire, 0, n-1)
	for i := 2; i <= n; i++ {
		parent := (i-2)/treeFan + 1
		wires = append(wires, wire{
			Point{ofproto.DPID(parent), ofproto.Port(2 + (i-2)%treeFan)}, Point{ofproto.DPID(i), 1},
		})
	}
	return wires
}

// upPorts are the ports of a switch, all up.
func upPorts(n int) []Port {
	ports := make([]Port, n)
	for i := range ports {
		ports[i] = Port{No: ofproto.Port(i + 1), Up: true}
	}
	return ports
}

// growTree connects the switches of a tree one by one as a controller does, two SetLink for each new link.
func growTree(s *Store, n int, between func(ofproto.DPID)) {
	s.SetSwitch(1, upPorts(24))
	for _, w := range treeWires(n) {
		s.SetSwitch(w.child.DPID, upPorts(24))
		s.SetLink(w.parent, w.child, time.Millisecond)
		s.SetLink(w.child, w.parent, time.Millisecond)
		if between != nil {
			between(w.child.DPID)
		}
	}
}

func hostMAC(i int) ofproto.MAC {
	return ofproto.MAC{0x02, 0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
}

func hostIP(i int) ofproto.IPv4 { return ofproto.IPv4{10, byte(i >> 16), byte(i >> 8), byte(i)} }

// hostPoint spreads hosts over the edge ports of the tree's switches.
func hostPoint(i int) Point {
	return Point{ofproto.DPID(i%bigTree + 1), ofproto.Port(10 + i/bigTree%10)}
}

func grown(b *testing.B, hosts int) *Store {
	b.Helper()
	s := NewStore()
	growTree(s, bigTree, nil)
	now := time.Unix(0, 0)
	for i := range hosts {
		s.Learn(hostMAC(i), hostIP(i), hostPoint(i), now)
	}
	return s
}

// BenchmarkGrow connects 2,000 switches; with a broadcast after each, every picture of the network is also worked out.
func BenchmarkGrow(b *testing.B) {
	b.Run("only", func(b *testing.B) {
		for range b.N {
			growTree(NewStore(), bigTree, nil)
		}
	})
	b.Run("broadcasts", func(b *testing.B) {
		for range b.N {
			s := NewStore()
			var ports []ofproto.Port
			growTree(s, bigTree, func(d ofproto.DPID) {
				ports = s.Load().BroadcastPorts(ports[:0], Point{d, 20}, nil)
			})
		}
	})
	b.Run("paths", func(b *testing.B) {
		for range b.N {
			s := NewStore()
			growTree(s, bigTree, func(d ofproto.DPID) {
				if _, ok := s.Load().Path(Point{d, 20}, Point{1, 20}); !ok {
					b.Fatal("no path")
				}
			})
		}
	})
}

// BenchmarkRelink tells a link anew that was known already, as each discovery packet does.
func BenchmarkRelink(b *testing.B) {
	s := grown(b, 0)
	w := treeWires(bigTree)[1234]
	b.ReportAllocs()
	for b.Loop() {
		s.SetLink(w.parent, w.child, time.Millisecond)
	}
}

// BenchmarkLinkAmongHosts finds a new link in a network of 100,000 hosts.
func BenchmarkLinkAmongHosts(b *testing.B) {
	s := grown(b, manyHost)
	w := treeWires(bigTree)[1234]
	b.ReportAllocs()
	for b.Loop() {
		s.CutLink(w.parent)
		s.SetLink(w.parent, w.child, time.Millisecond)
	}
}

func BenchmarkLearn(b *testing.B) {
	s := grown(b, manyHost)
	now := time.Unix(100, 0)
	b.ReportAllocs()
	i := manyHost
	for b.Loop() {
		s.Learn(hostMAC(i), hostIP(i), hostPoint(i), now)
		s.forgetHost(hostMAC(i - manyHost))
		i++
	}
}

func BenchmarkLearnAll(b *testing.B) {
	for range b.N {
		s := NewStore()
		s.SetSwitch(1, upPorts(24))
		for i := range manyHost {
			s.Learn(hostMAC(i), hostIP(i), Point{1, 3}, time.Unix(0, 0))
		}
	}
}

// randomOrder is n numbers below n, none sooner than another: what a cache has kept of one look tells nothing of the next.
func randomOrder(n int) []int { return rand.New(rand.NewPCG(1, uint64(n))).Perm(n) }

// BenchmarkHost finds hosts in random order, and for comparison does so in a map of Go's, which could not be changed while
// it is read.
func BenchmarkHost(b *testing.B) {
	for _, n := range []int{100, 10_000, manyHost} {
		snap := grown(b, n).Load()
		order := randomOrder(n)
		b.Run(fmt.Sprintf("hosts=%d/by=mac", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if h, ok := snap.Host(hostMAC(order[i%n])); !ok || h.At.Port == 0 {
					b.Fatal("lost a host")
				}
			}
		})
		b.Run(fmt.Sprintf("hosts=%d/by=ip", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if h, ok := snap.HostByIP(hostIP(order[i%n])); !ok || h.At.Port == 0 {
					b.Fatal("lost a host")
				}
			}
		})
		all := make(map[ofproto.MAC]*Host, n)
		snap.Hosts(func(h *Host) bool { all[h.MAC] = h; return true })
		b.Run(fmt.Sprintf("hosts=%d/by=map", n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if h, ok := all[hostMAC(order[i%n])]; !ok || h.At.Port == 0 {
					b.Fatal("lost a host")
				}
			}
		})
	}
}

func BenchmarkNextPort(b *testing.B) {
	snap := grown(b, 0).Load()
	order := randomOrder(bigTree)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok := snap.NextPort(ofproto.DPID(order[i%bigTree]+1), Point{77, 20}); !ok {
			b.Fatal("no way")
		}
	}
}

func BenchmarkPath(b *testing.B) {
	snap := grown(b, 0).Load()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := snap.Path(Point{1999, 20}, Point{1001, 20}); !ok {
			b.Fatal("no path")
		}
	}
}

// BenchmarkSearch works out the shortest paths to one switch in a picture that has just changed.
func BenchmarkSearch(b *testing.B) {
	s := grown(b, 0)
	w := treeWires(bigTree)[1234]
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		s.SetLink(w.parent, w.child, time.Duration(1+i%2*10)*time.Millisecond)
		if _, ok := s.Load().Delay(1, 1234); !ok {
			b.Fatal("no path")
		}
	}
}

// BenchmarkAllPairs works out a tree to every switch.
func BenchmarkAllPairs(b *testing.B) {
	s := grown(b, 0)
	b.ReportAllocs()
	w := treeWires(bigTree)[1234]
	i := 0
	for b.Loop() {
		i++
		s.SetLink(w.parent, w.child, time.Duration(1+i%2*10)*time.Millisecond)
		snap := s.Load()
		for d := range ofproto.DPID(bigTree) {
			if _, ok := snap.NextPort(1, Point{d + 1, 20}); !ok {
				b.Fatal("no path")
			}
		}
	}
}

func BenchmarkBroadcastPorts(b *testing.B) {
	snap := grown(b, 0).Load()
	var ports []ofproto.Port
	b.ReportAllocs()
	for b.Loop() {
		ports = snap.BroadcastPorts(ports[:0], Point{1, 20}, nil)
	}
}
