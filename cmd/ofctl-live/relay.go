package main

import (
	"context"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/ofctl-live/ofctl-live/internal/relay"
)

// newRelayCommand returns "ofctl-live relay": the peer. `--upstream rtmp://10.0.0.2/live` is all it needs.
func newRelayCommand() *cobra.Command {
	var (
		o     relay.Options
		join  string
		allow []string
	)
	cmd := &cobra.Command{
		Use:   "relay",
		Short: "Serve streams to viewers nearby, pulled from an upstream once or published here",
		Example: `  ofctl-live relay --upstream rtmp://10.0.0.2/live
  ofctl-live relay --upstream rtmp://10.0.0.2/live --push rtmp://10.0.0.2/live --join live
  ofctl-live relay --controller http://127.0.0.1:9653 --name hb-relay --advertise 10.0.0.1`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Join = relay.Join(join)
			o.Log = logrus.StandardLogger()
			for _, a := range allow {
				p, err := netip.ParsePrefix(a)
				if err != nil {
					return err
				}
				o.Publish.Allow = append(o.Publish.Allow, p)
			}
			return runRelay(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.Listen, "listen", []string{":1935"}, "`HOST:PORT` to serve RTMP at (repeatable)")
	f.StringArrayVar(&o.Upstream, "upstream", nil, "`rtmp://HOST[:PORT]/APP` to pull from what is not published here, best first (repeatable)")
	f.StringArrayVar(&o.Push, "push", nil, "`rtmp://HOST[:PORT]/APP` to push to what is published here (repeatable)")
	f.StringVar(&join, "join", string(relay.JoinGOP), "where a viewer begins: gop (last keyframe, a picture at once) or live (next keyframe)")
	f.StringVar(&o.HTTP, "http", "", "`HOST:PORT` for /metrics, /-/healthy and /-/ready")
	f.StringVar(&o.Controller, "controller", "", "`URL` of ofctl-live's HTTP API, to register with and to ask for upstreams")
	f.StringVar(&o.Name, "name", hostname(), "this relay's name at the controller")
	f.StringVar(&o.Advertise, "advertise", "", "`HOST[:PORT]` at which viewers reach this relay")
	f.DurationVar(&o.Drain, "drain", 30e9, "what viewers get to finish after SIGTERM")
	f.DurationVar(&o.Queue, "queue", 2e9, "stream that a viewer may lag behind before it skips to a keyframe")
	f.DurationVar(&o.Keep, "keep", 10e9, "how long a pulled stream outlives its last viewer")
	f.DurationVar(&o.Stall, "stall", 2e9, "silence after which an upstream is given up")
	f.DurationVar(&o.Idle, "idle", 0, "send viewers of a stream without a source away after this; 0: never")
	f.IntVar(&o.MaxViewers, "max-viewers", 0, "viewers served at a time; 0: no bound")
	f.IntVar(&o.MaxKbps, "max-kbps", 0, "capacity told to the controller, kb/s; 0: no bound")
	f.IntVar(&o.PerAddress, "max-per-address", 0, "connections from one address at a time; 0: no bound")
	f.IntVar(&o.DSCP, "dscp", 0, "mark for the connections to upstreams, 0 to 63")
	f.StringArrayVar(&allow, "publish-allow", nil, "`PREFIX` that publishers must come from (repeatable)")
	f.StringArrayVar(&o.Publish.Tokens, "publish-token", nil, "value that publishers must give as ?token= (repeatable)")
	return cmd
}

// runRelay runs a relay until SIGINT or SIGTERM.
func runRelay(ctx context.Context, o relay.Options) error {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := relay.New(o)
	if err != nil {
		return err
	}
	return r.Run(ctx)
}

func hostname() string {
	h, err := os.Hostname()
	if err != nil {
		return "relay"
	}
	return h
}
