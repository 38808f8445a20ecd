package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	neturl "net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ofctl-live/ofctl-live/internal/api"
	"github.com/ofctl-live/ofctl-live/internal/config"
	"github.com/ofctl-live/ofctl-live/policies"
)

func newPolicyCommand() *cobra.Command {
	var addr, service string
	var dryRun, migrate bool
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Show the policy of a running daemon",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return callPolicy(cmd.Context(), cmd.OutOrStdout(), http.MethodGet, "http://"+addr+"/v1/policy", nil)
		},
	}
	cmd.PersistentFlags().StringVar(&addr, "http", config.Default().HTTP, "`HOST:PORT` of the daemon's API")
	set := &cobra.Command{
		Use:   "set POLICY",
		Short: "Change it for new connections; those that run stay with their source",
		Long: `Set changes the policy of a running daemon for new connections, until the daemon ends or reads its configuration
again. Connections that run stay with their source.`,
		Args: want(1, 1, "one POLICY: "+strings.Join(policies.Names(), " or ")),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dryRun && migrate {
				return errors.New("--dry-run changes nothing, --migrate does: give one of them")
			}
			change := &api.PolicyChange{Policy: args[0], Service: service}
			url := fmt.Sprintf("http://%s/v1/policy?dry_run=%t&migrate=%t", addr, dryRun, migrate)
			if err := callPolicy(cmd.Context(), cmd.OutOrStdout(), http.MethodPut, url, change); err != nil {
				return err
			}
			if dryRun {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing was changed")
			}
			return nil
		},
	}
	set.Flags().StringVar(&service, "service", "", "only for the service of this `NAME`")
	set.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing; show which sessions would be served from elsewhere")
	set.Flags().BoolVar(&migrate, "migrate", false, "end those sessions, a few at a time, so that their players dial again")
	cmd.AddCommand(set)
	return cmd
}

// callPolicy reads or changes the policy of a running daemon and prints what then holds, and which sessions that moves
// where that was asked for.
func callPolicy(ctx context.Context, out io.Writer, method, url string, change *api.PolicyChange) error {
	if at, err := neturl.Parse(url); err != nil || at.Port() == "" {
		return fmt.Errorf("--http: want HOST:PORT of the daemon's API, such as %s", config.Default().HTTP)
	}
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
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no daemon answers: %w", err)
	}
	defer resp.Body.Close()
	answer, err := readAnswer(resp.Body, maxAnswer)
	if err != nil {
		return fmt.Errorf("the answer of %s, %s, %w", req.URL.Host, resp.Status, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("refused: %s", answer.Error)
	}
	fmt.Fprintln(out, "policy:", answer.Policy.Policy)
	for _, s := range slices.Sorted(maps.Keys(answer.Services)) {
		fmt.Fprintf(out, "  %s: %s\n", s, answer.Services[s])
	}
	for _, m := range answer.Moves {
		fmt.Fprintf(out, "moves %s (to %s): %s -> %s: %s\n", m.Client, m.Dialed, m.From, m.To, m.Reason)
	}
	return nil
}

// maxAnswer is how many bytes are read of an answer, which names every session that moves.
const maxAnswer = 64 << 20

// A policyAnswer is what a daemon says to a question about its policy, or to a change.
type policyAnswer struct {
	api.PolicyChanged
	Error string `json:"error"`
}

// readAnswer reads an answer of at most limit bytes.
func readAnswer(body io.Reader, limit int64) (answer policyAnswer, err error) {
	bounded := &io.LimitedReader{R: body, N: limit}
	err = json.NewDecoder(bounded).Decode(&answer)
	switch {
	case err != nil && bounded.N == 0:
		return answer, fmt.Errorf("is over %d bytes and is not shown; what it answers may have been done", limit)
	case err != nil:
		return answer, fmt.Errorf("is not a daemon's: %w", err)
	}
	return answer, nil
}
