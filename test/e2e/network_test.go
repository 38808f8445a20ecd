package e2e

import (
	"fmt"
	"strings"
)

// The network of most tests, with the addresses of deploy/mininet: one switch; hb broadcasts and relays, hs is the CDN,
// hv1.. watch.
type network struct {
	*lab
	s1      *vswitch
	hb, hs  *host
	viewers []*host
}

const cdnURL = "rtmp://10.0.0.2/live/a" // all that a viewer ever knows

func (l *lab) single(viewers int) *network {
	l.t.Helper()
	n := &network{lab: l, s1: l.vswitch("s1")}
	n.hb, n.hs = l.host("hb", "10.0.0.1", n.s1), l.host("hs", "10.0.0.2", n.s1)
	for i := range viewers {
		n.viewers = append(n.viewers, l.host(fmt.Sprintf("hv%d", i+1), fmt.Sprintf("10.0.0.%d", i+3), n.s1))
	}
	return n
}

// servers starts the CDN, and the relay beside the broadcaster that pushes to it.
func (n *network) servers() {
	n.t.Helper()
	n.hs.nginx("deploy/mininet/cdn.conf")
	n.hb.nginx("deploy/peer/nginx.conf")
}

// publish starts the stream as a broadcaster does: to the relay on its own host.
func (n *network) publish() *publisher {
	n.t.Helper()
	return n.hb.publish("rtmp://10.0.0.1/live/a")
}

// playing starts the daemon with policy bypass, the servers and the stream, and returns once the first viewer plays.
func (n *network) playing() (*daemon, *publisher, *viewer) {
	n.t.Helper()
	d := n.daemon(bypassConfig)
	d.connected("1")
	n.servers()
	d.healthy("hb-relay")
	p := n.publish()
	v := n.viewers[0].watch(cdnURL)
	v.plays(30)
	return d, p, v
}

// redirects are the rules that send a viewer's connection to the service to the relay on hb, and its answers back.
func (n *network) redirects(viewer *host) (there, back []flow) {
	n.t.Helper()
	there = n.s1.find("tcp", "nw_src="+viewer.ip, "nw_dst="+n.hs.ip, "tp_dst=1935",
		"mod_dl_dst:"+n.hb.mac, "mod_nw_dst:"+n.hb.ip, fmt.Sprintf("output:%d", n.hb.port))
	back = n.s1.find("tcp", "nw_src="+n.hb.ip, "nw_dst="+viewer.ip, "tp_src=1935",
		"mod_dl_src:"+n.hs.mac, "mod_nw_src:"+n.hs.ip, fmt.Sprintf("output:%d", viewer.port))
	return there, back
}

// redirected waits until the relay's viewer has the rules that stay: the first ones copy what he asks for to the daemon.
func (n *network) redirected(viewer *host) {
	n.t.Helper()
	awaitSeen(n.t, viewer.name+" has the rules that stay", patience, func() (any, bool) {
		there, back := n.redirects(viewer)
		return append(there, back...), len(there) == 1 && len(back) == 1 && !strings.Contains(string(there[0]), "CONTROLLER")
	})
}

const directConfig = `
policy: direct
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
`

const bypassConfig = `
policy: bypass
services:
  - {name: cdn, address: 10.0.0.2, port: 1935}
peers:
  - {name: hb-relay, address: 10.0.0.1, port: 1935, max_viewers: 20}
bypass: {strategy: nearest} # no link has a delay here
`
