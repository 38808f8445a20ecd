package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

// A scenario is one way to load a controller.
type scenario struct {
	name         string
	switches     int
	window       int // requests outstanding per switch; 0 for the open loop
	destinations int // that each source sends to in turn; 0 for all there are
}

// Each scenario with many requests runs twice. With few destinations a pair's next packet comes before a second is over,
// and a controller that knows its rule to be on its way need not send it again. With many it comes later, so that each
// answer has its rule.
var scenarios = []scenario{
	{name: "closed 16x1", switches: 16, window: 1, destinations: few},
	{name: "closed 1x1", switches: 1, window: 1, destinations: few},
	{name: "closed 16x32", switches: 16, window: 32, destinations: few},
	{name: "closed 16x32, a rule each", switches: 16, window: 32},
	{name: "open 16", switches: 16, destinations: few},
	{name: "open 16, a rule each", switches: 16},
}

const few = 10

// scenarioNames are the names of all scenarios, in the order of the report.
func scenarioNames() (names []string) {
	for _, sc := range scenarios {
		names = append(names, sc.name)
	}
	return append(names, streamScenario)
}

// fleet is how many switches are connected in all scenarios; ovs-testcontroller takes no more.
const fleet = 16

// newcomers is how long ofctl-live takes a host for new, and gives its port fewer rules than it asks for. It is waited for,
// that each answer may have its rule.
const newcomers = 11 * time.Second

// measurement is how a controller is measured.
type measurement struct {
	lead, length time.Duration // of each scenario: what is not measured before it, and what is
	pairs        [fleet]pairs  // behind each switch
	buffered     bool          // the switches buffer packets for the controller
	connections  int           // per switch, of the stream scenario
	only         string        // the name of the one scenario wanted; "": all
	cpu          int           // of the controller
	progress     func(string)
}

// pairs are the hosts behind one switch that send to one another.
type pairs struct {
	slots []slot
	rules pairRules
}

func allPairs(destinations int, buffered bool) (all [fleet]pairs) {
	for i := range all {
		s := slots(i, destinations, buffered)
		all[i] = pairs{s, newPairRules(s)}
	}
	return all
}

// round measures one controller, started anew, in every scenario.
func (m measurement) round(ctx context.Context, c controller, n int) ([]result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m.progress(fmt.Sprintf("round %d, %s: starting", n, c.name))
	p, err := c.start(ctx, m.cpu, "--policy", "direct")
	if err != nil {
		return nil, err
	}
	defer p.stop()
	switches := make([]*simSwitch, fleet)
	for i := range switches {
		sw := oftest.NewSwitch(oftest.Options{DPID: ofproto.DPID(i + 1), Ports: switchPorts()})
		if switches[i], err = dialSwitch(ctx, p.address, sw, m.pairs[i].slots, m.pairs[i].rules, m.buffered); err != nil {
			return nil, err
		}
	}
	m.progress(fmt.Sprintf("round %d, %s: learning %d hosts", n, c.name, fleet*(sources+len(m.pairs[0].slots)/sources)))
	time.Sleep(500 * time.Millisecond) // the handshakes
	began := time.Now()
	if err := warm(ctx, switches, time.Second); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	m.progress(fmt.Sprintf("round %d, %s: learnt in %.1f s", n, c.name, time.Since(began).Seconds()))
	time.Sleep(newcomers)
	var results []result
	for _, sc := range scenarios {
		if m.only != "" && sc.name != m.only {
			continue
		}
		m.progress(fmt.Sprintf("round %d, %s: %s", n, c.name, sc.name))
		for i, s := range switches {
			all := m.pairs[i].slots
			s.ask(all[:min(len(all), cmp.Or(sc.destinations*sources, len(all)))])
		}
		r, err := m.run(ctx, sc, p, switches[:sc.switches])
		if err != nil {
			return results, fmt.Errorf("%s, %s: %w", c.name, sc.name, err)
		}
		r.Round, r.Scenario, r.Controller = n, sc.name, c.name
		results = append(results, r)
	}
	return results, nil
}

func (m measurement) run(ctx context.Context, sc scenario, p *process, switches []*simSwitch) (result, error) {
	pid := p.cmd.Process.Pid
	before := total(switches)
	cpu, own := cpuTime(pid), cpuTime(os.Getpid())
	var r result
	var err error
	if sc.window > 0 {
		r, err = closedLoop(ctx, switches, sc.window, m.lead, m.length)
	} else {
		r, err = openLoop(ctx, switches, m.lead, m.length)
	}
	// Processor time is counted from the lead to the last answer, and so are the answers it is divided by.
	if all := total(switches).answers - before.answers; all > 0 {
		r.CPUMicros = float64((cpuTime(pid) - cpu).Microseconds()) / float64(all)
		r.GeneratorCPU = float64((cpuTime(os.Getpid()) - own).Microseconds()) / float64(all)
	}
	r.ResidentBytes = residentBytes(pid)
	r.quantiles()
	return r, err
}
