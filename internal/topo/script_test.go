package topo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/script"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestScripts plays testdata/*.txt. Points are written switch:port, hosts are called by a letter.
func TestScripts(t *testing.T) {
	script.Run(t, func() script.Do { return (&player{store: NewStore(), now: time.Unix(1000, 0)}).do })
}

// A player carries out the lines of a script.
type player struct {
	store *Store
	now   time.Time
	err   error
}

func (p *player) do(verb string, args []string) (answer string, err error) {
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		p.err = fmt.Errorf("%s: %d arguments are too few", verb, len(args))
		return "0:0"
	}
	snap := p.store.Load()
	var b strings.Builder
	switch verb {
	case "switch": // d port...
		var ports []Port
		for _, w := range args[1:] {
			no, down := strings.CutSuffix(w, "-")
			ports = append(ports, Port{No: ofproto.Port(p.number(no)), Up: !down, Settled: p.now})
		}
		p.store.SetSwitch(p.dpid(arg(0)), ports)
	case "leave":
		p.store.RemoveSwitch(p.dpid(arg(0)))
	case "up", "down":
		at := p.point(arg(0))
		p.store.SetPort(at.DPID, Port{No: at.Port, Up: verb == "up", Settled: p.now})
	case "unplug":
		at := p.point(arg(0))
		p.store.RemovePort(at.DPID, at.Port)
	case "wire": // a b delay, heard both ways
		a, z, d := p.point(arg(0)), p.point(arg(1)), p.delay(args)
		fmt.Fprintln(&b, p.store.SetLink(a, z, d), p.store.SetLink(z, a, d))
	case "link": // a b delay, heard one way
		fmt.Fprintln(&b, p.store.SetLink(p.point(arg(0)), p.point(arg(1)), p.delay(args)))
	case "cut":
		fmt.Fprintln(&b, p.store.CutLink(p.point(arg(0))))
	case "wait":
		d, err := time.ParseDuration(arg(0))
		p.now, p.err = p.now.Add(d), err
	case "learn": // host ip|- point
		fmt.Fprintln(&b, learned(p.store.Learn(p.mac(arg(0)), p.ip(arg(1)), p.point(arg(2)), p.now)))
	case "far": // host delay
		d, err := time.ParseDuration(arg(1))
		p.store.SetHostDelay(p.mac(arg(0)), d)
		p.err = err
	case "forget":
		p.store.forgetHost(p.mac(arg(0)))
	case "path":
		hops, ok := snap.Path(p.point(arg(0)), p.point(arg(1)))
		if !ok {
			fmt.Fprintln(&b, "no path")
			break
		}
		for _, h := range hops {
			fmt.Fprintf(&b, "%v>%d>%v ", h.In, h.DPID, h.Out)
		}
		d, _ := snap.Delay(hops[0].DPID, hops[len(hops)-1].DPID)
		fmt.Fprintln(&b, d)
	case "flood":
		fmt.Fprintln(&b, snap.BroadcastPorts(nil, p.point(arg(0)), nil))
	case "links":
		for _, l := range snap.Links() {
			fmt.Fprintf(&b, "%s %s %v\n", short(l.From), short(l.To), l.Delay)
		}
	case "hosts":
		var list []string
		snap.Hosts(func(h *Host) bool {
			list = append(list, fmt.Sprintf("%c %v %s %v\n", 'a'+rune(h.MAC[5]), h.IP, short(h.At), h.Delay))
			return true
		})
		slices.Sort(list)
		b.WriteString(strings.Join(list, ""))
	default:
		return "", fmt.Errorf("unknown verb %q", verb)
	}
	return b.String(), p.err
}

func learned(l Learned) string {
	switch {
	case l.Refused:
		return "refused"
	case l.Conflict != nil:
		return fmt.Sprintf("taken from %c", 'a'+rune(l.Conflict.MAC[5]))
	case l.Moved:
		return "moved from " + short(l.Was)
	case l.New:
		return "new"
	}
	return "known"
}

func short(p Point) string { return fmt.Sprintf("%d:%v", p.DPID, p.Port) }

func (p *player) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		p.err = err
	}
	return n
}

func (p *player) dpid(s string) ofproto.DPID { return ofproto.DPID(p.number(s)) }

func (p *player) point(s string) Point {
	d, no, _ := strings.Cut(s, ":")
	return Point{p.dpid(d), ofproto.Port(p.number(no))}
}

func (p *player) delay(args []string) time.Duration {
	if len(args) < 3 {
		return 0
	}
	d, err := time.ParseDuration(args[2])
	if err != nil {
		p.err = err
	}
	return d
}

func (p *player) mac(s string) ofproto.MAC { return ofproto.MAC{0x02, 0, 0, 0, 0, s[0] - 'a'} }

func (p *player) ip(s string) ofproto.IPv4 {
	if s == "-" {
		return ofproto.IPv4{}
	}
	ip, err := ofproto.ParseIPv4(s)
	if err != nil {
		p.err = err
	}
	return ip
}

// forgetHost removes a host.
func (s *Store) forgetHost(mac ofproto.MAC) {
	s.edit(func(snap Snapshot) *Snapshot {
		h, ok := snap.Host(mac)
		if !ok {
			return nil
		}
		snap.hosts = snap.hosts.without(h)
		return &snap
	})
}
