package relay_test

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/ofctl-live/ofctl-live/internal/relay"
	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// dialRTMP opens a stream at a server as a client of ours.
func dialRTMP(t testing.TB, address string, req *rtmp.Request) (net.Conn, *rtmp.Conn) {
	t.Helper()
	nc, conn, err := tryRTMP(address, req)
	if err != nil {
		t.Fatalf("%s %s: %v", address, req.Key, err)
	}
	return nc, conn
}

func tryRTMP(address string, req *rtmp.Request) (net.Conn, *rtmp.Conn, error) {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	conn, err := openRTMP(nc, address, req)
	return nc, conn, err
}

// openRTMP opens a stream over nc, which it closes if that fails.
func openRTMP(nc net.Conn, address string, req *rtmp.Request) (*rtmp.Conn, error) {
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	c2, err := rtmp.ClientHandshake(nc, rand.Reader, 0)
	if err != nil {
		nc.Close()
		return nil, err
	}
	if req.App == "" {
		req.App = "live"
	}
	req.TcURL = "rtmp://" + address + "/" + req.App
	conn := rtmp.NewConn(nc, c2)
	if err := rtmp.Open(conn, req, 65536); err != nil {
		nc.Close()
		return nil, err
	}
	_ = nc.SetDeadline(time.Time{})
	return conn, nil
}

// avcConfig is a video configuration, as short as the format allows.
func avcConfig(mark byte) []byte { return []byte{0x17, 0, 0, 0, 0, mark} }

// videoFrame makes a unique frame: number and time of sending in its first bytes.
func videoFrame(number uint32, size int) []byte {
	p := make([]byte, size)
	_, _ = rand.Read(p)
	p[0], p[1] = 0x27, 1
	binary.BigEndian.PutUint32(p[5:], number)
	binary.BigEndian.PutUint64(p[9:], uint64(time.Now().UnixNano()))
	return p
}

// keyFrame is a videoFrame that a decoder may begin with.
func keyFrame(number uint32, size int) []byte {
	p := videoFrame(number, size)
	p[0] = 0x17
	return p
}

func frameNumber(p []byte) uint32 { return binary.BigEndian.Uint32(p[5:]) }

func frameAge(p []byte, now time.Time) time.Duration {
	return time.Duration(now.UnixNano() - int64(binary.BigEndian.Uint64(p[9:])))
}

func isVideoFrame(m rtmp.Message) bool {
	return m.Type == rtmp.TypeVideo && len(m.Payload) > 17 && m.Payload[1] == 1
}

// load is a publisher and many viewers of its stream.
type load struct {
	mu     sync.Mutex // of delays and conns
	delays []time.Duration
	conns  []net.Conn
	sent   atomic.Int64 // frames published while delays are collected
	fault  atomic.Pointer[error]
	count  atomic.Bool // delays are being collected
	wg     sync.WaitGroup
}

// watch adds viewers, each of which reads all it gets.
func (l *load) watch(t testing.TB, address string, n int) {
	t.Helper()
	var dials errgroup.Group
	dials.SetLimit(32) // a server with Nagle's algorithm takes 40 ms for each
	for range n {
		dials.Go(func() error {
			tcp, err := net.Dial("tcp", address)
			if err != nil {
				return err
			}
			nc := newStampedConn(tcp)
			conn, err := openRTMP(nc, address, &rtmp.Request{Key: "load"})
			if err != nil {
				return err
			}
			acknowledgeAsRead(tcp)
			l.mu.Lock()
			l.conns = append(l.conns, nc)
			l.mu.Unlock()
			l.wg.Go(func() { l.view(nc, conn) })
			return nil
		})
	}
	if err := dials.Wait(); err != nil {
		t.Fatal(err)
	}
}

// A stampedConn knows when what it read came in, by the kernel's own clock reading (SO_TIMESTAMPNS): as the last packet was
// handed to the receiving half of the network, before a reader was woken or anything waited for the reader's core. What a
// thousand viewers on one core need to read a frame is so no part of the server's delay.
type stampedConn struct {
	net.Conn
	raw     syscall.RawConn
	arrived time.Time // what the latest Read returned; belongs to who reads
}

func newStampedConn(c net.Conn) *stampedConn {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
	}
	if err != nil {
		panic(err)
	}
	return &stampedConn{Conn: c, raw: raw}
}

func (c *stampedConn) Read(p []byte) (int, error) {
	var n, extra int
	var failed error
	room := make([]byte, unix.CmsgSpace(int(unsafe.Sizeof(unix.Timespec{}))))
	if err := c.raw.Read(func(fd uintptr) bool {
		n, extra, _, _, failed = unix.Recvmsg(int(fd), p, room, unix.MSG_DONTWAIT)
		return failed != unix.EAGAIN
	}); err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, failed
	}
	if n == 0 {
		return 0, io.EOF
	}
	if ms, err := unix.ParseSocketControlMessage(room[:extra]); err == nil && len(ms) == 1 && ms[0].Header.Type == unix.SCM_TIMESTAMPNS {
		at := (*unix.Timespec)(unsafe.Pointer(&ms[0].Data[0]))
		c.arrived = time.Unix(at.Sec, at.Nsec)
	}
	return n, nil
}

// acknowledgeAsRead has a viewer's kernel acknowledge when the viewer reads. Else it depends on how a connection began. A
// client that has once been kept waiting for 40 ms, as it is by a server with Nagle's algorithm, does so from then on. One
// that has not, whose last words were soon answered (tcp_enter_quickack_mode and pingpong in net/ipv4), acknowledges every
// second frame as that comes in: over loopback that is within the server's send, and would be counted as the server's work.
func acknowledgeAsRead(nc net.Conn) {
	if raw, err := nc.(*net.TCPConn).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
	}
}

// view is one viewer.
func (l *load) view(nc *stampedConn, conn *rtmp.Conn) {
	var own []time.Duration
	defer func() {
		l.mu.Lock()
		l.delays = append(l.delays, own...)
		l.mu.Unlock()
	}()
	for {
		ms, err := conn.ReadBatch()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				l.fault.CompareAndSwap(nil, &err)
			}
			return
		}
		for _, m := range ms {
			if isVideoFrame(m) && l.count.Load() {
				own = append(own, frameAge(m.Payload, nc.arrived))
			}
		}
	}
}

// publish sends frames of the given size at 30 a second until stop is closed, a keyframe every two seconds.
func (l *load) publish(t testing.TB, address string, size int, stop <-chan struct{}) {
	nc, conn := dialRTMP(t, address, &rtmp.Request{Publish: true, Key: "load"})
	l.wg.Add(2)
	go func() {
		defer l.wg.Done()
		for {
			if _, err := conn.ReadBatch(); err != nil {
				return
			}
		}
	}()
	go func() {
		defer l.wg.Done()
		defer nc.Close()
		send := func(ms uint32, p []byte) {
			m := rtmp.Message{Type: rtmp.TypeVideo, StreamID: 1, ChunkStream: 6, Timestamp: ms, Payload: p}
			if err := conn.Write(m); err != nil {
				l.fault.CompareAndSwap(nil, &err)
			}
		}
		send(0, avcConfig(1))
		tick := time.NewTicker(time.Second / 30)
		defer tick.Stop()
		for n := uint32(0); ; n++ {
			p := videoFrame(n, size)
			if n%60 == 0 {
				p[0] = 0x17
			}
			send(n*1000/30, p)
			if l.count.Load() {
				l.sent.Add(1)
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
}

func (l *load) close() {
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.wg.Wait()
}

// TestFewSwitches counts how often the threads of a relay give up their core of themselves while it serves 200 viewers, and
// while it pushes the stream on besides: once or twice for each frame, to wait for the next. Were Go's scheduler told of each
// read or write, its monitor would be woken by it and look at what goes on many times while the frame is sent out, on the core
// that sends.
func TestFewSwitches(t *testing.T) {
	t.Run("viewers", func(t *testing.T) { fewSwitches(t, "") })
	t.Run("and a push", func(t *testing.T) { fewSwitches(t, "rtmp://"+startRelay(t, relay.Options{}).address) })
}

func fewSwitches(t *testing.T, push string) {
	const viewers, atMost = 200, 2.5
	address, cmd := startBenchPushing(t, push)
	l := &load{}
	stop := make(chan struct{})
	l.publish(t, address, 2500, stop)
	l.watch(t, address, viewers)
	time.Sleep(500 * time.Millisecond)
	least := math.Inf(1) // of three: a collection of garbage takes some too
	for range 3 {
		l.sent.Store(0)
		l.count.Store(true)
		before := voluntarySwitches(t, cmd.Process.Pid)
		time.Sleep(600 * time.Millisecond)
		least = min(least, float64(voluntarySwitches(t, cmd.Process.Pid)-before)/float64(l.sent.Load()))
	}
	close(stop)
	l.close()
	t.Logf("%.1f for a frame", least)
	if least > atMost {
		t.Errorf("threads gave up their core %.1f times for a frame; want at most %v", least, atMost)
	}
}

// voluntarySwitches returns how often a process's threads have given up their core of themselves (proc(5), status).
func voluntarySwitches(t *testing.T, pid int) int {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	sum := 0
	for _, f := range files {
		b, _ := os.ReadFile(f) // the thread may be gone
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				n, _ := strconv.Atoi(strings.TrimSpace(v))
				sum += n
			}
		}
	}
	return sum
}
