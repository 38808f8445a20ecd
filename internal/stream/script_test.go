package stream

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/script"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestScripts plays testdata/*.txt.
func TestScripts(t *testing.T) {
	script.Run(t, func() script.Do { return (&player{net: newNet(), now: time.Unix(1000, 0)}).do })
}

// A player carries out the lines of a script.
type player struct {
	net *net
	dir Directory
	now time.Time
	err error
}

func (p *player) do(verb string, args []string) (answer string, err error) {
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return "0"
	}
	var b strings.Builder
	m := p.net.Map()
	switch verb {
	case "link": // switch switch delay
		p.net.link(p.number(arg(0)), p.number(arg(1)), p.delay(arg(2)))
	case "host": // name switch delay
		p.net.host(arg(0), p.number(arg(1)), p.delay(arg(2)))
	case "dead", "well":
		p.net.dead[arg(0)] = verb == "dead"
	case "full", "room":
		p.net.full[arg(0)] = verb == "full"
	case "publish": // stream at who ttl
		var who ofproto.IPv4
		if h := p.net.find(arg(2)); h != nil {
			who = h.IP
		}
		p.dir.Publish(id(arg(0)), "", arg(1), who, p.until(arg(3)))
	case "pull": // stream at from ttl
		p.dir.Pull(id(arg(0)), arg(1), arg(2), p.until(arg(3)))
	case "drop":
		p.dir.Drop(id(arg(0)), arg(1))
	case "gone":
		p.dir.Gone(arg(0))
	case "watch": // number stream at ttl
		p.dir.Watch(Tuple{ClientPort: uint16(p.number(arg(0)))}, id(arg(1)), "", arg(2), p.until(arg(3)))
	case "unwatch":
		p.dir.Unwatch(Tuple{ClientPort: uint16(p.number(arg(0)))})
	case "report": // at ttl stream<from=viewers...
		var list []Reported
		for _, w := range args[2:] {
			name, viewers, _ := strings.Cut(w, "=")
			name, from, _ := strings.Cut(name, "<")
			name, published := strings.CutSuffix(name, "*")
			list = append(list, Reported{ID: id(name), Viewers: p.number(viewers), Published: published, From: from})
		}
		p.dir.Report(arg(0), list, p.until(arg(1)))
	case "wait":
		p.now = p.now.Add(p.delay(arg(0)))
		p.dir.Expire(p.now)
	case "streams":
		for l := range p.dir.Load().All {
			b.WriteString(describe(l) + "\n")
		}
	case "lag": // stream source...
		l, _ := p.dir.Load().Stream(id(arg(0)))
		for _, at := range args[1:] {
			if lag, ok := l.Lag(at, m); ok {
				fmt.Fprintf(&b, "%s %v\n", at, lag)
			} else {
				fmt.Fprintf(&b, "%s unknown\n", at)
			}
		}
	case "expected": // stream margin source...
		l, _ := p.dir.Load().Stream(id(arg(0)))
		lags, ok := l.Expected(args[2:], m, p.delay(arg(1)))
		fmt.Fprintln(&b, lags, ok)
	case "choose": // stream relay margin
		fmt.Fprintln(&b, offered(p.dir.Choose(id(arg(0)), arg(1), m, p.delay(arg(2)), p.now.Add(10*time.Second))))
	case "upstreams":
		l, _ := p.dir.Load().Stream(id(arg(0)))
		fmt.Fprintln(&b, offered(l.Upstreams(arg(1), m, p.delay(arg(2)))))
	default:
		return "", fmt.Errorf("unknown verb %q", verb)
	}
	return b.String(), p.err
}

func id(s string) ID {
	app, key, _ := strings.Cut(s, "/")
	return ID{app, key}
}

func (p *player) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		p.err = err
	}
	return n
}

func (p *player) delay(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		p.err = err
	}
	return d
}

func (p *player) until(s string) time.Time {
	if s == "0" {
		return time.Time{}
	}
	return p.now.Add(p.delay(s))
}

func describe(l *Live) string {
	s := fmt.Sprintf("%v %d:", l.ID, l.Viewers)
	for _, c := range l.Copies {
		s += " " + c.At
		if c.Published {
			s += "*"
		}
		if c.From != "" {
			s += "<" + c.From
		}
		if c.Next != "" {
			s += ">" + c.Next
		}
		if c.Viewers > 0 {
			s += fmt.Sprintf("(%d)", c.Viewers)
		}
	}
	return s
}

func offered(list []Offer) string {
	if len(list) == 0 {
		return "nobody"
	}
	var words []string
	for _, o := range list {
		words = append(words, fmt.Sprintf("%s %v", o.Source, o.Lag))
	}
	return strings.Join(words, ", ")
}

// A net is a network of switches, each link and host with its delay.
type net struct {
	store *topo.Store
	ports map[int]ofproto.Port // the last one given, by switch
	hosts map[string]ofproto.MAC
	dead  map[string]bool
	full  map[string]bool
}

func newNet() *net {
	return &net{topo.NewStore(), map[int]ofproto.Port{}, map[string]ofproto.MAC{}, map[string]bool{}, map[string]bool{}}
}

func (n *net) port(sw int) topo.Point {
	if n.ports[sw] == 0 {
		n.store.SetSwitch(ofproto.DPID(sw), nil)
	}
	n.ports[sw]++
	at := topo.Point{DPID: ofproto.DPID(sw), Port: n.ports[sw]}
	n.store.SetPort(at.DPID, topo.Port{No: at.Port, Up: true})
	return at
}

func (n *net) link(a, b int, delay time.Duration) {
	from, to := n.port(a), n.port(b)
	n.store.SetLink(from, to, delay)
	n.store.SetLink(to, from, delay)
}

func (n *net) host(name string, sw int, delay time.Duration) {
	i := byte(len(n.hosts) + 1)
	mac := ofproto.MAC{2, 0, 0, 0, 0, i}
	n.hosts[name] = mac
	n.store.Learn(mac, ofproto.IPv4{10, 0, 0, i}, n.port(sw), time.Time{})
	n.store.SetHostDelay(mac, delay)
}

func (n *net) find(name string) *topo.Host {
	if n.dead[name] {
		return nil
	}
	h, _ := n.store.Load().Host(n.hosts[name])
	return h
}

func (n *net) Map() Map {
	return Map{Snapshot: n.store.Load(), Host: n.find, Full: func(source string) bool { return n.full[source] }}
}
