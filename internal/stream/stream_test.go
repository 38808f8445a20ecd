package stream

import (
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// The hash is in cookies on switches, so it must be the same in every version of the program.
func TestTupleHash(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	for range 100 {
		var b [12]byte
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		tuple := Tuple{
			ofproto.IPv4(b[0:4]), uint16(b[4])<<8 | uint16(b[5]), ofproto.IPv4(b[6:10]), uint16(b[10])<<8 | uint16(b[11]),
		}
		h := fnv.New32a()
		h.Write(b[:])
		if got := tuple.Hash(); got != h.Sum32() {
			t.Fatalf("%v: %x, want %x", tuple, got, h.Sum32())
		}
	}
	tuple := Tuple{ofproto.IPv4{10, 0, 0, 3}, 40001, ofproto.IPv4{10, 0, 0, 2}, 1935}
	if got, _ := tuple.MarshalText(); string(got) != "10.0.0.3:40001->10.0.0.2:1935" {
		t.Errorf("%s", got)
	}
}

func TestRedirected(t *testing.T) {
	tuple := Tuple{ofproto.IPv4{10, 0, 0, 3}, 40001, ofproto.IPv4{10, 0, 0, 2}, 1935}
	for _, tt := range []struct {
		name       string
		source     Source
		redirected bool
	}{
		{"the node that was dialled", Source{Address: tuple.Service, Port: 1935}, false},
		{"its other port", Source{Address: tuple.Service, Port: 1936}, true},
		{"a peer", Source{Address: ofproto.IPv4{10, 0, 0, 1}, Port: 1935}, true},
		{"the client's own relay", Source{Address: tuple.Client, Port: 1935}, true},
	} {
		s := Session{Tuple: tuple, Source: tt.source}
		if s.Redirected() != tt.redirected {
			t.Errorf("%s: redirected %v", tt.name, s.Redirected())
		}
	}
}

func TestRoom(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    Candidate
		load float64
		full bool
	}{
		{"without limits", Candidate{Viewers: 1000, Kbps: 1e9}, 0, false},
		{"empty", Candidate{Peer: Peer{MaxViewers: 4}}, 0, false},
		{"half of its viewers", Candidate{Peer: Peer{MaxViewers: 4}, Viewers: 2}, 0.5, false},
		{"all its viewers", Candidate{Peer: Peer{MaxViewers: 4}, Viewers: 4}, 1, true},
		{"more than it should have", Candidate{Peer: Peer{MaxViewers: 4}, Viewers: 5}, 1.25, true},
		{"few viewers, much bandwidth", Candidate{Peer: Peer{MaxViewers: 4, MaxKbps: 1000}, Viewers: 1, Kbps: 750}, 0.75, false},
		{"few viewers, all its bandwidth", Candidate{Peer: Peer{MaxViewers: 4, MaxKbps: 1000}, Viewers: 1, Kbps: 1000}, 1, true},
		{"many viewers, little bandwidth", Candidate{Peer: Peer{MaxViewers: 4, MaxKbps: 1000}, Viewers: 3, Kbps: 10}, 0.75, false},
	} {
		if load := tt.c.Load(); load != tt.load || tt.c.Full() != tt.full {
			t.Errorf("%s: load %v, full %v", tt.name, load, tt.c.Full())
		}
	}
	if (Choice{}).Source() != CDN || (Choice{Peer: &Candidate{Peer: Peer{Name: "p"}}}).Source() != "p" {
		t.Error("a choice does not say its source")
	}
}

func tuple(i int) Tuple {
	return Tuple{ofproto.IPv4{10, 0, byte(i >> 8), byte(i)}, uint16(i), ofproto.IPv4{10, 0, 0, 2}, 1935}
}

// TestTable tells a table and a map the same.
func TestTable(t *testing.T) {
	const seed = 4
	rng := rand.New(rand.NewPCG(seed, 0))
	var table Table[int]
	want := map[Tuple]int{}
	for i := range 5000 {
		k := tuple(rng.IntN(300))
		keep := rng.IntN(3) > 0
		table.Update(k, func(v int, ok bool) (int, bool) {
			if w, there := want[k]; v != w || ok != there {
				t.Fatalf("seed %d: update of %v shows %d, %v, want %d, %v", seed, k, v, ok, w, there)
			}
			return i, keep
		})
		if delete(want, k); keep {
			want[k] = i
		}
		if v, ok := table.Load(k); ok != keep || ok && v != i {
			t.Fatalf("seed %d: load of %v: %d, %v", seed, k, v, ok)
		}
	}
	if got := maps.Collect(table.All); !maps.Equal(got, want) || table.Len() != len(want) {
		t.Errorf("seed %d: %d values, Len %d, want %d", seed, len(got), table.Len(), len(want))
	}
	n := 0
	for range table.All {
		n++
		break
	}
	if n != 1 {
		t.Errorf("All shows %d values to one who wants one", n)
	}
}

// TestTableOnce: of many packets of one connection that come at once, one alone finds it new.
func TestTableOnce(t *testing.T) {
	var table Table[int]
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 500 {
				table.Update(tuple(i), func(n int, _ bool) (int, bool) { return n + 1, true })
				table.Load(tuple(i))
				table.Len()
			}
		})
	}
	all.Wait()
	for k, n := range table.All {
		if n != 8 {
			t.Errorf("%v was found %d times", k, n)
		}
	}
	if table.Len() != 500 {
		t.Errorf("%d connections", table.Len())
	}
}

func TestTableAllocations(t *testing.T) {
	var table Table[*Session]
	s := new(Session)
	keep := func(*Session, bool) (*Session, bool) { return s, true }
	table.Update(tuple(1), keep)
	if n := testing.AllocsPerRun(100, func() {
		table.Load(tuple(1))
		table.Update(tuple(1), keep)
	}); n != 0 {
		t.Errorf("a known connection costs %v allocations", n)
	}
}

func BenchmarkTableLoad(b *testing.B) {
	var table Table[*Session]
	for i := range 10_000 {
		table.Update(tuple(i), func(*Session, bool) (*Session, bool) { return new(Session), true })
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i += 7919 {
			if _, ok := table.Load(tuple(i % 10_000)); !ok {
				b.Error("lost")
			}
		}
	})
}

func BenchmarkTableUpdate(b *testing.B) {
	var table Table[int]
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := rand.IntN(1000); pb.Next(); i += 7919 {
			table.Update(tuple(i%10_000), func(n int, _ bool) (int, bool) { return n + 1, true })
		}
	})
}
