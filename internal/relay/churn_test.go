package relay_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/relay"
	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// churnTime is how long TestChurn lasts; OFCTL_CHURN, a duration, overrides it.
func churnTime(t testing.TB) time.Duration {
	if s := os.Getenv("OFCTL_CHURN"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return 8 * time.Second
}

func openFiles(t testing.TB) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// TestChurn has publishers and viewers come and go on a chain of relays, politely and not, while the link between the
// relays is cut again and again. In the end there is nothing more than at the beginning.
func TestChurn(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: lasts", churnTime(t))
	}
	options := relay.Options{Keep: 100 * time.Millisecond, Stall: 200 * time.Millisecond, Queue: 200 * time.Millisecond}
	o := options
	o.Name = "origin"
	origin := startRelay(t, o)
	link := newProxy(t, origin.address)
	o = options
	o.Name, o.Upstream = "edge", []string{"rtmp://" + link.address, "rtmp://" + origin.address}
	o.Push = nil
	edge := startRelay(t, o)
	quiet := func() bool {
		for _, r := range []*running{origin, edge} {
			for _, m := range []string{"ofctl_relay_connections", "ofctl_relay_streams", "ofctl_relay_viewers"} {
				if metric(t, r, m) != 0 {
					return false
				}
			}
		}
		return true
	}
	round := func(d time.Duration) {
		var wg sync.WaitGroup
		end := time.Now().Add(d)
		loop := func(work func(rnd *rand.Rand)) {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for rnd := rand.New(rand.NewPCG(rand.Uint64(), 0)); time.Now().Before(end); {
					work(rnd)
				}
			}()
		}
		keys := []string{"a", "b", "c"}
		for _, key := range keys {
			loop(func(rnd *rand.Rand) {
				nc, conn, err := tryRTMP(origin.address, &rtmp.Request{Publish: true, Key: key})
				if err != nil {
					time.Sleep(10 * time.Millisecond)
					return
				}
				defer nc.Close()
				for n := range uint32(rnd.IntN(200)) {
					p := videoFrame(n, 500+rnd.IntN(5000))
					if n%20 == 0 {
						p[0] = 0x17
					}
					if conn.Write(rtmp.Message{Type: rtmp.TypeVideo, StreamID: 1, ChunkStream: 6, Timestamp: n * 33, Payload: p}) != nil {
						return
					}
					time.Sleep(2 * time.Millisecond)
				}
			})
		}
		for range 8 {
			loop(func(rnd *rand.Rand) {
				address := edge.address
				if rnd.IntN(4) == 0 {
					address = origin.address
				}
				nc, conn, err := tryRTMP(address, &rtmp.Request{Key: keys[rnd.IntN(len(keys))]})
				if err != nil {
					return
				}
				defer nc.Close()
				_ = nc.SetReadDeadline(time.Now().Add(time.Duration(rnd.IntN(300)) * time.Millisecond))
				if rnd.IntN(4) == 0 {
					time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond) // reads nothing
					return
				}
				for {
					if _, err := conn.ReadBatch(); err != nil {
						return
					}
				}
			})
		}
		loop(func(rnd *rand.Rand) {
			time.Sleep(time.Duration(100+rnd.IntN(300)) * time.Millisecond)
			link.cut()
		})
		wg.Wait()
	}

	round(time.Second) // warms up
	eventually(t, 15*time.Second, "all is quiet", quiet)
	runtime.GC()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	round(churnTime(t))
	eventually(t, 15*time.Second, "all is quiet again", quiet)
	eventually(t, 10*time.Second, "goroutines and descriptors are as before", func() bool {
		return runtime.NumGoroutine() <= goroutines && openFiles(t) <= files
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+4<<20 {
		t.Errorf("heap grew from %d to %d bytes", before.HeapAlloc, after.HeapAlloc)
	}
}
