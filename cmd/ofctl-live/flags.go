package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ofctl-live/ofctl-live/internal/config"
)

// want admits from least to most arguments, and else says what they should be.
func want(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n := len(args); n < least || n > most {
			command := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
			return fmt.Errorf("%s: want %s; got %d arguments", command, what, n)
		}
		return nil
	}
}

// overrides returns what the flags that were given say in place of the file; keys maps a flag's name to a key's path.
// Flags are text, or lists of it, so that the configuration's decoder reads and judges them as it does the file.
func overrides(cmd *cobra.Command, keys map[string]string) []config.Override {
	var over []config.Override
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		f := cmd.Flags().Lookup(name)
		if f == nil || !f.Changed {
			continue
		}
		var value any = f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = list.GetSlice()
		}
		over = append(over, config.Override{Origin: "--" + name, Path: keys[name], Value: value})
	}
	return over
}
