package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/ofctl-live/ofctl-live/internal/config"
	"github.com/ofctl-live/ofctl-live/internal/relay"
)

// relayFlags are the flags that override a key of the file.
var relayFlags = map[string]string{
	"listen":          "relay.listen",
	"http":            "relay.http",
	"name":            "relay.name",
	"advertise":       "relay.advertise",
	"controller":      "relay.controller",
	"upstream":        "relay.upstream",
	"push":            "relay.push",
	"ingest":          "relay.ingest",
	"dscp":            "relay.dscp",
	"queue":           "relay.queue",
	"keep":            "relay.keep",
	"stall":           "relay.stall",
	"idle":            "relay.idle",
	"drain":           "relay.drain",
	"join":            "relay.join",
	"max-viewers":     "relay.max_viewers",
	"max-kbps":        "relay.max_kbps",
	"max-per-address": "relay.max_per_address",
	"publish-allow":   "relay.publish.allow",
	"publish-token":   "relay.publish.tokens",
	"log-level":       "log.level",
	"log-format":      "log.format",
}

// newRelayCommand is the peer.
func newRelayCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Serve streams to viewers nearby: pulled once from an upstream, or published here",
		Long: `Relay is an RTMP server that adds no delay. What is published to it is served, and pushed on where --push says; what
is not published to it is pulled from an upstream, once, when somebody asks for it. Where from is fixed by --upstream, or
asked stream by stream of the ofctl-live at --controller, with which the relay then registers as a peer.

It runs until SIGTERM, takes no more viewers then, and gives those that are there the time that --drain says.`,
		Example: `  ofctl-live relay --upstream rtmp://10.0.0.2/live
  ofctl-live relay --upstream rtmp://10.0.0.2/live --push rtmp://10.0.0.2/live
  ofctl-live relay --controller http://10.0.0.9:9653 --name hb-relay --advertise 10.0.0.1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(file, overrides(cmd, relayFlags)...)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process at once
			return runRelay(ctx, cfg, cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "configuration `FILE`, of which the sections relay and log hold")
	f.StringArray("listen", nil, "`HOST:PORT` to serve RTMP at, repeatable (default :1935)")
	f.String("http", "", "`HOST:PORT` of metrics and health (default none)")
	f.StringArray("upstream", nil, "`rtmp://HOST[:PORT]/APP` to pull from, best first, repeatable")
	f.StringArray("push", nil, "`rtmp://HOST[:PORT]/APP` to push to what is published here, repeatable")
	f.String("controller", "", "`URL` of the ofctl-live to register with and to ask for upstreams")
	f.String("name", "", "`NAME` to register under (default the host's)")
	f.String("advertise", "", "`ADDRESS[:PORT]`, IPv4, at which viewers reach this relay (default the first --listen)")
	f.String("join", "", "`WHERE` a viewer begins: gop, the latest keyframe, or live, the next (default gop)")
	f.String("queue", "", "`DURATION` of stream that a viewer may lag behind before it skips (default 2s)")
	f.String("keep", "", "`DURATION` by which a pulled stream outlives its last viewer (default 10s)")
	f.String("stall", "", "`DURATION` of silence after which an upstream is given up (default 2s)")
	f.String("idle", "", "`DURATION` after which viewers of a stream without a source are sent away (default never)")
	f.String("drain", "", "`DURATION` that viewers are given to leave at SIGTERM (default 30s)")
	f.String("max-viewers", "", "at most `N` viewers at a time (default no bound)")
	f.String("max-kbps", "", "at most `N` kbit/s sent; the controller is told, and keeps to it (default no bound)")
	f.String("max-per-address", "", "at most `N` connections from one address (default no bound)")
	f.Bool("ingest", false, "let the controller send publishers here; needs --push")
	f.String("dscp", "", "mark `N`, 1 to 63, of the connections to upstreams (default none)")
	f.StringArray("publish-allow", nil, "`PREFIX` that publishers must come from, repeatable (default all)")
	f.StringArray("publish-token", nil, "`TOKEN`, one of which publishers must give as ?token=, repeatable (default none)")
	f.String("log-level", "", "`LEVEL`: error, warn, info, debug or trace (default info)")
	f.String("log-format", "", "`FORMAT`: text, json, or auto: text on a terminal, else JSON (default auto)")
	return cmd
}

// runRelay runs a relay until ctx ends and it has drained.
func runRelay(ctx context.Context, cfg *config.Config, logTo io.Writer) error {
	c := cfg.Relay
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	name := c.Name
	if name == "" {
		h, err := os.Hostname()
		if err != nil {
			return err
		}
		name = h
	}
	r, err := relay.New(relay.Options{
		Listen: c.Listen, HTTP: c.HTTP, Name: name, Advertise: c.Advertise,
		Upstream: c.Upstream, Push: c.Push, Ingest: c.Ingest, DSCP: c.DSCP, Controller: c.Controller,
		Join: relay.Join(c.Join), Queue: c.Queue, Keep: c.Keep, Stall: c.Stall, Idle: c.Idle, Drain: c.Drain,
		MaxViewers: c.MaxViewers, MaxKbps: c.MaxKbps, PerAddress: c.MaxPerAddress,
		Publish: relay.PublishOptions{Allow: c.Publish.Allow, Tokens: c.Publish.Tokens},
		Log:     newLogger(cfg.Log, logTo), Registry: reg,
	})
	if err != nil {
		return err
	}
	return r.Run(ctx)
}
