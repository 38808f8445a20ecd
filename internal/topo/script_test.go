package topo

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.txt")

// TestScripts plays testdata/*.txt: a line that begins with > is done or asked, and the lines below it are the answer.
// Points are written switch:port, hosts are called by a letter.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, have := strings.Split(string(text), "\n"), strings.Split(got, "\n")
			for i := range min(len(want), len(have)) {
				if want[i] != have[i] {
					t.Fatalf("%s:%d: got %q, want %q", name, i+1, have[i], want[i])
				}
			}
			if len(want) != len(have) {
				t.Fatalf("%s: %d lines, want %d", name, len(have), len(want))
			}
		})
	}
}

// play does what a script says and returns it with the answers it gets.
func play(t *testing.T, script string) string {
	t.Helper()
	p := player{store: NewStore(), now: time.Unix(1000, 0)}
	var out strings.Builder
	for line := range strings.Lines(script) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
			out.WriteString(line)
		case words[0] == ">":
			out.WriteString(line)
			answer, err := p.do(words[1], words[2:])
			if err != nil {
				t.Fatalf("%s: %v", strings.TrimSpace(line), err)
			}
			out.WriteString(answer)
		}
	}
	return out.String()
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
		p.store.ForgetHost(p.mac(arg(0)))
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
