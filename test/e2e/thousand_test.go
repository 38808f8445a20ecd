package e2e

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A thousand viewers who dial the CDN within a second are spread over the peers by capacity, and the CDN serves none of
// them. More fill the peers to the last place, and only who then comes is left to the CDN.
func TestThousand(t *testing.T) {
	l := newLab(t)
	s := l.vswitch("s1")
	servers := map[byte]*host{'c': l.host("hs", "10.0.0.2", s)}
	for i, name := range "123" {
		servers[byte(name)] = l.host(fmt.Sprintf("p%c", name), fmt.Sprintf("10.0.0.%d", 11+i), s)
	}
	var viewers []*host
	for i := range 8 {
		viewers = append(viewers, l.host(fmt.Sprintf("v%d", i+1), fmt.Sprintf("10.0.0.%d", 21+i), s))
	}
	for name, h := range servers {
		h.accepts(1935, func(c net.Conn) {
			if _, err := c.Write([]byte{name}); err == nil {
				_, _ = c.Read(make([]byte, 1)) // until the viewer leaves
			}
		})
	}
	d := l.daemon(`
policy: bypass
log: {level: warn}
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
peers:
  - {name: p1, address: 10.0.0.11, port: 1935, max_viewers: 600}
  - {name: p2, address: 10.0.0.12, port: 1935, max_viewers: 300}
  - {name: p3, address: 10.0.0.13, port: 1935, max_viewers: 300}
bypass: {strategy: least-loaded}
`)
	d.connected("1")
	for _, p := range []string{"p1", "p2", "p3"} {
		d.healthy(p)
	}

	var (
		mu     sync.Mutex
		served = map[byte]int{}
		slow   time.Duration
	)
	crowd := func(n int) {
		t.Helper()
		var all sync.WaitGroup
		begin := time.Now()
		for i := range n {
			time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / 1000)))
			all.Go(func() {
				dialled := time.Now()
				by, err := viewers[i%len(viewers)].servedBy(t, "10.0.0.2:1935")
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Errorf("viewer %d: %v", i, err)
				}
				served[by]++
				slow = max(slow, time.Since(dialled))
			})
		}
		t.Logf("%d viewers dialled within %v", n, time.Since(begin))
		all.Wait()
		t.Logf("served: %d by p1, %d by p2, %d by p3, %d by the CDN; the slowest after %v", served['1'], served['2'], served['3'], served['c'], slow)
	}
	wants := func(want map[byte]int) {
		t.Helper()
		for name, n := range want {
			if got := served[name]; got < n-2 || got > n+2 { // two that are decided at the same time see the same load
				t.Errorf("%d viewers are served by %c, want %d", got, name, n)
			}
		}
	}
	crowd(1000)
	wants(map[byte]int{'1': 500, '2': 250, '3': 250})
	if served['c'] != 0 {
		t.Errorf("%d viewers are served by the CDN while the peers have room", served['c'])
	}
	crowd(300)
	for name, room := range map[byte]int{'1': 600, '2': 300, '3': 300, 'c': 100} {
		if served[name] != room {
			t.Errorf("%d viewers are served by %c, want %d", served[name], name, room)
		}
	}
}

// servedBy dials a service and returns the first byte it says. The connection stays until the test ends.
func (h *host) servedBy(t *testing.T, addr string) (name byte, err error) {
	var c net.Conn
	if err := h.within(func() (err error) {
		c, err = net.DialTimeout("tcp", addr, 10*time.Second)
		return err
	}); err != nil {
		return 0, err
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	var first [1]byte
	_, err = io.ReadFull(c, first[:])
	return first[0], err
}
