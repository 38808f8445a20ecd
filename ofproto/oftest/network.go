package oftest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// mostHops is how many switches a frame may pass before it is taken for one that goes round in a loop.
const mostHops = 32

// A Network is a number of switches and hosts joined by wires. A frame that meets no wire with a delay goes all its way
// within the call that sent it, so that a test can look at once where it went.
//
//	n := oftest.NewNetwork()
//	n.AddSwitch("s1", oftest.Options{DPID: 1})
//	n.AddSwitch("s2", oftest.Options{DPID: 2})
//	n.Join("s1", 10, "s2", 10, 5*time.Millisecond)
//	viewer := n.AddHost("hv1", "10.0.0.3", "s1", 1, 0)
//	cdn := n.AddHost("hs", "10.0.0.2", "s2", 1, 0)
//	n.Connect(ctx, dial)
//	cdn.Listen(1935)
//	c := viewer.Dial(cdn.IP, 1935)
//	oftest.Eventually(t, "connected", c.Established)
//	n.Check(t)
type Network struct {
	mu       sync.Mutex
	names    []string // of the switches, in the order in which they were added
	switches map[string]*Switch
	hosts    map[string]*Host
	wires    map[end]*Wire
	looped   int
}

// An end is where a wire is plugged in: a port of a switch, or a host.
type end struct {
	sw   *Switch
	port ofproto.Port
	host *Host
}

// A Wire joins two ends. It carries frames both ways, in order.
type Wire struct {
	n      *Network
	ends   [2]end
	delay  time.Duration // one way
	mu     sync.Mutex
	up     bool
	frames [2]int        // carried from ends[i]
	bytes  [2]int        // carried from ends[i]
	queue  [2][]job      // under way to ends[i], with a delay only
	turn   [2]sync.Mutex // held while the front of queue is delivered, so that order is kept
}

// A job is a frame that arrives at an end.
type job struct {
	to    end
	frame []byte
	hops  int
}

// NewNetwork returns a network of nothing.
func NewNetwork() *Network {
	return &Network{switches: map[string]*Switch{}, hosts: map[string]*Host{}, wires: map[end]*Wire{}}
}

// AddSwitch adds a switch. Joining it to something gives it the port that takes. Options.Egress is the network's.
func (n *Network) AddSwitch(name string, o Options) *Switch {
	var sw *Switch
	o.Egress = func(e Egress) { n.run(n.leave(end{sw: sw, port: e.Port}, e.Frame, 0)) }
	sw = NewSwitch(o)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.switches[name] != nil {
		panic("oftest: there is a switch " + name + " already")
	}
	n.names = append(n.names, name)
	n.switches[name] = sw
	return sw
}

// Switch returns the switch of that name.
func (n *Network) Switch(name string) *Switch {
	n.mu.Lock()
	defer n.mu.Unlock()
	if sw := n.switches[name]; sw != nil {
		return sw
	}
	panic("oftest: there is no switch " + name)
}

// Host returns the host of that name.
func (n *Network) Host(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h := n.hosts[name]; h != nil {
		return h
	}
	panic("oftest: there is no host " + name)
}

// Switches returns the switches in the order in which they were added.
func (n *Network) Switches() []*Switch {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*Switch, len(n.names))
	for i, name := range n.names {
		all[i] = n.switches[name]
	}
	return all
}

// Join joins two switches by a wire with a delay each way.
func (n *Network) Join(a string, aPort ofproto.Port, b string, bPort ofproto.Port, delay time.Duration) *Wire {
	return n.plug(end{sw: n.Switch(a), port: aPort}, end{sw: n.Switch(b), port: bPort}, delay)
}

// AddHost adds a host with an IPv4 address to a port of a switch, by a wire with a delay each way. Its Ethernet address
// is made of the IPv4 address.
func (n *Network) AddHost(name, ip, sw string, port ofproto.Port, delay time.Duration) *Host {
	h := newHost(n, name, ip)
	n.mu.Lock()
	if n.hosts[name] != nil {
		panic("oftest: there is a host " + name + " already")
	}
	n.hosts[name] = h
	n.mu.Unlock()
	h.wire = n.plug(end{host: h}, end{sw: n.Switch(sw), port: port}, delay)
	return h
}

// Move unplugs a host and plugs it in elsewhere. Its addresses and connections stay.
func (n *Network) Move(host, sw string, port ofproto.Port) {
	h := n.Host(host)
	old := h.Wire()
	old.SetUp(false)
	n.mu.Lock()
	delete(n.wires, old.ends[0])
	delete(n.wires, old.ends[1])
	n.mu.Unlock()
	w := n.plug(end{host: h}, end{sw: n.Switch(sw), port: port}, old.delay)
	h.mu.Lock()
	h.wire = w
	h.mu.Unlock()
}

func (n *Network) plug(a, b end, delay time.Duration) *Wire {
	w := &Wire{n: n, ends: [2]end{a, b}, delay: delay, up: true}
	for _, e := range w.ends {
		if e.sw != nil {
			defer e.sw.ensurePort(e.port)() // told once the wire is there: whoever hears of a port may use it at once
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range w.ends {
		if n.wires[e] != nil {
			panic(fmt.Sprintf("oftest: two wires in port %v of switch %v", e.port, e.sw.DPID()))
		}
		n.wires[e] = w
	}
	return w
}

// SetUp cuts or mends the wire. The switches at its ends see the link go and come.
func (w *Wire) SetUp(up bool) {
	w.SetLossy(!up)
	for _, e := range w.ends {
		if e.sw != nil {
			e.sw.SetLink(e.port, up)
		}
	}
}

// SetLossy has the wire lose every frame, or no longer, without anybody being told.
func (w *Wire) SetLossy(lossy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up = !lossy
	w.queue = [2][]job{}
}

// Carried returns how many frames and bytes the wire has carried: from its first end to its second (for a host: from the
// host), and back.
func (w *Wire) Carried() (frames, bytes [2]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.frames, w.bytes
}

// Connect has every switch connect to the controller until ctx ends, and connect again when the connection is lost.
func (n *Network) Connect(ctx context.Context, dial func(context.Context) (net.Conn, error)) {
	for _, sw := range n.Switches() {
		go sw.Run(ctx, dial)
	}
}

// Check fails the test for what no controller should do: the violations of all switches, frames
// that went round in a loop, frames with wrong checksums. A test of a controller ends with it.
func (n *Network) Check(t testing.TB) {
	t.Helper()
	for _, sw := range n.Switches() {
		for _, v := range sw.Violations() {
			t.Error(v)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.hosts {
		for _, c := range h.Complaints() {
			t.Error(c)
		}
	}
	if n.looped > 0 {
		t.Errorf("%d frames went round in a loop", n.looped)
	}
}

// leave has a frame leave an end. It returns the arrival at the other, unless there is none or it takes time.
func (n *Network) leave(from end, frame []byte, hops int) []job {
	n.mu.Lock()
	w := n.wires[from]
	if hops > mostHops {
		n.looped++
		w = nil
	}
	n.mu.Unlock()
	if w == nil {
		return nil
	}
	i := slices.Index(w.ends[:], from)
	j := job{to: w.ends[1-i], frame: frame, hops: hops}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.up {
		return nil
	}
	w.frames[i]++
	w.bytes[i] += len(frame)
	if w.delay > 0 {
		w.queue[1-i] = append(w.queue[1-i], j)
		time.AfterFunc(w.delay, func() { w.deliver(1 - i) })
		return nil
	}
	return []job{j}
}

// deliver takes the first frame under way to an end. Each frame has a timer of its own, and timers that end together run
// in any order, so that the frame at the front need not be the one the timer was set for.
func (w *Wire) deliver(i int) {
	w.turn[i].Lock()
	defer w.turn[i].Unlock()
	w.mu.Lock()
	if len(w.queue[i]) == 0 { // lost in a cut
		w.mu.Unlock()
		return
	}
	j := w.queue[i][0]
	w.queue[i] = w.queue[i][1:]
	w.mu.Unlock()
	w.n.run([]job{j})
}

// run carries frames on until all have arrived, left the network, or are under way on a wire with a delay.
func (n *Network) run(jobs []job) {
	for len(jobs) > 0 {
		j := jobs[0]
		jobs = jobs[1:]
		if j.to.host != nil {
			for _, answer := range j.to.host.receive(j.frame) {
				jobs = append(jobs, n.leave(j.to, answer, 0)...)
			}
			continue
		}
		for _, e := range j.to.sw.Receive(j.to.port, j.frame) {
			jobs = append(jobs, n.leave(end{sw: j.to.sw, port: e.Port}, e.Frame, j.hops+1)...)
		}
	}
}
