package e2e

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A host is a namespace with one interface, eth0, on a switch.
type host struct {
	netns
	lab  *lab
	name string
	ip   string
	mac  string
	at   *vswitch
	port int    // of the switch
	far  string // the interface's other end, in the core namespace
}

// host adds a host with a fixed address to a switch.
func (l *lab) host(name, ip string, at *vswitch) *host {
	l.t.Helper()
	b := netip.MustParseAddr(ip).As4()
	h := &host{
		netns: l.netns(name), lab: l, name: name, ip: ip, at: at,
		mac: fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3]),
		far: at.name + "-" + name,
	}
	run(l.t, l.core.command("ip", "link", "add", h.far, "type", "veth", "peer", "name", "eth0", "address", h.mac, "netns", h.pid()))
	h.port = at.attach(h.far)
	for _, args := range []string{
		"sysctl -qw net.ipv6.conf.all.disable_ipv6=1", // its neighbour discovery would be noise in the flow tables
		"ip link set lo up",
		"ip address add " + ip + "/24 dev eth0",
		"ip link set eth0 up",
		"ethtool -K eth0 tx off", // the userspace datapath forwards the unfinished checksums of a veth as they are
	} {
		run(l.t, h.command(strings.Fields(args)...))
	}
	return h
}

// start runs a program on the host in the background.
func (h *host) start(args ...string) *process {
	h.lab.t.Helper()
	return start(h.lab.t, h.lab.dir, h.name+"-"+filepath.Base(args[0]), h.command(args...))
}

// pings sends n echo requests, 50 ms apart, and returns an error unless each is answered.
func (h *host) pings(to *host, n int) error {
	_, err := tryRun(h.command("ping", "-n", "-q", "-i", "0.05", "-W", "1", "-c", strconv.Itoa(n), to.ip))
	return err
}

// mustPing waits until the other host answers, then wants every one of ten answered.
func (h *host) mustPing(to *host) {
	h.lab.t.Helper()
	await(h.lab.t, h.name+" reaches "+to.name, patience, func() bool { return h.pings(to, 1) == nil })
	if err := h.pings(to, 10); err != nil {
		h.lab.t.Error(err)
	}
}

// listens waits until something on the host accepts connections at a port.
func (h *host) listens(port int) {
	h.lab.t.Helper()
	await(h.lab.t, fmt.Sprintf("%s listens on %d", h.name, port), patience, func() bool {
		out, err := h.command("ss", "-Hltn", "sport", "=", strconv.Itoa(port)).Output()
		return err == nil && len(out) > 0
	})
}

// nginx starts nginx-rtmp on the host with one of the repository's configurations.
func (h *host) nginx(conf string) *process {
	h.lab.t.Helper()
	dir := h.lab.path("nginx-" + h.name)
	run(h.lab.t, exec.Command("mkdir", "-p", dir))
	p := h.start("nginx", "-e", "stderr", "-p", dir, "-c", filepath.Join(root, conf), "-g", "daemon off;")
	h.listens(1935)
	return p
}

// sent is how many bytes the host has put on its line, and received how many it has taken from it.
func (h *host) sent() uint64     { return h.counter("tx_bytes") }
func (h *host) received() uint64 { return h.counter("rx_bytes") }

func (h *host) counter(name string) uint64 {
	h.lab.t.Helper()
	// /sys shows the namespace it was mounted in, so ask for the statistics over netlink.
	out := run(h.lab.t, h.command("ip", "-s", "-o", "link", "show", "eth0"))
	fields := strings.Fields(out[strings.Index(out, "RX:"):])
	at := map[string]string{"rx_bytes": "RX:", "tx_bytes": "TX:"}[name]
	for i, f := range fields {
		if f == at {
			// "RX: bytes packets errors dropped ... \ 123 4 ...": the first number after the label is the bytes.
			for _, v := range fields[i+1:] {
				if n, err := strconv.ParseUint(v, 10, 64); err == nil {
					return n
				}
			}
		}
	}
	h.lab.t.Fatalf("no %s in %s", name, out)
	return 0
}
