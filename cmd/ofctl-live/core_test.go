package main

import (
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ofctl-live/ofctl-live/internal/api"
	"github.com/ofctl-live/ofctl-live/internal/config"
)

const twoServices = `
policy: bypass
services:
  - {name: live, address: 10.0.0.2}
  - {name: archive, address: 10.0.0.2, port: 8080, policy: direct}
peers: [{name: hb-relay, address: 10.0.0.1}]
`

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// The policy of each service is what was last said of it: by the file, by the API for all, by the API for one, by a reload.
func TestPolicyOfServices(t *testing.T) {
	cfg := parse(t, twoServices)
	c, err := newController(cfg, newLogger(cfg.Log, io.Discard), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	set := func(change api.PolicyChange) func() error {
		return func() error { return c.SetPolicy(t.Context(), change) }
	}
	steps := []struct {
		name          string
		do            func() error
		live, archive string
	}{
		{"as configured", func() error { return nil }, "bypass", "direct"},
		{"one service", set(api.PolicyChange{Policy: "bypass", Service: "archive"}), "bypass", "bypass"},
		{"the other", set(api.PolicyChange{Policy: "direct", Service: "live"}), "direct", "bypass"},
		{"all", set(api.PolicyChange{Policy: "direct"}), "direct", "direct"},
		{"reload", func() error { return c.Apply(cfg) }, "bypass", "direct"},
		{"reload of another file", func() error { return c.Apply(parse(t, "services: [{name: live, address: 10.0.0.2}]")) }, "direct", ""},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		want := map[string]string{"live": s.live, "archive": s.archive}
		if s.archive == "" {
			delete(want, "archive")
		}
		if got := c.Policy().Services; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", s.name, got, want)
		}
	}

	if moves, err := c.Migrate(t.Context(), api.PolicyChange{Policy: "bypass"}); err != nil || moves == nil || len(moves) != 0 {
		t.Errorf("a migration of nobody: %v, %v", moves, err)
	}
	if got := c.Policy().Policy; got != "bypass" {
		t.Errorf("the policy after a migration is %s", got)
	}

	before := c.Policy()
	for _, change := range []api.PolicyChange{{Policy: "fast"}, {Policy: "direct", Service: "none"}} {
		if err := c.SetPolicy(t.Context(), change); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%+v: %v, want it called invalid", change, err)
		}
		if _, err := c.Migrate(t.Context(), change); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("migrating to %+v: %v, want it called invalid", change, err)
		}
	}
	if got := c.Policy(); !reflect.DeepEqual(got, before) {
		t.Errorf("refused changes left %v, want %v", got, before)
	}
}

// A policy that the configuration admits, the daemon has; and a strategy likewise.
func TestEveryPolicyOfTheConfigurationExists(t *testing.T) {
	for _, policy := range []string{config.PolicyDirect, config.PolicyBypass} {
		for _, strategy := range []string{config.LeastDelay, config.Nearest, config.LeastLoaded} {
			if _, err := settingsOf(parse(t, "policy: "+policy+"\nbypass: {strategy: "+strategy+"}\n")); err != nil {
				t.Error(err)
			}
		}
	}
}
