package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ofctl-live/ofctl-live/internal/config"
	"github.com/ofctl-live/ofctl-live/test/lab/measure"
)

// crowdFacts is a crowd of two: hv1 on s1, hv2 on s2.
func crowdFacts() (facts, names) {
	address := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, n}) }
	f := facts{
		Address: map[string]netip.Addr{"hs": address(2), "hp0": address(101), "hp1": address(102), "hv1": address(3), "hv2": address(4)},
		Switch:  map[string]string{"hs": "s0", "hp0": "s0", "hp1": "s1", "hv1": "s1", "hv2": "s2"},
		Path: paths{
			"hb":  {"hs": 300, "hp0": 1, "hp1": 101, "hv1": 200, "hv2": 200},
			"hs":  {"hs": 0, "hp0": 301, "hp1": 401, "hv1": 500, "hv2": 500},
			"hp0": {"hs": 301, "hp0": 0, "hp1": 102, "hv1": 201, "hv2": 201},
			"hp1": {"hs": 401, "hp0": 102, "hp1": 0, "hv1": 101, "hv2": 301},
		},
	}
	n := names{
		Services: []named{{Name: "cdn", Address: address(2)}},
		Peers:    []named{{Name: "hp0", Address: address(101), Ingest: true}, {Name: "hp1", Address: address(102)}},
	}
	return f, n
}

func TestLeastIsOverPermittedSources(t *testing.T) {
	f, n := crowdFacts()
	check := func(what, viewer string, want float64) {
		t.Helper()
		if got := f.Path.least(f.entries(n), viewer); got != want {
			t.Errorf("%s: %v ms at %s, want %v", what, got, viewer, want)
		}
	}
	check("published to hp0", "hv1", 1+201)
	n.Peers[0].Ingest = false
	check("published to the CDN", "hv1", 300+500)
	n.Peers[1].Ingest = true
	check("published to hp1", "hv1", 101+101)
	check("published to hp1", "hv2", 101+301)
	if got := (paths)(nil).least(nil, "hv1"); got != 0 {
		t.Errorf("%v ms where no path is known", got)
	}
	own := facts{Address: map[string]netip.Addr{"hb": n.Peers[0].Address}, Path: paths{"hb": {"hb": 0, "hv1": 200}}}
	if got := own.Path.least(own.entries(n), "hv1"); got != 200 {
		t.Errorf("published on the relay's own host: %v ms", got)
	}
}

func TestEdgesAreChargedForWhatEndsThere(t *testing.T) {
	f, _ := crowdFacts()
	to := func(host string, bytes int64) measure.Connection {
		return measure.Connection{Client: netip.AddrPortFrom(f.Address[host], 40000), Down: bytes}
	}
	viewers := []measure.Viewer{{Host: "hv1"}, {Host: "hv2"}}
	got := edges(viewers, f, map[string][]measure.Connection{
		"hv1": {to("hv1", 1000), to("hv2", 9999)},
		"hv2": {to("hv2", 3000)},
		"hs":  {to("hp1", 100), to("hv2", 2190), to("hp0", 80)}, // the last is shared, one to three
	}, "hs")
	want := []measure.Edge{
		{Switch: "s1", Viewers: 1, Delivered: 1000, FromCDN: 120, Offload: 0.88},
		{Switch: "s2", Viewers: 1, Delivered: 3000, FromCDN: 2250, Offload: 0.25},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestCrowdPromises(t *testing.T) {
	good := func() measure.Run {
		return measure.Run{Policy: "bypass", Published: 1000, CDNLinkBytes: measure.LinkBytes{In: 1000, Out: 100},
			Viewers: []measure.Viewer{{Host: "hv1", Least: 200, Delay: measure.Spread{P50: 219}}},
			Edges:   []measure.Edge{{Switch: "s1", Viewers: 4, Offload: 0.76}}}
	}
	for _, tt := range []struct {
		broken string
		change func(*measure.Run)
	}{
		{"", func(*measure.Run) {}},
		{"within 10%", func(r *measure.Run) { r.Viewers[0].Delay.P50 = 221 }},
		{"within 10%", func(r *measure.Run) { r.Viewers[0].Least = 0 }},
		{"1 - 1/N", func(r *measure.Run) { r.Edges[0].Offload = 0.74 }},
		{"one copy", func(r *measure.Run) { r.CDNLinkBytes.Out = 900 }},
		{"lost", func(r *measure.Run) { r.Viewers[0].Frames.Unmatched = 1 }},
		{"lost", func(r *measure.Run) { r.Policy = "direct"; r.Viewers[0].Frames.Unmatched = 1 }},
	} {
		r := good()
		tt.change(&r)
		var broken string
		crowdPromises(r, func(holds bool, format string, args ...any) {
			if !holds {
				broken += fmt.Sprintf(format, args...)
			}
		})
		if (broken == "") != (tt.broken == "") || !strings.Contains(broken, tt.broken) {
			t.Errorf("broken: %q, want %q", broken, tt.broken)
		}
	}
}

// The run's configuration is one that the daemon takes, and names the topology's hosts.
func TestCrowdConfiguration(t *testing.T) {
	repo, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	r := crowd()[0]
	c, err := config.Load(plan{Repo: repo}.config(r))
	if err != nil {
		t.Fatal(err)
	}
	topology, err := os.ReadFile(filepath.Join(repo, "deploy/mininet/livestream.py"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Peers) != len(r.Peers) || !strings.Contains(string(topology), `"livestreaming_`+crowdTopology+`"`) {
		t.Errorf("%d peers in the configuration, %d in the run", len(c.Peers), len(r.Peers))
	}
	for i, p := range c.Peers {
		if p.Name != r.Peers[i] || p.Address != netip.AddrFrom4([4]byte{10, 0, 0, byte(101 + i)}) {
			t.Errorf("peer %s at %v, where the topology has %s", p.Name, p.Address, r.Peers[i])
		}
	}
}
