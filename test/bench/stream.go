package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// The stream scenario: viewers behind every switch dial a service that is behind the first, and each is to be served by
// the peer behind his own switch. A request is a SYN; its response is the PACKET_OUT that sends it to the peer, behind the
// rules of both directions and a barrier.
//
// Once an interval the daemon asks each switch in its turn for the counters of its sessions. A round is several dials, each of a
// daemon started anew and at another moment of the interval, so that all of that work falls into it, and not more or less of it by
// chance. One dial that takes as long is no audience any more: the daemon bounds the connections of a port that have said nothing, and
// drops new ones beyond some thousands where it falls behind for a moment.
const (
	streamScenario = "stream 16x32"
	streamWindow   = 32
	streamDials    = 5
	streamReady    = 6 * time.Second // after the start of the daemon
	meterInterval  = 5 * time.Second // the daemon's
	streamPort     = 1935
	warmPort       = 10000 // the viewers' port while the controller gets to know them
	firstPort      = 20000
)

// service is where the viewers dial.
var service = host{mac: hostMAC(serviceIP), ip: serviceIP, port: servicePort}

var serviceIP = ofproto.IPv4{10, 255, 0, 1}

// hostMAC is the address that an oftest.Network gives a host.
func hostMAC(ip ofproto.IPv4) ofproto.MAC { return ofproto.MAC{0x02, 0x00, ip[0], ip[1], ip[2], ip[3]} }

func peerOf(sw int) *host {
	ip := ofproto.IPv4{10, byte(sw), 250, 1}
	return &host{mac: hostMAC(ip), ip: ip, port: peerPort}
}

// streamSlots returns a SYN of each viewer of a switch, to begin with, and then so many of new connections.
func streamSlots(sw, connections int) []slot {
	peer := peerOf(sw)
	all := make([]slot, sources+connections)
	frames := make([]packet.TCP, len(all))
	for i := range all {
		all[i] = slot{from: source(sw, i%sources), to: service, peer: peer}
		port := uint16(warmPort)
		if i >= sources {
			port = uint16(firstPort + (i-sources)/sources)
		}
		frames[i] = packet.TCP{SrcPort: port, DstPort: streamPort, Flags: packet.SYN}
	}
	buildRequests(all, frames, false)
	return all
}

// sessionRules are rules for one connection, either way.
type sessionRules map[viewerEnd]*slot

// A viewerEnd is the viewer's end of a connection.
type viewerEnd struct {
	ip   ofproto.IPv4
	port uint16
}

func newSessionRules(all []slot) sessionRules {
	r := sessionRules{}
	var p packet.Peeked
	for i := range all {
		if err := packet.Peek(all[i].request[frameAt:], &p); err != nil {
			panic(err)
		}
		r[viewerEnd{p.SrcIP, p.SrcPort}] = &all[i]
	}
	return r
}

func (sessionRules) hot(w ofproto.Wildcards) bool {
	return w&(ofproto.WildInPort|ofproto.WildTPSrc) == 0
}

func (sessionRules) lasting() bool { return true }

func (r sessionRules) slotOf(m *ofproto.FlowMod) *slot {
	if s := r[viewerEnd{m.Match.NWSrc, m.Match.TPSrc}]; s != nil {
		return s
	}
	return r[viewerEnd{m.Match.NWDst, m.Match.TPDst}]
}

// checkRule checks that what the viewer sends reaches the peer as if he had dialled that, or that what the peer sends
// reaches the viewer as if it came from the service.
func (sessionRules) checkRule(m *ofproto.FlowMod, s *slot) error {
	there := s.request[frameAt:]
	var p packet.Peeked
	if err := packet.Peek(there, &p); err != nil {
		return err
	}
	if m.Match.InPort == s.from.port {
		want := bytes.Clone(there)
		copy(want, s.peer.mac[:])
		packet.SetIPv4Dst(want, s.peer.ip)
		return checkFlowMod(m, there, s.from.port, want, s.peer.port)
	}
	back := packet.TCP{
		DstMAC: s.from.mac, SrcMAC: s.peer.mac, SrcIP: s.peer.ip, DstIP: s.from.ip, SrcPort: streamPort, DstPort: p.SrcPort,
		Flags: packet.ACK, Payload: []byte("part of a stream"),
	}
	want := back
	want.SrcMAC, want.SrcIP = s.to.mac, s.to.ip
	return checkFlowMod(m, packet.AppendTCP(nil, back), s.peer.port, packet.AppendTCP(nil, want), s.from.port)
}

// streamConfig is the daemon's configuration for the scenario.
func streamConfig() string {
	var b strings.Builder
	fmt.Fprintf(&b, "policy: bypass\nservices:\n  - {name: cdn, address: %v, port: %d}\npeers:\n", service.ip, streamPort)
	for i := range fleet {
		fmt.Fprintf(&b, "  - {name: peer%d, address: %v, port: %d}\n", i+1, peerOf(i).ip, streamPort)
	}
	return b.String()
}

// streamNetwork returns the switches with their peers, and the service behind the first. The hosts answer the probes.
func streamNetwork() []*oftest.Switch {
	n := oftest.NewNetwork()
	for i := range fleet {
		name := fmt.Sprintf("s%d", i+1)
		n.AddSwitch(name, oftest.Options{DPID: ofproto.DPID(i + 1), Ports: switchPorts()})
		n.AddHost(fmt.Sprintf("peer%d", i+1), peerOf(i).ip.String(), name, peerPort, 0).Listen(streamPort)
	}
	n.AddHost("cdn", service.ip.String(), "s1", servicePort, 0).Listen(streamPort)
	return n.Switches()
}

// A dial is the load of one switch: every connection once, so many at a time.
type dial struct {
	*window
	left int       // connections without an answer
	last time.Time // of the newest answer
}

// answer implements load.
func (d *dial) answer(id uint32, message []byte) bool {
	e, ours := d.waiting(id)
	if e == nil {
		return ours
	}
	d.last = time.Now()
	e.waits = false
	d.latency.add(d.last.Sub(e.sent))
	if n := d.s.counts.answers.Add(1); n%sampleAnswers == 0 {
		d.s.check(message, e.slot, id)
	}
	if d.left--; d.left >= len(d.entries) {
		d.fill(e)
	}
	return true
}

// streamLoop has the viewers of all switches dial, each connection once, and returns when all are answered. A SYN that has
// no answer in time counts as lost.
func streamLoop(ctx context.Context, switches []*simSwitch) (result, error) {
	dials := make([]*dial, len(switches))
	before, start := total(switches), time.Now()
	for i, s := range switches {
		d := &dial{window: newWindow(s, streamWindow), left: len(s.slots) - sources}
		dials[i] = d
		s.mu.Lock()
		s.load, d.next = d, sources
		for j := range min(len(d.entries), d.left) {
			d.fill(&d.entries[j])
		}
		err := d.flush()
		s.mu.Unlock()
		if err != nil {
			return result{}, err
		}
	}
	left, end := 0, start
	for progress := time.Now(); ; {
		if err := wait(ctx, switches, lostCheck/10, func() error { return nil }); err != nil {
			return result{}, err
		}
		now := 0
		for _, d := range dials {
			d.s.mu.Lock()
			now += d.left
			if d.last.After(end) {
				end = d.last
			}
			d.s.mu.Unlock()
		}
		if now != left {
			left, progress = now, time.Now()
		}
		if left == 0 || time.Since(progress) > patience {
			break
		}
	}
	r := total(switches).since(before, end.Sub(start))
	r.latency, r.Lost = new(histogram), uint64(left)
	for _, d := range dials {
		d.s.mu.Lock()
		r.latency.merge(&d.latency)
		d.s.load = idle{}
		d.s.mu.Unlock()
	}
	return r, nil
}

// streamRound measures the daemon's decisions for new connections.
func (m measurement) streamRound(ctx context.Context, c controller, n int) (result, error) {
	all := result{Round: n, Scenario: streamScenario, Controller: c.name, latency: new(histogram)}
	for i := range streamDials {
		m.progress(fmt.Sprintf("round %d, %s: starting with bypass, dial %d", n, c.name, i+1))
		r, err := m.streamDial(ctx, c, streamReady+time.Duration(i)*meterInterval/streamDials)
		if err != nil {
			return result{}, fmt.Errorf("%s: %w", streamScenario, err)
		}
		all.add(&r)
	}
	all.quantiles()
	return all, nil
}

// streamDial measures one dial, which begins so long after the daemon's start.
func (m measurement) streamDial(ctx context.Context, c controller, begin time.Duration) (result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config, err := os.CreateTemp("", "bench*.yaml")
	if err != nil {
		return result{}, err
	}
	defer os.Remove(config.Name())
	if _, err := config.WriteString(streamConfig()); err != nil {
		return result{}, err
	}
	if err := config.Close(); err != nil {
		return result{}, err
	}
	p, err := c.start(ctx, m.cpu, "--policy", "bypass", "--config", config.Name())
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	started := time.Now()
	switches := make([]*simSwitch, fleet)
	for i, sw := range streamNetwork() {
		all := streamSlots(i, m.connections)
		if switches[i], err = dialSwitch(ctx, p.address, sw, all, newSessionRules(all), false); err != nil {
			return result{}, err
		}
	}
	time.Sleep(3 * time.Second) // until the peers have answered a probe or two
	if err := warm(ctx, switches, time.Second); err != nil {
		return result{}, err
	}
	time.Sleep(time.Until(started.Add(begin)))
	m.progress(fmt.Sprintf("%s, %d connections", streamScenario, fleet*m.connections))
	pid := p.cmd.Process.Pid
	resident, cpu, own := residentBytes(pid), cpuTime(pid), cpuTime(os.Getpid())
	r, err := streamLoop(ctx, switches)
	if r.Responses > 0 {
		r.CPUMicros = float64((cpuTime(pid) - cpu).Microseconds()) / float64(r.Responses)
		r.GeneratorCPU = float64((cpuTime(os.Getpid()) - own).Microseconds()) / float64(r.Responses)
	}
	r.ResidentBefore, r.ResidentBytes = resident, residentBytes(pid)
	return r, err
}
