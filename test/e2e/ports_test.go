package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echo is a service that says its name and then every line that it hears.
func echo(name string) func(net.Conn) {
	return func(c net.Conn) {
		fmt.Fprintln(c, name)
		_, _ = io.Copy(c, c)
	}
}

// A line is a connection to an echo.
type line struct {
	net.Conn
	in   *bufio.Reader
	name string // as it said
}

// lineFrom dials an echo from a port of the host, which other connections of it may use too.
func (h *host) lineFrom(port int, addr string) (l *line, err error) {
	d := net.Dialer{
		Timeout: patience, LocalAddr: &net.TCPAddr{Port: port},
		Control: func(_, _ string, c syscall.RawConn) (err error) {
			_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
			return err
		},
	}
	var c net.Conn
	err = h.within(func() (err error) {
		c, err = d.Dial("tcp4", addr)
		return err
	})
	if err != nil {
		return nil, err
	}
	h.lab.t.Cleanup(func() { c.Close() })
	l = &line{Conn: c, in: bufio.NewReader(c)}
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	l.name, err = l.in.ReadString('\n')
	return l, err
}

// works fails the test unless the connection is with that echo and still there.
func (l *line) works(t *testing.T, name string) {
	t.Helper()
	fmt.Fprintln(l, "hello")
	if said, err := l.in.ReadString('\n'); err != nil || said != "hello\n" || l.name != name+"\n" {
		t.Errorf("connected to %q, which says %q, %v; want it to be %s", l.name, said, err, name)
	}
}

// A viewer's own connection to a peer never gets mixed up with one to the CDN that the peer serves, from one port of the viewer.
// Where the redirected one is there, the other is refused at once; where it comes second, the CDN serves it.
func TestCollidingPorts(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(1)
	v := n.viewers[0]
	d := n.daemon(`
policy: bypass
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
peers:
  - {name: hb, address: 10.0.0.1, port: 1935}
bypass: {strategy: nearest}
`)
	d.connected("1")
	n.hs.accepts(1935, echo("cdn"))
	n.hb.accepts(1935, echo("peer"))
	d.healthy("hb")
	dial := func(port int, addr string) *line {
		t.Helper()
		l, err := v.lineFrom(port, addr)
		if err != nil {
			t.Fatalf("from %d to %s: %v", port, addr, err)
		}
		return l
	}

	redirected := dial(40000, "10.0.0.2:1935")
	redirected.works(t, "peer")
	began := time.Now()
	if l, err := v.lineFrom(40000, "10.0.0.1:1935"); !errors.Is(err, syscall.ECONNREFUSED) || time.Since(began) > patience/2 {
		t.Errorf("a second connection to the peer from the same port: %v, %v after %v; want it refused", l, err, time.Since(began))
	}
	redirected.works(t, "peer")

	own := dial(40001, "10.0.0.1:1935")
	own.works(t, "peer")
	direct := dial(40001, "10.0.0.2:1935")
	direct.works(t, "cdn")
	own.works(t, "peer")
	redirected.works(t, "peer")
}
