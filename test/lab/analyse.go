package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/ofctl-live/ofctl-live/test/lab/measure"
)

const rtmpPort = 1935

// facts is what net.py leaves behind besides captures.
type facts struct {
	PublisherStatus int                   `json:"publisher_status"`
	EndedEarly      []string              `json:"ended_early"` // hosts whose player left before the broadcaster
	CDNLinkBytes    measure.LinkBytes     `json:"cdn_link_bytes"`
	Floor           map[string]float64    `json:"floor_ms"`
	Path            paths                 `json:"path_ms"`
	Switch          map[string]string     `json:"switch"`     // that a host is on
	RTTMin          map[string]float64    `json:"rtt_min_ms"` // by ping, where measured
	Address         map[string]netip.Addr `json:"address"`
}

// names is the part of the daemon's configuration that gives addresses names.
type names struct {
	Services []named `yaml:"services"`
	Peers    []named `yaml:"peers"`
}

type named struct {
	Name    string     `yaml:"name"`
	Address netip.Addr `yaml:"address"`
	Ingest  bool       `yaml:"ingest"`
}

// of returns what a source is called in results: cdn for a service's own address, else the peer's name.
func (n names) of(a netip.Addr) string {
	for _, s := range n.Services {
		if s.Address == a {
			return "cdn"
		}
	}
	for _, p := range n.Peers {
		if p.Address == a {
			return p.Name
		}
	}
	return a.String()
}

// analyse measures a run from what it left in its folder.
func analyse(p plan, r run) (measure.Run, error) {
	result := measure.Run{Topology: r.Topology, Policy: r.Policy, Peer: r.Peer}
	folder := p.folder(r)
	var f facts
	text, err := os.ReadFile(filepath.Join(folder, "facts.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return result, errors.New("it did not come to its end, so there is nothing to measure")
	}
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		return result, err
	}
	var n names
	if text, err = os.ReadFile(p.config(r)); err == nil {
		err = yaml.Unmarshal(text, &n)
	}
	if err != nil {
		return result, err
	}
	if err := lossless(folder); err != nil {
		return result, err
	}

	publisher, err := connections(folder, "publisher")
	if err != nil {
		return result, err
	}
	var published []measure.Frame
	for _, c := range publisher {
		published = append(published, c.Sent...)
	}
	// Anything with a capture may be what serves a viewer, but for the viewer's own.
	servers := make(map[string][]measure.Connection)
	for host := range f.Address {
		if servers[host], err = connections(folder, host); err != nil {
			return result, err
		}
	}
	for _, w := range r.Viewers {
		var dialled []measure.Connection
		for _, c := range servers[w.Host] {
			if c.Client.Addr() == f.Address[w.Host] {
				dialled = append(dialled, c)
			}
		}
		v := measure.NewViewer(published, dialled)
		v.Host, v.Player, v.Floor = w.Host, w.Player, f.Floor[w.Host]
		v.Least = f.Path.least(f.entries(n), w.Host)
		v.Source = source(dialled, servers, w.Host, n)
		result.Viewers = append(result.Viewers, v)
	}
	result.CDNLinkBytes = f.CDNLinkBytes
	if len(r.Peers) > 0 {
		if err := crowded(&result, f, n, folder, publisher, servers); err != nil {
			return result, err
		}
	}
	if page, err := os.Open(filepath.Join(folder, "metrics.txt")); err == nil {
		result.FlowInstall = installTimes(page, r.Policy)
		page.Close()
	}
	return result, f.verify(r)
}

// verify tells what in the facts makes the run worthless.
func (f facts) verify(r run) error {
	var all []error
	if f.PublisherStatus != 0 {
		all = append(all, fmt.Errorf("the publisher ended with status %d", f.PublisherStatus))
	}
	if len(f.EndedEarly) > 0 {
		all = append(all, fmt.Errorf("players left before the broadcaster: %s", strings.Join(f.EndedEarly, ", ")))
	}
	for host, rtt := range f.RTTMin {
		// The network must have the delays it claims; the margin is for a busy machine.
		if floor := f.Floor[host]; rtt < 2*floor || rtt > 2.4*floor {
			all = append(all, fmt.Errorf("ping to %s took %.1f ms, not %.0f: this network is not the one intended", host, rtt, 2*floor))
		}
	}
	return errors.Join(all...)
}

// source finds who served a viewer by evidence: on whose own interface its connections carried the frames that it got.
// Addresses seen at the viewer prove nothing, as they are rewritten.
func source(dialled []measure.Connection, servers map[string][]measure.Connection, viewer string, n names) string {
	var found []string
	for _, d := range dialled {
		if len(d.Received) == 0 {
			continue
		}
		best, most := "unknown", 0
		for host, all := range servers {
			if host == viewer {
				continue
			}
			for _, c := range all {
				if c.Client != d.Client || len(c.Received) == 0 {
					continue
				}
				if same := measure.Compare(c.Received, d.Received).Counts(); same.Received+same.Backlog > most {
					best, most = n.of(c.Server.Addr()), same.Received+same.Backlog
				}
			}
		}
		if len(found) == 0 || found[len(found)-1] != best {
			found = append(found, best)
		}
	}
	if len(found) == 0 {
		return "none"
	}
	return strings.Join(found, ", then ")
}

func connections(folder, name string) ([]measure.Connection, error) {
	file, err := os.Open(filepath.Join(folder, name+".pcap"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	all, err := measure.Connections(file, rtmpPort)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return all, nil
}

var dropped = regexp.MustCompile(`(?m)^([0-9]+) packets? dropped by kernel`)

// lossless checks that no capture lost packets, which would look like lost frames.
func lossless(folder string) error {
	logs, err := filepath.Glob(filepath.Join(folder, "*-tcpdump-*.log"))
	if err != nil {
		return err
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		if m := dropped.FindSubmatch(text); m == nil || string(m[1]) != "0" {
			return fmt.Errorf("%s: the capture is not complete", log)
		}
	}
	return nil
}
