package main

import (
	"context"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ofctl-live/ofctl-live/internal/config"
)

// newRootCommand is the daemon itself, with the other commands under it.
func newRootCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "ofctl-live",
		Short: "An OpenFlow 1.0 controller that serves live streams from the nearest copy",
		Long: `ofctl-live controls a network of OpenFlow 1.0 switches. When a viewer dials a service, such as a CDN
node, it decides at that connection's first packet who serves it: the service itself (policy direct),
or a nearby peer that relays the stream (policy bypass).

Without a command it runs the controller until SIGTERM; SIGHUP reads the configuration again.`,
		Example: `  ofctl-live --policy direct
  ofctl-live --config configs/bypass.yaml --log-level debug`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true, // main prints the one line
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process at once
			load := func() (*config.Config, error) { return config.Load(file, overrides(cmd, daemonFlags)...) }
			return runDaemon(ctx, load, cmd.ErrOrStderr(), newController)
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "config", "", "configuration `FILE`; without one the defaults hold")
	f.String("policy", "", "`POLICY` of every service that names none: direct or bypass (default direct)")
	f.StringArray("listen", nil, "`HOST:PORT` for switches, repeatable (default 0.0.0.0:6653 and 0.0.0.0:6633)")
	f.String("http", "", "`HOST:PORT` of the API and metrics, or empty for none (default 127.0.0.1:9653)")
	f.String("log-level", "", "`LEVEL`: error, warn, info, debug or trace (default info)")
	f.String("log-format", "", "`FORMAT`: text, json, or auto: text on a terminal, else JSON (default auto)")

	cmd.AddCommand(newCheckCommand(), newDecodeCommand(), newPolicyCommand(), newRelayCommand(), newVersionCommand())
	return cmd
}

// daemonFlags are the flags that override a key of the file.
var daemonFlags = map[string]string{
	"policy":     "policy",
	"listen":     "listen",
	"http":       "http",
	"log-level":  "log.level",
	"log-format": "log.format",
}
