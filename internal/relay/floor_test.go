package relay_test

import (
	"io"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkFloor is what BenchmarkViewers could be at best: a bare loop of one send(2) per viewer and frame, of 2,500 bytes
// at 30 frames a second, over loopback by one thread on one core; the readers have the others. On loopback a send does the
// receiver's part too, up to waking it. A sweep is the time from the first viewer's send to the end of the last one's: no
// server that writes to viewers one after the other can add less to the last one's delay.
//
//	go test -run '^$' -bench Floor -benchtime 1x ./internal/relay
func BenchmarkFloor(b *testing.B) {
	if runtime.NumCPU() < 2 {
		b.Skip("SKIPPED: the writer and the readers need a core each")
	}
	defer leaveFirstCore(b)()
	for range b.N {
		floor(b, 1000, 2500, 10*time.Second)
	}
}

func floor(b *testing.B, viewers, size int, length time.Duration) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	var fds []int
	var conns []net.Conn
	for range viewers {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		f, err := s.(*net.TCPConn).File()
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		fd := int(f.Fd())
		if err := unix.SetNonblock(fd, true); err != nil {
			b.Fatal(err)
		}
		fds, conns = append(fds, fd), append(conns, c, s)
		go func() { _, _ = io.Copy(io.Discard, c) }() // ends with the connection
	}
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()

	sweeps := make(chan []time.Duration)
	var used time.Duration
	go func() {
		runtime.LockOSThread() // and never unlocks: the thread ends with the goroutine, since it is bound to a core
		var core unix.CPUSet
		core.Set(0)
		_ = unix.SchedSetaffinity(0, &core)
		realTime(b, 0)
		frame := make([]byte, size)
		before := threadTime()
		var took []time.Duration
		tick := time.NewTicker(time.Second / 30)
		defer tick.Stop()
		for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
			begun := time.Now()
			for _, fd := range fds {
				if _, err := unix.SendmsgN(fd, frame, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL); err != nil {
					b.Errorf("send: %v", err)
				}
			}
			took = append(took, time.Since(begun))
		}
		used = threadTime() - before
		sweeps <- took
	}()
	took := <-sweeps
	slices.Sort(took)
	at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000 }
	b.ReportMetric(at(0), "sweep-min-ms")
	b.ReportMetric(at(0.5), "sweep-p50-ms")
	b.ReportMetric(at(0.99), "sweep-p99-ms")
	b.ReportMetric(float64(used.Microseconds())/length.Seconds()/float64(viewers), "µs-cpu/viewer/s")
	b.ReportMetric(float64(used.Nanoseconds())/1000/float64(len(took)*viewers), "µs-cpu/send")
	b.ReportMetric(0, "ns/op")
}

// threadTime returns what the calling thread has used, in user and kernel.
func threadTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
