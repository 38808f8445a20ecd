package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ofctl-live/ofctl-live/internal/packet"
)

// One host sends what its switch must ask about, as fast as it can, in each of the ways there are. Another host's new
// connections to the service are served all the same, and neither the controller nor the switch's table fills up.
func TestFlood(t *testing.T) {
	n := newLab(t).single(2)
	viewer, flooder := n.viewers[0], n.viewers[1]
	d := n.daemon(directConfig)
	d.connected("1")
	n.hs.accepts(1935, greet)
	n.hs.accepts(1936, greet)
	await(t, "the service is served", patience, func() bool {
		_, err := viewer.served("10.0.0.2:1935", time.Second)
		return err == nil
	})
	flooder.mustPing(n.hs)
	precede(t, os.Getpid(), d.cmd.Process.Pid, n.vswitchd.cmd.Process.Pid)

	cdn, mac := netip.MustParseAddr(n.hs.ip).As4(), macOf(n.hs)
	rounds := []struct {
		name  string
		frame func(r *rand.Rand, buf []byte) []byte
	}{
		{"from anybody to nobody", func(r *rand.Rand, buf []byte) []byte {
			return packet.AppendUDP(buf, packet.UDP{SrcMAC: randomMAC(r), DstMAC: randomMAC(r), SrcIP: randomIP(r), DstIP: randomIP(r), SrcPort: 1, DstPort: 2})
		}},
		{"from anybody to the service's host", func(r *rand.Rand, buf []byte) []byte {
			return packet.AppendUDP(buf, packet.UDP{SrcMAC: randomMAC(r), DstMAC: mac, SrcIP: randomIP(r), DstIP: cdn, SrcPort: 1, DstPort: 2})
		}},
		{"ARP for anybody", func(r *rand.Rand, buf []byte) []byte {
			return packet.AppendARP(buf, packet.ARP{Op: packet.ARPRequest, SenderMAC: randomMAC(r), SenderIP: randomIP(r), TargetIP: randomIP(r)})
		}},
		{"ARP for the service's host", func(r *rand.Rand, buf []byte) []byte {
			return packet.AppendARP(buf, packet.ARP{Op: packet.ARPRequest, SenderMAC: macOf(flooder), SenderIP: netip.MustParseAddr(flooder.ip).As4(), TargetIP: cdn})
		}},
		{"SYNs to the service", func(r *rand.Rand, buf []byte) []byte {
			return packet.AppendTCP(buf, packet.TCP{SrcMAC: macOf(flooder), DstMAC: mac, SrcIP: randomIP(r), DstIP: cdn,
				SrcPort: uint16(r.Uint32()), DstPort: 1935, Seq: r.Uint32(), Flags: packet.SYN, Window: 65535})
		}},
	}
	for _, round := range rounds {
		t.Run(round.name, func(t *testing.T) {
			before, heard := d.memory(), d.packetIns(t, n.s1)
			flood := flooder.flood(t, round.frame)
			time.Sleep(200 * time.Millisecond)
			for try := 1; ; try++ {
				late := sleep()
				decided, passed := viewer.visit("10.0.0.2:1935", 100*time.Millisecond), viewer.visit("10.0.0.2:1936", 100*time.Millisecond)
				time.Sleep(2500 * time.Millisecond)
				took, machine, lag := decided.end(t), passed.end(t), late.end()
				t.Logf("new connections to the service, %v; past the controller, %v; the machine was late by %v at most", took, machine, lag)
				const most = 100 * time.Millisecond
				// The machine may be busy otherwise, as the connections show of which the controller is not asked.
				if took.within(1) <= most+machine.within(1) {
					break
				}
				if lag < busy || try == 3 {
					t.Errorf("new connections to the service took %v, want each within %v, and what others took", took, most)
					break
				}
				t.Logf("tried again: a machine that is %v late was busy with something else", lag)
			}
			sent := flood()
			heard = d.packetIns(t, n.s1) - heard
			t.Logf("%d frames sent, %d came to the controller; %.0f dropped in %.0f overloads so far; %d rules; %d sessions; memory %s -> %s",
				sent, heard, d.sum("ofctl_packet_ins_dropped_total"), d.sum("ofctl_overloads_total"), len(n.s1.flows()), len(d.list("/v1/sessions")), mib(before), mib(d.memory()))
			if rules := len(n.s1.flows()); rules > 20_000 {
				t.Errorf("%d rules in the switch", rules)
			}
		})
	}
	if after := d.memory(); after > 128<<20 {
		t.Errorf("the daemon takes %s of memory", mib(after))
	}
}

// busy is how late a machine wakes a program when what it did meanwhile tells nothing of the program.
const busy = 50 * time.Millisecond

// packetIns is how many packets a switch has sent to the daemon.
func (d *daemon) packetIns(t *testing.T, s *vswitch) int {
	t.Helper()
	text, _ := d.metric(t, fmt.Sprintf("ofctl_packet_ins_total{dpid=%q}", s.dpid))
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// flood has the host send frames as fast as it can until the function that it returns is called, which says how many.
func (h *host) flood(t *testing.T, frame func(*rand.Rand, []byte) []byte) (stop func() int) {
	t.Helper()
	var socket int
	var to unix.SockaddrLinklayer
	err := h.within(func() (err error) {
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		to.Ifindex = eth0.Index
		socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	end, sent := make(chan struct{}), make(chan int)
	go func() {
		defer unix.Close(socket)
		defer aside()()
		r, buf := rand.New(rand.NewPCG(1, 2)), make([]byte, 0, 128)
		for n := 0; ; n++ {
			select {
			case <-end:
				sent <- n
				return
			default:
				_ = unix.Sendto(socket, frame(r, buf), 0, &to) // a full queue loses it, as a line would
			}
		}
	}()
	return func() int {
		close(end)
		return <-sent
	}
}

// precede has programs, and the hosts that live in this one, precede whatever else the machine does, until the test ends: what
// is timed is them.
func precede(t *testing.T, pids ...int) {
	t.Helper()
	all := func(pid, nice int) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			if id, err := strconv.Atoi(filepath.Base(thread)); err == nil {
				_ = unix.Setpriority(unix.PRIO_PROCESS, id, nice) // it may have ended
			}
		}
	}
	for _, pid := range pids {
		all(pid, -15)
	}
	t.Cleanup(func() { all(os.Getpid(), 0) })
}

// aside has the calling goroutine run on one processor, when nobody else wants that, until back: a host that floods has
// processors of its own, and takes none from the switch, the daemon and other hosts but by what it sends.
func aside() (back func()) {
	runtime.LockOSThread() // the thread must not end: programs that it has started would end with it
	kernel, _ := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
	was := 20 - kernel // the system call answers 20 less the nice value
	var all, one unix.CPUSet
	_ = unix.SchedGetaffinity(0, &all)
	one.Set(runtime.NumCPU() - 1)
	_ = unix.SchedSetaffinity(0, &one) // where it may not, it floods beside the others
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 19)
	return func() {
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), was)
		_ = unix.SchedSetaffinity(0, &all)
		runtime.UnlockOSThread()
	}
}

// sum adds up the samples of a metric.
func (d *daemon) sum(metric string) (sum float64) {
	body, _ := d.get("/metrics")
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, metric+"{") {
			v, _ := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
			sum += v
		}
	}
	return sum
}

// macOf is the host's hardware address in bytes.
func macOf(h *host) [6]byte {
	mac, err := net.ParseMAC(h.mac)
	if err != nil {
		h.lab.t.Fatal(err)
	}
	return [6]byte(mac)
}

// randomMAC is one host's address, locally administered.
func randomMAC(r *rand.Rand) [6]byte {
	n := r.Uint64()
	return [6]byte{0x06, byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), byte(n >> 32)}
}

// randomIP is an address in 10.128.0.0/9, where no real host is.
func randomIP(r *rand.Rand) [4]byte {
	n := r.Uint32()
	return [4]byte{10, 128 | byte(n), byte(n >> 8), byte(n >> 16)}
}
