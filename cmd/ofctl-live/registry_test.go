package main

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ofctl-live/ofctl-live/internal/api"
)

// A relay is held to what the configuration would be held to, and told in plain words what is wrong.
func TestRegistrations(t *testing.T) {
	cfg := parse(t, twoServices)
	c, err := newController(cfg, newLogger(cfg.Log, io.Discard), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	j := c.(*joined)
	good := api.Registration{Address: "10.0.0.9", Port: 1935}
	with := func(f func(*api.Registration)) api.Registration {
		r := good
		f(&r)
		return r
	}
	at := func(address string, port uint16) api.Registration {
		return api.Registration{Address: address, Port: port}
	}
	for _, tt := range []struct {
		name string
		r    api.Registration
		is   error
		want string
	}{
		{"edge", good, nil, ""},
		{"edge", with(func(r *api.Registration) { r.Draining = true }), nil, ""}, // a renewal
		{"hb-relay", at("10.0.0.1", 1935), nil, ""},                              // configured, and says that it is there
		{"other", good, api.ErrConflict, "name or address is taken: 10.0.0.9:1935 is registered as edge"},
		{"hb-relay", at("10.0.0.8", 1935), api.ErrConflict, "name or address is taken: hb-relay (10.0.0.1:1935) is configured"},
		{"a", at("10.0.0.1", 1935), api.ErrConflict, "name or address is taken: hb-relay (10.0.0.1:1935) is configured"},
		{"a", at("10.0.0.2", 8080), api.ErrConflict, "name or address is taken: archive (10.0.0.2:8080) is a service"},
		{"live", at("10.0.0.8", 1935), api.ErrConflict, "name or address is taken: live (10.0.0.2:1935) is a service"},
		{"cdn", good, api.ErrInvalid, `"cdn" is kept for the service's own node`},
		{"a b", good, api.ErrInvalid, `"a b" is not a name`},
		{strings.Repeat("a", 64), good, api.ErrInvalid, "is not a name"},
		{"a", api.Registration{Port: 1935}, api.ErrInvalid, "address: a peer needs an IPv4 address"},
		{"a", at("10.0.0", 1935), api.ErrInvalid, `address: "10.0.0" is not an IPv4 address`},
		{"a", at("0.0.0.0", 1935), api.ErrInvalid, "address: 0.0.0.0 is not an IPv4 address of one host"},
		{"a", at("224.0.0.1", 1935), api.ErrInvalid, "not an IPv4 address of one host"},
		{"a", at("::1", 1935), api.ErrInvalid, "not an IPv4 address of one host"},
		{"a", at("10.0.0.8", 0), api.ErrInvalid, "port: want one"},
		{"a", with(func(r *api.Registration) { r.MaxViewers = -1 }), api.ErrInvalid, "negative"},
		{"a", with(func(r *api.Registration) { r.DSCP = 64 }), api.ErrInvalid, "dscp: want a mark"},
		{"a", with(func(r *api.Registration) { r.Streams = []api.Stream{{App: "live"}} }), api.ErrInvalid, "streams[0]: want app, key"},
		{"a", with(func(r *api.Registration) { r.Streams = []api.Stream{{App: "live", Key: "a", From: "hs"}} }), api.ErrInvalid,
			`streams[0].from: "hs" is not ADDRESS:PORT`},
	} {
		_, err := j.Register(tt.name, tt.r)
		if !errors.Is(err, tt.is) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %+v: %v; want %s", tt.name, tt.r, err, tt.want)
		}
	}
	marked := api.Registration{Address: "10.0.0.11", Port: 1936, Ingest: true, DSCP: 10, MaxViewers: 5}
	if _, err := j.Register("marked", marked); err != nil {
		t.Error(err)
	}
	for _, p := range j.Controller.Peers() {
		if p.Name == "marked" && (!p.Ingest || p.DSCP != 10 || p.MaxViewers != 5 || p.Port != 1936) {
			t.Errorf("registered %+v as %+v", marked, p.Peer)
		}
	}
	marked.Streams = []api.Stream{
		{App: "live", Key: "a", From: "10.0.0.1:1935"},
		{App: "live", Key: "b", From: "192.0.2.1:1935"},
		{App: "live", Key: "c"},
	}
	if _, err := j.Register("marked", marked); err != nil {
		t.Error(err)
	}
	for i, want := range []string{"hb-relay", "192.0.2.1:1935", "cdn"} {
		if got := j.Streams()[i].Copies[0].From; got != want {
			t.Errorf("stream %d comes from %s, want %s", i, got, want)
		}
	}
	if err := j.Leave("none"); !errors.Is(err, api.ErrUnknown) || err.Error() != "no such peer: none" {
		t.Error(err)
	}
	if _, err := j.Upstream(t.Context(), "live", "a", "none", netip.AddrPort{}); !errors.Is(err, api.ErrUnknown) {
		t.Error(err)
	}
}
