package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	// tcpNotsentLowat (linux/tcp.h) bounds what the kernel holds unsent: beyond it a slow viewer's frames stay with us,
	// where they can still be skipped.
	tcpNotsentLowat = 25
	unsentBytes     = 64 << 10
	keepAliveIdle   = 15 * time.Second
)

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: 5 * time.Second, Count: 4}

// listen opens a listening socket whose connections are kept alive. (TCP_NODELAY is on by Go's default.) The error says
// which address could not be had, what for, and why.
func listen(ctx context.Context, what, address string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: keepAlive}
	network := "tcp"
	if at, err := netip.ParseAddrPort(address); err == nil && at.Addr().Is4() {
		network = "tcp4" // of 0.0.0.0, which the net package takes for IPv6's too
	}
	l, err := lc.Listen(ctx, network, address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s for %s: the port is in use by another process", address, what)
	case err != nil:
		return nil, fmt.Errorf("listen on %s for %s: %w", address, what, err)
	}
	return l, nil
}

// dial connects to an upstream, its packets marked with dscp from the SYN on.
func dial(ctx context.Context, address string, dscp int) (net.Conn, error) {
	d := net.Dialer{
		Timeout:         2 * time.Second,
		KeepAliveConfig: keepAlive,
		Control: func(network, _ string, raw syscall.RawConn) error {
			if dscp == 0 {
				return nil
			}
			return setOption(raw, func(fd int) error {
				if network == "tcp6" {
					return syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, dscp<<2)
				}
				return syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_TOS, dscp<<2)
			})
		},
	}
	return d.DialContext(ctx, "tcp", address)
}

// rawConn gives access to a connection's descriptor. It returns nil for what is not a socket.
func rawConn(c net.Conn) syscall.RawConn {
	if tcp, ok := c.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

func setOption(raw syscall.RawConn, set func(fd int) error) error {
	var err error
	if e := raw.Control(func(fd uintptr) { err = set(int(fd)) }); e != nil {
		return e
	}
	return err
}

// tuneSender prepares the socket of a viewer.
func tuneSender(c net.Conn) error {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	if err := tcp.SetNoDelay(true); err != nil {
		return err
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	return setOption(raw, func(fd int) error {
		return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpNotsentLowat, unsentBytes)
	})
}
