package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ofctl-live/ofctl-live/internal/api"
	"github.com/ofctl-live/ofctl-live/internal/config"
)

func newPolicyCommand() *cobra.Command {
	var addr, service string
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Show the policy of a running daemon",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return callPolicy(cmd.Context(), cmd.OutOrStdout(), addr, http.MethodGet, nil)
		},
	}
	cmd.PersistentFlags().StringVar(&addr, "http", config.Default().HTTP, "`HOST:PORT` of the daemon's API")
	set := &cobra.Command{
		Use:   "set POLICY",
		Short: "Change it for new connections; those that run stay with their source",
		Long: `Set changes the policy of a running daemon for new connections, until the daemon ends or reads its configuration
again. Connections that run stay with their source.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			change := &api.PolicyChange{Policy: args[0], Service: service}
			return callPolicy(cmd.Context(), cmd.OutOrStdout(), addr, http.MethodPut, change)
		},
	}
	set.Flags().StringVar(&service, "service", "", "only for the service of this `NAME`")
	cmd.AddCommand(set)
	return cmd
}

// callPolicy reads or changes the policy of the daemon at addr and prints what then holds.
func callPolicy(ctx context.Context, out io.Writer, addr, method string, change *api.PolicyChange) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var body io.Reader = http.NoBody
	if change != nil {
		data, err := json.Marshal(change)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+"/v1/policy", body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no daemon answers: %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		api.Policy
		Error string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil {
		return fmt.Errorf("the answer of %s is not a daemon's: %s: %w", addr, resp.Status, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("refused: %s", answer.Error)
	}
	fmt.Fprintln(out, "policy:", answer.Policy.Policy)
	for _, s := range slices.Sorted(maps.Keys(answer.Services)) {
		fmt.Fprintf(out, "  %s: %s\n", s, answer.Services[s])
	}
	return nil
}
