package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A plan is everything an experiment needs to know, in a form that can be handed into another kernel. Paths are absolute.
type plan struct {
	Repo    string `json:"repo"`   // root of the repository
	Out     string `json:"out"`    // results; everything written goes there
	Daemon  string `json:"daemon"` // the ofctl-live binary
	Config  string `json:"config"` // its configuration
	Seconds int    `json:"seconds"`

	RelayFlags    []string `json:"relay_flags"` // of ofctl-live relay, besides those it needs
	InitialWindow int      `json:"initcwnd"`    // segments; 0 leaves the kernel's

	Runs []run `json:"runs"`
}

// A run is one topology under one policy. It is also most of what net.py reads.
type run struct {
	Topology string   `json:"topology"`
	Policy   string   `json:"policy"`
	Peer     string   `json:"peer"`
	Peers    []string `json:"peers"` // hosts of the topology that serve as peers; empty: hb does
	Viewers  []viewer `json:"viewers"`
}

// A viewer is a player on a host. It joins so many seconds after the broadcaster, before it if negative.
type viewer struct {
	Host   string  `json:"host"`
	Player string  `json:"player"`
	Join   float64 `json:"join_s"`
}

// Policies and peers that runs can have.
var (
	policyNames = []string{"direct", "bypass"}
	peerNames   = []string{"nginx", "relay"}
)

func (r run) name() string {
	return fmt.Sprintf("%s-%d-%s-%s", r.Topology, len(r.Viewers), r.Policy, r.Peer)
}

// title is the run as people are told of it.
func (r run) title() string {
	return fmt.Sprintf("%s, %d %s, %s (%s)", r.Topology, len(r.Viewers), plural(len(r.Viewers), "viewer"), r.Policy, r.Peer)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// audience returns n viewers, of different players in turn. Most join while the stream is on, half a second apart; early
// makes the last of several wait for the broadcaster.
func audience(n int, early bool) []viewer {
	players := []string{"rtmpdump", "ffmpeg", "mplayer"}
	viewers := make([]viewer, n)
	for i := range viewers {
		viewers[i] = viewer{
			Host:   fmt.Sprintf("hv%d", i+1),
			Player: players[i%len(players)],
			Join:   1 + 0.5*float64(i),
		}
	}
	if n > 1 && early {
		viewers[n-1].Join = -2
	}
	return viewers
}

// pair returns the same run under each policy.
//
// A viewer who precedes the broadcaster makes an nginx-rtmp peer pull the stream from the CDN, and it goes on pulling
// what its own host publishes: a second copy on the CDN's link, which is what single is there to show the absence of.
func pair(topology string, viewers int, peer string) []run {
	var runs []run
	early := peer != "nginx" || topology != "single"
	for _, policy := range policyNames {
		runs = append(runs, run{Topology: topology, Policy: policy, Peer: peer, Viewers: audience(viewers, early)})
	}
	return runs
}

// crowd returns the runs with a host for each peer: eight viewers, who join a second and a half after one another, the
// first on each edge before the broadcaster.
func crowd() []run {
	var runs []run
	for _, policy := range policyNames {
		viewers := audience(8, false)
		for i := range viewers {
			viewers[i].Player, viewers[i].Join = "ffmpeg", 1.5*float64(i)-2
		}
		viewers[3].Player = "rtmpdump"
		runs = append(runs, run{Topology: crowdTopology, Policy: policy, Peer: "relay", Peers: []string{"hp0", "hp1", "hp2"}, Viewers: viewers})
	}
	return runs
}

// crowdTopology has peers on hosts of their own, and a configuration that names them.
const crowdTopology = "crowd"

// The named sets of runs.
func runsOf(set, peer string) ([]run, error) {
	switch set {
	case "demo":
		return pair("single", 1, peer), nil
	case "lab":
		runs := pair("single", 1, peer)
		if peer != "nginx" { // the other peer, side by side
			runs = slices.Insert(runs, 1, pair("single", 1, "nginx")[1])
		}
		runs = append(runs, pair("single", 4, peer)...)
		runs = append(runs, pair("multi", 4, peer)...)
		return append(runs, crowd()...), nil
	case "crowd":
		return crowd(), nil
	}
	topology, count, _ := strings.Cut(set, ",")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > 100 || (topology != "single" && topology != "multi") {
		return nil, fmt.Errorf("no set of runs is called %q: lab, demo, crowd, and such as single,8 and multi,8 are", set)
	}
	return pair(topology, n, peer), nil
}

// setup is how long a run takes besides its stream, until it is known better.
const setup = 30 * time.Second

func (p plan) folder(r run) string { return filepath.Join(p.Out, "runs", r.name()) }

// config is the daemon's configuration for a run.
func (p plan) config(r run) string {
	if r.Topology == crowdTopology {
		return filepath.Join(p.Repo, "test/lab/crowd.yaml")
	}
	return p.Config
}

func (p plan) clip() string { return filepath.Join(p.Out, "runs", "clip.flv") }

func (p plan) write(path string) error {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

func readPlan(path string) (plan, error) {
	var p plan
	b, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(b, &p)
}
