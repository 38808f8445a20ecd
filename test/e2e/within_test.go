package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// within runs do on a thread that is in the namespace. Sockets that it makes stay there.
func (n netns) within(do func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer home.Close()
	away, err := os.Open("/proc/" + n.pid() + "/ns/net")
	if err != nil {
		return err
	}
	defer away.Close()
	if err := unix.Setns(int(away.Fd()), unix.CLONE_NEWNET); err != nil {
		return err
	}
	err = do()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		panic(back)
	}
	return err
}

// dial connects from within the namespace: a socket belongs to the one its thread is in when it is made.
func (n netns) dial(network, addr string) (c net.Conn, err error) {
	err = n.within(func() error {
		c, err = net.DialTimeout(network, addr, patience)
		return err
	})
	return c, err
}

// accepts has the host accept connections to a port, and serve each in a goroutine until the test ends.
func (h *host) accepts(port int, serve func(net.Conn)) {
	h.lab.t.Helper()
	var l net.Listener
	err := h.within(func() (err error) {
		l, err = net.Listen("tcp", ":"+strconv.Itoa(port))
		return err
	})
	if err != nil {
		h.lab.t.Fatal(err)
	}
	h.lab.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
}

// greet is a service that says one byte and waits for the other side to close.
func greet(c net.Conn) {
	if _, err := c.Write([]byte{'!'}); err == nil {
		_, _ = c.Read(make([]byte, 1))
	}
}

// served dials a service that greets and returns how long the first byte took.
func (h *host) served(addr string, patience time.Duration) (time.Duration, error) {
	var took time.Duration
	err := h.within(func() error {
		begin := time.Now()
		c, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(begin.Add(patience)); err != nil {
			return err
		}
		_, err = io.ReadFull(c, make([]byte, 1))
		took = time.Since(begin)
		return err
	})
	return took, err
}

// A visitor dials a service again and again.
type visitor struct {
	stop, done chan struct{}
	took       durations
	failed     []error
}

// visit has the host dial a service every so often until end. Each connection is a new one, which takes the controller.
func (h *host) visit(addr string, every time.Duration) *visitor {
	v := &visitor{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(v.done)
		for {
			select {
			case <-v.stop:
				return
			case <-time.After(every):
				if took, err := h.served(addr, 5*time.Second); err != nil {
					v.failed = append(v.failed, err)
				} else {
					v.took = append(v.took, took)
				}
			}
		}
	}()
	return v
}

// end ends the visits and returns how long each took. It wants some, and none that failed.
func (v *visitor) end(t *testing.T) durations {
	t.Helper()
	close(v.stop)
	<-v.done
	if len(v.took) == 0 || len(v.failed) > 0 {
		t.Fatalf("%d new connections were served; these were not: %v", len(v.took), v.failed)
	}
	slices.Sort(v.took)
	return v.took
}

// durations are some, the shortest first.
type durations []time.Duration

// within is how long so great a share of them lasted at most.
func (d durations) within(share float64) time.Duration {
	return d[int(share*float64(len(d)-1))].Round(10 * time.Microsecond)
}

func (d durations) String() string {
	return fmt.Sprintf("%d: median %v, three of four within %v, nine of ten within %v, worst %v", len(d), d.within(0.5), d.within(0.75), d.within(0.9), d.within(1))
}

// memory is how many bytes of a running program are in memory.
func (p *process) memory() int {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kb int
	if _, err := fmt.Sscanf(rest, "%d kB", &kb); err != nil {
		p.t.Fatal(err)
	}
	return kb << 10
}

func mib(bytes int) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// A sleeper measures how late the machine wakes a program that sleeps, at worst, until end.
type sleeper struct {
	stop chan struct{}
	most chan time.Duration
}

// sleep begins to measure it.
func sleep() sleeper {
	l := sleeper{make(chan struct{}), make(chan time.Duration)}
	go func() {
		const nap = 5 * time.Millisecond
		var most time.Duration
		for {
			begin := time.Now()
			select {
			case <-l.stop:
				l.most <- most
				return
			case <-time.After(nap):
				most = max(most, time.Since(begin)-nap)
			}
		}
	}()
	return l
}

func (l sleeper) end() time.Duration {
	close(l.stop)
	return <-l.most
}
