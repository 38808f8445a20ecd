package bypass

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A place is a view to decide on: switches in a row, with a node and peers on them.
type place struct {
	store *topo.Store
	ports map[int]ofproto.Port // the last one given, by switch
	hosts int
	peers []stream.Candidate
	dir   stream.Directory
	cdn   ofproto.MAC
}

var service = stream.Service{Name: "live", Address: ofproto.IPv4{10, 0, 0, 200}, Port: 1935}

func newPlace() *place { return &place{store: topo.NewStore(), ports: map[int]ofproto.Port{}} }

func (p *place) port(sw int) topo.Point {
	if p.ports[sw] == 0 {
		p.store.SetSwitch(ofproto.DPID(sw), nil)
	}
	p.ports[sw]++
	at := topo.Point{DPID: ofproto.DPID(sw), Port: p.ports[sw]}
	p.store.SetPort(at.DPID, topo.Port{No: at.Port, Up: true})
	return at
}

func (p *place) link(a, b int, delay time.Duration) {
	from, to := p.port(a), p.port(b)
	p.store.SetLink(from, to, delay)
	p.store.SetLink(to, from, delay)
}

// host puts a host on a switch; a line of delay 0 has not been measured.
func (p *place) host(sw int, line time.Duration) (ofproto.MAC, ofproto.IPv4) {
	p.hosts++
	mac, ip := ofproto.MAC{2, 0, 0, 0, 0, byte(p.hosts)}, ofproto.IPv4{10, 0, 0, byte(p.hosts)}
	p.store.Learn(mac, ip, p.port(sw), time.Time{})
	p.store.SetHostDelay(mac, line)
	return mac, ip
}

func (p *place) node(sw int, line time.Duration) { p.cdn, _ = p.host(sw, line) }

// peer puts a healthy peer on a switch and returns it to be changed before the next one is added.
func (p *place) peer(name string, sw int, line time.Duration) *stream.Candidate {
	_, ip := p.host(sw, line)
	p.peers = append(p.peers, stream.Candidate{Peer: stream.Peer{Name: name, Address: ip, Port: 1935, MaxViewers: 10}, Healthy: true, Reports: true})
	return &p.peers[len(p.peers)-1]
}

// view is what a policy sees for a viewer on switch 1.
func (p *place) view() stream.View {
	snap := p.store.Load()
	node, _ := snap.Host(p.cdn)
	v := stream.View{Snapshot: snap, Node: stream.PlaceOf(snap, 1, node), Streams: p.dir.Load()}
	for _, c := range p.peers {
		h, _ := snap.HostByIP(c.Address)
		c.Place = stream.PlaceOf(snap, 1, h)
		v.Peers = append(v.Peers, c)
	}
	return v
}

func (p *place) request() stream.Request {
	return stream.Request{
		Tuple:   stream.Tuple{Client: ofproto.IPv4{10, 0, 9, 9}, ClientPort: 40000, Service: service.Address, ServicePort: service.Port},
		Service: service, At: topo.Point{DPID: 1, Port: 999}, DialedMAC: p.cdn,
	}
}

func (p *place) publish(key, at string) {
	p.dir.Publish(stream.ID{App: "live", Key: key}, service.Name, at, ofproto.IPv4{}, time.Time{})
}

func (p *place) pull(key, at, from string) {
	p.dir.Pull(stream.ID{App: "live", Key: key}, at, from, time.Time{})
}

// watch has n viewers watch a stream at a source.
func (p *place) watch(key, at string, n int) {
	for i := range n {
		t := stream.Tuple{Client: ofproto.IPv4{10, 1, byte(i), key[0]}, ClientPort: uint16(len(at))}
		p.dir.Watch(t, stream.ID{App: "live", Key: key}, service.Name, at, time.Time{})
	}
}
