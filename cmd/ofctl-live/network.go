package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ofctl-live/ofctl-live/internal/api"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// Switches implements api.Network.
func (j *joined) Switches() []api.Switch {
	list := []api.Switch{}
	for _, s := range j.Controller.Switches() {
		out := api.Switch{
			DPID: s.DPID.String(), Remote: s.Remote, Desc: s.Software, Since: s.Since, RTTMillis: millis(s.RTT), Rules: s.Rules,
		}
		for _, p := range s.Ports {
			port := api.Port{No: uint16(p.No), Name: p.Name, MAC: p.MAC.String(), Up: p.Up}
			if p.IsLink() {
				port.Link = p.Peer.String()
			}
			out.Ports = append(out.Ports, port)
		}
		list = append(list, out)
	}
	return list
}

// Links implements api.Network.
func (j *joined) Links() []api.Link {
	list := []api.Link{}
	for _, l := range j.Topology().Links() {
		list = append(list, api.Link{From: l.From.String(), To: l.To.String(), DelayMillis: millis(l.Delay)})
	}
	slices.SortFunc(list, func(a, b api.Link) int { return cmp.Compare(a.From, b.From) })
	return list
}

// Hosts implements api.Network.
func (j *joined) Hosts() []api.Host {
	list := []api.Host{}
	j.Topology().Hosts(func(h *topo.Host) bool {
		out := api.Host{MAC: h.MAC.String(), At: h.At.String(), Since: h.Since, DelayMillis: millis(h.Delay)}
		if h.IP != (ofproto.IPv4{}) {
			out.IP = h.IP.String()
		}
		list = append(list, out)
		return true
	})
	slices.SortFunc(list, func(a, b api.Host) int { return cmp.Compare(a.MAC, b.MAC) })
	return list
}

// Sessions implements api.Network.
func (j *joined) Sessions() []api.Session {
	list := []api.Session{}
	for _, s := range j.Controller.Sessions() {
		out := api.Session{
			Client: endpoint(s.Client, s.ClientPort), Service: s.Service, Dialed: endpoint(s.Tuple.Service, s.ServicePort),
			Source: s.Source.Name, Policy: s.Policy, Reason: s.Reason, Started: s.Started,
			State: s.State,
		}
		if s.Intent != nil {
			out.Stream, out.Publish = s.Intent.App+"/"+s.Intent.Key, s.Intent.Publish
		}
		list = append(list, out)
	}
	return list
}

// Peers implements api.Network.
func (j *joined) Peers() []api.Peer {
	list := []api.Peer{}
	for _, p := range j.Controller.Peers() {
		out := api.Peer{
			Name: p.Name, Address: endpoint(p.Address, p.Port), MaxViewers: p.MaxViewers, Viewers: p.Viewers, Relays: p.Relays,
			Healthy: p.Healthy, Why: p.Why, Draining: p.Draining, Kbps: int(p.Kbps), Registered: j.Registered(p.Name),
		}
		if p.Host != nil {
			out.At = p.Host.At.String()
		}
		list = append(list, out)
	}
	return list
}

// Streams implements api.Network.
func (j *joined) Streams() []api.Live {
	list := []api.Live{}
	for _, l := range j.Controller.Streams() {
		out := api.Live{App: l.App, Key: l.Key, Service: l.Service, Viewers: l.Viewers}
		for _, c := range l.Copies {
			copied := api.Copy{At: c.At, From: c.From, Next: c.Next, Published: c.Published, Viewers: c.Viewers}
			if c.Publisher != (ofproto.IPv4{}) {
				copied.Publisher = c.Publisher.String()
			}
			out.Copies = append(out.Copies, copied)
		}
		list = append(list, out)
	}
	return list
}

func endpoint(ip ofproto.IPv4, port uint16) string { return fmt.Sprintf("%v:%d", ip, port) }
