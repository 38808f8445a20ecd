package e2e

import (
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// slowLink joins two switches by a line on which every frame takes a time, each way. The kernel here may lack netem, so the
// test itself carries the frames.
func (l *lab) slowLink(a, b *vswitch, delay time.Duration) {
	l.t.Helper()
	var ends [2]*os.File
	for i, s := range []*vswitch{a, b} {
		port := s.name + "-" + []*vswitch{b, a}[i].name
		run(l.t, l.core.command("ip", "link", "add", port, "type", "veth", "peer", "name", "slow-"+port))
		run(l.t, l.core.command("ip", "link", "set", "slow-"+port, "up"))
		s.attach(port)
		if err := l.core.within(func() (err error) {
			ends[i], err = tap("slow-" + port)
			return err
		}); err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() { ends[i].Close() })
	}
	go carry(ends[0], ends[1], delay)
	go carry(ends[1], ends[0], delay)
}

// tap opens an interface for the frames that it receives, and to send by.
func tap(name string) (*os.File, error) {
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	const everything = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: dev.Index}))
}

// carry takes frames from one end to the other, in order, until either is closed.
func carry(from, to *os.File, delay time.Duration) {
	type late struct {
		due   time.Time
		frame []byte
	}
	line := make(chan late, 4096)
	go func() {
		for l := range line {
			time.Sleep(time.Until(l.due))
			_, _ = to.Write(l.frame) // a line that is down loses what it is given
		}
	}()
	defer close(line)
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if errors.Is(err, unix.ENETDOWN) {
			continue // once, when an interface goes down
		}
		if err != nil {
			return
		}
		line <- late{time.Now().Add(delay), append([]byte(nil), buf[:n]...)}
	}
}
