package relay_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
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

// TestChurn has publishers and viewers come and go on a chain of relays, politely and not, and callers that never speak
// RTMP, while the links between the relays are cut or fall silent again and again. In the end there is nothing more than at
// the beginning.
func TestChurn(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: lasts", churnTime(t))
	}
	options := relay.Options{Keep: 100 * time.Millisecond, Stall: 200 * time.Millisecond, Queue: 200 * time.Millisecond}
	o := options
	o.Name = "cdn"
	cdn := startRelay(t, o)
	up := newProxy(t, cdn.address)
	o = options
	o.Name, o.Push = "origin", []string{"rtmp://" + up.address + "/live"}
	origin := startRelay(t, o)
	link := newProxy(t, origin.address)
	o = options
	o.Name, o.Upstream = "edge", []string{"rtmp://" + link.address, "rtmp://" + origin.address}
	edge := startRelay(t, o)
	var published, watched, pushed, frames, faults atomic.Int64
	quiet := func() bool {
		for _, r := range []*running{cdn, origin, edge} {
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
				published.Add(1)
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
		for i := range 8 {
			from, count := edge.address, &watched
			switch i {
			case 0:
				from = origin.address
			case 1:
				from, count = cdn.address, &pushed
			}
			loop(func(rnd *rand.Rand) {
				nc, conn, err := tryRTMP(from, &rtmp.Request{Key: keys[rnd.IntN(len(keys))]})
				if err != nil {
					return
				}
				defer nc.Close()
				_ = nc.SetReadDeadline(time.Now().Add(time.Duration(rnd.IntN(300)) * time.Millisecond))
				if rnd.IntN(4) == 0 {
					time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond) // reads nothing
					return
				}
				for first := true; ; {
					ms, err := conn.ReadBatch()
					if err != nil {
						return
					}
					for _, m := range ms {
						if !isVideoFrame(m) {
							continue
						}
						if first {
							first = false
							count.Add(1)
						}
						frames.Add(1)
					}
				}
			})
		}
		loop(func(rnd *rand.Rand) {
			nc, err := net.Dial("tcp", edge.address)
			if err != nil {
				return
			}
			defer nc.Close()
			junk := make([]byte, rnd.IntN(4000))
			for i := range junk {
				junk[i] = byte(rnd.Uint32())
			}
			if rnd.IntN(2) == 0 && len(junk) > 0 {
				junk[0] = 3 // begins like a handshake
			}
			_, _ = nc.Write(junk)
			time.Sleep(time.Duration(rnd.IntN(200)) * time.Millisecond)
			faults.Add(1)
		})
		for _, l := range []*proxy{link, up} {
			loop(func(rnd *rand.Rand) {
				time.Sleep(time.Duration(100+rnd.IntN(300)) * time.Millisecond)
				faults.Add(1)
				if rnd.IntN(3) > 0 {
					l.cut()
					return
				}
				l.silent.Store(true)
				time.Sleep(options.Stall + time.Duration(rnd.IntN(200))*time.Millisecond)
				l.silent.Store(false)
				l.cut()
			})
		}
		wg.Wait()
	}

	round(max(time.Second, min(churnTime(t)/10, time.Minute))) // what the runtime keeps for good is there then
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
	report := fmt.Sprintf("%d publishers, %d viewers and %d of what was pushed on saw %d frames, through %d faults; heap %d -> %d KiB in %d -> %d objects, goroutines %d -> %d, files %d -> %d",
		published.Load(), watched.Load(), pushed.Load(), frames.Load(), faults.Load(), before.HeapAlloc>>10, after.HeapAlloc>>10,
		before.HeapObjects, after.HeapObjects, goroutines, runtime.NumGoroutine(), files, openFiles(t))
	if os.Getenv("OFCTL_CHURN") != "" {
		fmt.Println(report) // verbosely the relays would log an hour of debugging
	} else {
		t.Log(report)
	}
	if min(published.Load(), watched.Load(), pushed.Load(), faults.Load()) <= int64(churnTime(t)/(10*time.Second)) {
		t.Error("of one kind less than one came and went in ten seconds")
	}
	if after.HeapAlloc > before.HeapAlloc+128<<10 {
		t.Errorf("heap grew from %d to %d bytes", before.HeapAlloc, after.HeapAlloc)
	}
}
