package oftest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// Options describe a Switch. The zero value is a switch without ports, with datapath id 0.
type Options struct {
	DPID  ofproto.DPID
	Ports []ofproto.Port // up, with addresses and names made up from datapath id and number; LOCAL is there always

	// TableSize is how many flow entries fit; 0 stands for a million, which is also Open vSwitch's.
	TableSize int

	// Plain makes a switch that has none of Open vSwitch's extensions, and describes itself as somebody else's. Others are
	// Open vSwitch by their description and know its action fin_timeout.
	Plain bool

	// Now is the clock of timeouts and durations. With it, entries expire when Expire or anything else is called; without
	// it, time.Now counts, and a connected switch looks for expired entries once a second by itself.
	Now func() time.Time

	// Egress receives the frames that PACKET_OUTs send. Without it they are kept for Sent.
	Egress func(Egress)

	// PacketInQueue bounds the bytes of packet-ins that wait for a controller that does not read; further ones are
	// dropped and counted. 0 stands for 16 MiB.
	PacketInQueue int

	// Shuffle, if not nil, picks the order of execution of messages that came together and have no barrier between them:
	// rand.Perm, say. OpenFlow 1.0.0 §5.3.7 lets a switch execute them in any order. A FLOW_REMOVED for a deletion then
	// comes behind the reply to a barrier that came with it, as it does from Open vSwitch.
	Shuffle func(n int) []int
}

// An Egress is a frame that leaves a switch by a port.
type Egress struct {
	Port  ofproto.Port
	Frame []byte
}

// A Switch is a simulated OpenFlow 1.0 switch with one flow table, no packet buffers, and no forwarding of its own: what
// its table does not match goes to the controller, and without one is lost, as with Open vSwitch's fail_mode=secure. Its
// table outlives its connections. Its methods may be called by any goroutine.
type Switch struct {
	o Options

	mu          sync.Mutex // guards what follows; held while nothing blocks
	table       table
	ports       []*port // by number, LOCAL last
	flags       ofproto.ConfigFlags
	missSendLen uint16
	session     *session // nil without a controller
	intercept   Interceptor
	received    map[ofproto.Type]int
	refused     []error
	violations  []string
	sent        []Egress
	lostIns     int
}

// defaultMissSendLen is what a switch sends of a packet before SET_CONFIG: OFP_DEFAULT_MISS_SEND_LEN.
const defaultMissSendLen = 128

// NewSwitch returns a switch that is not yet connected.
func NewSwitch(o Options) *Switch {
	if o.TableSize == 0 {
		o.TableSize = 1_000_000
	}
	if o.PacketInQueue == 0 {
		o.PacketInQueue = 16 << 20
	}
	s := &Switch{
		o:           o,
		table:       table{limit: o.TableSize},
		missSendLen: defaultMissSendLen,
		received:    map[ofproto.Type]int{},
	}
	for _, no := range o.Ports {
		s.addPort(no)
	}
	s.addPort(ofproto.PortLocal)
	return s
}

// DPID returns the datapath id.
func (s *Switch) DPID() ofproto.DPID { return s.o.DPID }

func (s *Switch) now() time.Time {
	if s.o.Now != nil {
		return s.o.Now()
	}
	return time.Now()
}

// Receive has a frame come in by a port and returns what leaves the switch at once, by the flow table. What the
// controller has it send later goes to Options.Egress or Sent.
func (s *Switch) Receive(in ofproto.Port, frame []byte) []Egress {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	p := s.port(in)
	if p == nil {
		panic(fmt.Sprintf("oftest: switch %v has no port %v", s.o.DPID, in))
	}
	p.stats.RxPackets++
	p.stats.RxBytes += uint64(len(frame))
	if !p.Up() || p.Config&ofproto.PortNoRecv != 0 || s.flags&ofproto.FragMask == ofproto.FragDrop && isFragment(frame) {
		p.stats.RxDropped++
		return nil
	}
	return s.forward(frame, in)
}

// Sent returns what PACKET_OUTs have sent since the last call, where Options.Egress is nil.
func (s *Switch) Sent() []Egress {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

// Expire removes the entries that have timed out by Options.Now and reports them to the controller.
func (s *Switch) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
}

func (s *Switch) expire() {
	now := s.now()
	for _, r := range s.table.expire(now) {
		s.reportRemoved(r, now)
	}
}

// Received returns how many messages of a type have come since the switch was made, over all connections.
func (s *Switch) Received(t ofproto.Type) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received[t]
}

// Refused returns what the switch has answered with an error, the injected ones included.
func (s *Switch) Refused() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}

// Violations returns what no switch complains about and no controller should do: a field matched that does not count,
// two entries of one priority that contradict each other on a packet, a frame sent back without IN_PORT, a reply nobody
// asked for. A test of a controller ends by checking that there are none.
func (s *Switch) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// LostPacketIns returns how many packets met no controller, or one that did not read.
func (s *Switch) LostPacketIns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lostIns
}

func (s *Switch) complain(format string, args ...any) {
	const most = 100 // one bug, repeated, should not fill the memory
	if len(s.violations) < most {
		s.violations = append(s.violations, fmt.Sprintf("switch %v: ", s.o.DPID)+fmt.Sprintf(format, args...))
	}
}

// Restart forgets flow table, counters and configuration, as a switch that is switched off and on, and drops the
// connection. Its ports stay.
func (s *Switch) Restart() {
	s.mu.Lock()
	s.table = table{limit: s.o.TableSize}
	s.flags, s.missSendLen = 0, defaultMissSendLen
	for _, p := range s.ports {
		p.stats = ofproto.PortStat{}
		p.Config = 0
	}
	s.mu.Unlock()
	s.Disconnect()
}
