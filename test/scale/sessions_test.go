package scale

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/ofproto"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

const (
	edges    = 500             // switches
	firstAt  = 1 + fanout      // the first switch that has a peer, two below the root
	peers    = fanout * fanout // on as many switches
	leavesAt = firstAt + peers // the first switch below those
	service  = "10.255.0.1"
	far      = 20 * time.Millisecond // each link, so that it is clear which peer is the nearest
)

// Five hundred switches, and a hundred thousand viewers each connected to the peer behind his own. The daemon holds them in
// bounded memory, and a packet-in costs what it did before. How long a change of policy takes, and delays others, is told.
func TestHundredThousandSessions(t *testing.T) {
	const sessions = 100_000
	a := startAudience(t, firstAt, peers)
	p := startProber(a.ctx, t, a.d)
	empty := a.d.memory()
	a.dial(100)
	few := p.cost(a.d)
	a.dial(sessions)
	memory := a.d.memory()
	t.Logf("%d sessions with %d rules: %.0f MB resident, %.0f MB without them", sessions, a.rules(), float64(memory)/1e6, float64(empty)/1e6)
	if memory >= 400e6 {
		t.Errorf("%.0f MB are resident, want less than 400", float64(memory)/1e6)
	}
	many := p.cost(a.d)
	t.Logf("a packet-in costs %v of processor with 100 sessions, %v with %d: x %.2f", few, many, sessions, float64(many)/float64(few))
	if many > 2*few { // 1.2 is promised, which is about what two of these measurements differ by
		t.Errorf("a packet-in costs %v with %d sessions, %v with 100", many, sessions, few)
	}
	swapPolicies(t, a.d, p)
	a.Check(t)
}

// A daemon that was killed knows all connections again within seconds, by their hundred thousand rules on five hundred
// switches, and sends no flow mod.
func TestRestartAmongHundredThousandRules(t *testing.T) {
	const rules, more = 100_000, 2_500
	a := startAudience(t, leavesAt, edges-leavesAt)
	had := 0
	for ; had < rules; had = a.rules() {
		a.dial(a.dialled + more)
	}
	sessions := a.dialled
	mods := a.countFlowMods()
	a.d.end(syscall.SIGKILL)
	began := time.Now()
	a.d.start()
	up, known := 0.0, 0.0
	for end := began.Add(time.Minute); up != edges || known != float64(sessions); time.Sleep(50 * time.Millisecond) {
		if up, known = a.d.metric("ofctl_switches_connected"), a.d.metric("ofctl_sessions"); time.Now().After(end) {
			t.Fatalf("%v sessions are known again, with %v switches up, and %d rules on them; flow mods by kind: %v", known, up, a.rules(), mods())
		}
	}
	took, used := time.Since(began), a.d.cpu()
	time.Sleep(3 * time.Second) // whatever else it may think of
	t.Logf("%d sessions with %d rules known again %v after the daemon was started, with %v of processor; flow mods by kind: %v",
		sessions, had, took.Round(10*time.Millisecond), used, mods())
	if used > 5*time.Second { // where the machine is busy with other things, it may take longer by the clock
		t.Errorf("to know the sessions again takes %v of processor, want 5 s", used)
	}
	for kind, n := range mods() {
		if !kind.Passing() { // rules for traffic of the moment come and go
			t.Errorf("%d flow mods for %v rules, where nothing differs", n, kind)
		}
	}
	if has := a.rules(); has != had {
		t.Errorf("%d rules, want %d as before", has, had)
	}
	a.Check(t)
}

// An audience is a tree of switches with the service behind the first, peers behind some, and viewers behind a number of
// them in a row.
type audience struct {
	*oftest.Network
	t       *testing.T
	d       *daemon
	ctx     context.Context
	viewers []*oftest.Host
	dialled int
}

// startAudience returns an audience that a daemon serves. It ends with the test.
func startAudience(t *testing.T, first, switches int) *audience {
	t.Helper()
	if os.Getenv("OFCTL_E2E") != "1" {
		t.Skip("SKIPPED: OFCTL_E2E=1 is not set")
	}
	a := &audience{Network: tree(edges, far), t: t}
	a.AddHost("cdn", service, name(0), 50, 0).Listen(1935)
	var config strings.Builder
	fmt.Fprintf(&config, "policy: bypass\nservices:\n  - {name: cdn, address: %s, port: 1935}\npeers:\n", service)
	for i := firstAt; i < leavesAt; i++ {
		h := a.AddHost(fmt.Sprintf("p%d", i+1), address(2, i), name(i), 20, 0)
		h.Listen(1935)
		fmt.Fprintf(&config, "  - {name: %s, address: %v, port: 1935}\n", h.Name, h.IP)
	}
	config.WriteString("bypass: {strategy: nearest}\n")
	for group := range 2 { // a port each
		for i := first; i < first+switches; i++ {
			a.viewers = append(a.viewers, a.AddHost(fmt.Sprintf("v%d.%d", i+1, group), address(3+group, i), name(i), ofproto.Port(21+group), 0))
		}
	}
	a.d = startDaemon(t, config.String())
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	a.ctx = ctx
	a.Connect(ctx, a.d.dial)
	a.d.reaches("all switches are up", 3*time.Minute, "ofctl_switches_connected", edges)
	a.d.reaches("all links are found", 3*time.Minute, "ofctl_links", 2*(edges-1))
	a.d.reaches("all peers are healthy", 2*time.Minute, "ofctl_peer_up", peers)
	return a
}

func address(group, i int) string { return fmt.Sprintf("10.%d.%d.%d", group, i/250, 1+i%250) }

// dial has viewers connect until there are so many connections, and returns when all that begins with them is over.
func (a *audience) dial(until int) {
	a.t.Helper()
	began, cpu := time.Now(), a.d.cpu()
	ip, err := ofproto.ParseIPv4(service)
	if err != nil {
		a.t.Fatal(err)
	}
	const atOnce = 250
	for a.dialled < until {
		var conns []*oftest.Conn
		first := a.dialled
		for ; a.dialled < until && len(conns) < atOnce; a.dialled++ {
			conns = append(conns, a.viewer(a.dialled).Dial(ip, 1935))
		}
		a.connected(conns, func(i int) *oftest.Conn { return a.viewer(first+i).DialFrom(conns[i].Local(), ip, 1935) })
		for _, c := range conns {
			c.Write([]byte("no RTMP")) // so that there is nothing more to be read
		}
	}
	a.d.reaches("all sessions are there", 10*time.Second, "ofctl_sessions", float64(until))
	await(a.t, "none is read any more", 10*time.Second, func() bool { return a.copying() == 0 })
	a.t.Logf("%d sessions after %v, %v of processor", until, time.Since(began).Round(time.Millisecond), a.d.cpu()-cpu)
}

func (a *audience) viewer(n int) *oftest.Host { return a.viewers[n%len(a.viewers)] }

// connected waits until all connections are, and fails the test with what tells why if they never are. A SYN that was lost,
// as when its switch was not connected, is sent again every few seconds.
func (a *audience) connected(conns []*oftest.Conn, again func(int) *oftest.Conn) {
	a.t.Helper()
	const patience, resend = 30 * time.Second, 3 * time.Second
	left := 0
	for end, next := time.Now().Add(patience), time.Now().Add(resend); time.Now().Before(end); time.Sleep(time.Millisecond) {
		due := time.Now().After(next)
		if due {
			next = next.Add(resend)
		}
		left = 0
		for i, c := range conns {
			if c.Established() {
				continue
			}
			left++
			if due {
				conns[i] = again(i)
			}
		}
		if left == 0 {
			return
		}
	}
	lost := 0
	for _, sw := range a.Switches() {
		lost += sw.LostPacketIns()
	}
	log, _ := os.ReadFile(a.d.file("log"))
	a.t.Fatalf("%d of %d connections, after %d, are not there: %v packet-ins were dropped, %d met no controller; the log ends with\n%s",
		left, len(conns), a.dialled-len(conns), a.d.metric("ofctl_packet_ins_dropped_total"), lost, log[max(0, len(log)-4000):])
}

// copying counts the rules that send what they match to the controller as well, and rules those of connections.
func (a *audience) copying() int {
	return a.count(func(f oftest.Flow) bool {
		outputs := 0
		for _, act := range f.Actions {
			if act.Type() == ofproto.ActionOutput {
				outputs++
			}
		}
		return outputs > 1
	})
}

func (a *audience) rules() int {
	return a.count(func(f oftest.Flow) bool { return flow.Cookie(f.Cookie).Kind() == flow.KindSession })
}

func (a *audience) count(which func(oftest.Flow) bool) (sum int) {
	for _, sw := range a.Switches() {
		for _, f := range sw.Flows() {
			if which(f) {
				sum++
			}
		}
	}
	return sum
}

// countFlowMods counts the flow mods from now on, by what their rules are for.
func (a *audience) countFlowMods() (sofar func() map[flow.Kind]int) {
	var mu sync.Mutex
	mods := map[flow.Kind]int{}
	for _, sw := range a.Switches() {
		sw.Intercept(func(_ int, _ uint32, m ofproto.Message) oftest.Verdict {
			if mod, ok := m.(*ofproto.FlowMod); ok {
				mu.Lock()
				mods[flow.Cookie(mod.Cookie).Kind()]++
				mu.Unlock()
			}
			return oftest.Verdict{}
		})
	}
	return func() map[flow.Kind]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(mods)
	}
}

// swapPolicies changes the policy to and fro. A late packet once may be the machine's doing, half of the times it is not: what is
// promised, 100 ms and 10 ms, holds for the median. What else the machine does only adds, so it may try three times.
func swapPolicies(t *testing.T, d *daemon, p *prober) {
	t.Helper()
	const most, mostLate = 100 * time.Millisecond, 10 * time.Millisecond
	for try := 1; ; try++ {
		took, late := swaps(t, d, p)
		if took <= most && late <= mostLate {
			return
		}
		if try == 3 {
			t.Errorf("a change of policy takes %v, want %v at most; packet-ins meanwhile are served %v later, want %v", took, most, late, mostLate)
			return
		}
	}
}

// swaps returns how long a change of policy takes, and how much later the slowest packet-in meanwhile is served, at the median of
// twenty.
func swaps(t *testing.T, d *daemon, p *prober) (swap, late time.Duration) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // a connection kept may just be closing
	var took, slowest, usual []time.Duration
	for i := range 20 {
		usual = append(usual, p.during(func() { time.Sleep(50 * time.Millisecond) }))
		slowest = append(slowest, p.during(func() {
			body := fmt.Sprintf(`{"policy": %q}`, [2]string{"direct", "bypass"}[i%2])
			req, err := http.NewRequest(http.MethodPut, "http://"+d.http+"/v1/policy", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			resp, err := client.Do(req)
			took = append(took, time.Since(began))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Fatal(resp.Status)
			}
		}))
	}
	t.Logf("a change of policy: %v at the median, %v at most; the slowest packet-in meanwhile %v and %v, without a change %v and %v",
		median(took), slices.Max(took), median(slowest), slices.Max(slowest), median(usual), slices.Max(usual))
	return median(took), median(slowest) - median(usual)
}
