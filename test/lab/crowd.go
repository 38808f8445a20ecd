package main

import (
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ofctl-live/ofctl-live/test/lab/measure"
)

// paths are the least sums of link delays in one direction, in milliseconds: from the broadcaster hb, and from each host that
// serves, to every host.
type paths map[string]map[string]float64

// least is the least delay at which a viewer can have the stream from any of the hosts that serve, when it enters among
// them at one of the entries: publish path, way among the sources, way to the viewer. It is 0 where the paths are not known.
func (p paths) least(entries []string, viewer string) float64 {
	least := math.Inf(1)
	for source, way := range p {
		for _, entry := range entries {
			if among, serves := p[entry][source]; serves {
				least = min(least, p["hb"][entry]+among+way[viewer])
			}
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return least
}

// entries are the hosts that take publishers: the CDN, the peers that the configuration says do, and whatever serves on hb.
func (f facts) entries(n names) []string {
	var all []string
	for host, address := range f.Address {
		takes := slices.ContainsFunc(n.Peers, func(p named) bool { return p.Ingest && p.Address == address })
		if takes || host == "hb" || n.of(address) == "cdn" {
			all = append(all, host)
		}
	}
	return all
}

// crowded adds to a run's result what concerns edges and the CDN's link.
func crowded(result *measure.Run, f facts, n names, folder string, publisher []measure.Connection, servers map[string][]measure.Connection) error {
	var cdn string
	for host, address := range f.Address {
		if n.of(address) == "cdn" {
			cdn = host
		}
	}
	result.Edges = edges(result.Viewers, f, servers, cdn)
	for _, c := range publisher {
		result.Published += c.Up
	}
	if len(result.Viewers) == 0 {
		return nil
	}
	file, err := os.Open(filepath.Join(folder, cdn+".pcap"))
	if err != nil {
		return err
	}
	defer file.Close()
	result.CDNPerSecond, err = measure.Traffic(file, rtmpPort, result.Viewers[0].Start(), time.Second)
	return err
}

// edges sums up what the viewers behind each switch were delivered and what the CDN sent for that. A connection of the
// CDN's is charged to the edge where it ends, be it a viewer's or a peer's; one that ends elsewhere is for all, and is
// shared out by what they were delivered.
func edges(viewers []measure.Viewer, f facts, servers map[string][]measure.Connection, cdn string) []measure.Edge {
	var all []measure.Edge
	edge := func(host string) *measure.Edge {
		for i := range all {
			if all[i].Switch == f.Switch[host] {
				return &all[i]
			}
		}
		return nil
	}
	var delivered, shared int64
	for _, v := range viewers {
		e := edge(v.Host)
		if e == nil {
			all = append(all, measure.Edge{Switch: f.Switch[v.Host]})
			e = &all[len(all)-1]
		}
		e.Viewers++
		for _, c := range servers[v.Host] {
			if c.Client.Addr() == f.Address[v.Host] {
				e.Delivered += c.Down
				delivered += c.Down
			}
		}
	}
	hosts := make(map[netip.Addr]string)
	for host, address := range f.Address {
		hosts[address] = host
	}
	for _, c := range servers[cdn] {
		if e := edge(hosts[c.Client.Addr()]); e != nil {
			e.FromCDN += c.Down
		} else {
			shared += c.Down
		}
	}
	for i := range all {
		e := &all[i]
		if e.Delivered > 0 {
			e.FromCDN += int64(float64(shared) * float64(e.Delivered) / float64(delivered))
			e.Offload = 1 - float64(e.FromCDN)/float64(e.Delivered)
		}
	}
	return all
}

// oneCopy is what the CDN's link may carry, both ways together, for every byte that the broadcaster sent: one copy, the
// acknowledgements, and the second that a relay with early viewers takes from there before it is told of a nearer one.
const oneCopy = 1.25

// crowdPromises compares a crowd run to what the project promises of it.
func crowdPromises(r measure.Run, check func(holds bool, format string, args ...any)) {
	lost := 0
	for _, v := range r.Viewers {
		lost += v.Frames.Unmatched
	}
	check(lost == 0, "crowd, %s: %d frames lost of %d viewers", r.Policy, lost, len(r.Viewers))
	if r.Policy != "bypass" {
		return
	}
	for _, v := range r.Viewers {
		check(v.Least > 0 && v.Delay.P50 <= 1.1*v.Least, "crowd: %s's bypass p50 %.1f ms from %s is within 10%% of the least that topology and peers allow, %.0f ms",
			v.Host, v.Delay.P50, v.Source, v.Least)
	}
	for _, e := range r.Edges {
		least := 1 - 1/float64(e.Viewers)
		check(e.Offload >= least, "crowd: the CDN is spared %.1f%% of what the %d viewers at %s get, of which 1 - 1/N is %.0f%%: it sent %d kB for %d kB",
			100*e.Offload, e.Viewers, e.Switch, 100*least, e.FromCDN/1000, e.Delivered/1000)
	}
	both := r.CDNLinkBytes.In + r.CDNLinkBytes.Out
	check(float64(both) <= oneCopy*float64(r.Published), "crowd: the CDN's link carries one copy: %d kB both ways, where the broadcaster sent %d kB",
		both/1000, r.Published/1000)
}
