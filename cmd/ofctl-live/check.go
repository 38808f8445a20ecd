package main

import (
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/ofctl-live/ofctl-live/internal/config"
)

func newCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "Tell everything that is wrong with a configuration",
		Long: `Check reads each file as the daemon would. It prints every error with its line, or one line that says what
the file amounts to, and ends with status 1 if any file is not accepted. Certificates and keys that a file names are not
opened.`,
		Args: want(1, math.MaxInt, "at least one FILE"),
		RunE: func(cmd *cobra.Command, files []string) error {
			bad := 0
			for _, f := range files {
				c, err := config.Load(f)
				if err != nil {
					bad++
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: good: policy %s, services: %d, peers: %d\n", f, c.Policy, len(c.Services), len(c.Peers))
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d files not accepted", bad, len(files))
			}
			return nil
		},
	}
}
