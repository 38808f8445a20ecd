package main

import (
	"context"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/controller"
	"github.com/ofctl-live/ofctl-live/internal/api"
	"github.com/ofctl-live/ofctl-live/internal/config"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/policies"
)

// joined is the controller joined with its policies.
type joined struct {
	*controller.Controller

	mu      sync.Mutex // held over every change of the settings, each of which starts from the present ones
	options policies.Options
}

// newController joins the controller with the policies that the configuration names.
func newController(cfg *config.Config, log *logrus.Logger, reg prometheus.Registerer) (core, error) {
	settings, err := settingsOf(cfg)
	if err != nil {
		return nil, err
	}
	t := cfg.Controller
	c, err := controller.New(controller.Options{
		Settings: settings, Log: log, Registerer: reg,
		HandshakeTimeout: t.HandshakeTimeout, EchoInterval: t.EchoInterval, LLDPInterval: t.LLDPInterval,
		ProbeInterval: t.ProbeInterval, SessionIdle: t.SessionIdleTimeout, AuditInterval: t.AuditInterval,
		KeepOrphans: t.KeepOrphans, Admit: pinned(t.TLS.Pins),
	})
	if err != nil {
		return nil, err
	}
	return &joined{Controller: c, options: policyOptions(cfg)}, nil
}

func policyOptions(cfg *config.Config) policies.Options {
	return policies.Options{Strategy: cfg.Bypass.Strategy, Margin: cfg.Bypass.Margin}
}

// settingsOf is what of a configuration may change while the daemon runs.
func settingsOf(cfg *config.Config) (controller.Settings, error) {
	s := controller.Settings{Margin: cfg.Bypass.Margin}
	var err error
	if s.Policy, err = policies.New(cfg.Policy, policyOptions(cfg)); err != nil {
		return s, err
	}
	s.ByService = make(map[string]controller.Policy)
	for _, svc := range cfg.Services {
		s.Services = append(s.Services, stream.Service{Name: svc.Name, Address: svc.Address.As4(), Port: svc.Port})
		if svc.Policy == "" {
			continue
		}
		if s.ByService[svc.Name], err = policies.New(svc.Policy, policyOptions(cfg)); err != nil {
			return s, err
		}
	}
	for _, p := range cfg.Peers {
		s.Peers = append(s.Peers, stream.Peer{
			Name: p.Name, Address: p.Address.As4(), Port: p.Port, MaxViewers: p.MaxViewers, MaxKbps: p.MaxKbps, Ingest: p.Ingest,
			DSCP: p.Upstream.DSCP,
		})
	}
	return s, nil
}

// Run implements core.
func (j *joined) Run(ctx context.Context, listeners []net.Listener) error {
	return j.Controller.Run(ctx, listeners...)
}

// Apply implements core.
func (j *joined) Apply(next *config.Config) error {
	s, err := settingsOf(next)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.options = policyOptions(next)
	j.Set(s)
	return nil
}

// Policy implements api.Policies.
func (j *joined) Policy() api.Policy {
	s := j.Settings()
	p := api.Policy{Policy: s.Policy.Name(), Services: make(map[string]string)}
	for _, svc := range s.Services {
		p.Services[svc.Name] = p.Policy
		if own, ok := s.ByService[svc.Name]; ok {
			p.Services[svc.Name] = own.Name()
		}
	}
	return p
}

// SetPolicy implements api.Policies.
func (j *joined) SetPolicy(_ context.Context, change api.PolicyChange) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	s, err := j.changed(change)
	if err != nil {
		return err
	}
	j.Set(s)
	return nil
}

// changed is, under mu, the settings with a change of policy. Without a service it holds for all, those with a policy of their own
// included.
func (j *joined) changed(change api.PolicyChange) (controller.Settings, error) {
	s := j.Settings()
	if known := policies.Names(); !slices.Contains(known, change.Policy) {
		return s, api.Refuse(api.ErrInvalid, "unknown policy %q; known: %s", change.Policy, strings.Join(known, ", "))
	}
	p, err := policies.New(change.Policy, j.options)
	if err != nil {
		return s, err
	}
	if change.Service == "" {
		s.Policy, s.ByService = p, nil
		return s, nil
	}
	if !slices.ContainsFunc(s.Services, func(svc stream.Service) bool { return svc.Name == change.Service }) {
		return s, api.Refuse(api.ErrInvalid, "unknown service %q; known: %s", change.Service, strings.Join(serviceNames(s), ", "))
	}
	s.ByService = maps.Clone(s.ByService)
	if s.ByService == nil {
		s.ByService = make(map[string]controller.Policy)
	}
	s.ByService[change.Service] = p
	return s, nil
}

func serviceNames(s controller.Settings) (names []string) {
	for _, svc := range s.Services {
		names = append(names, svc.Name)
	}
	return names
}

// Moves implements api.Policies.
func (j *joined) Moves(change api.PolicyChange) ([]api.Move, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s, err := j.changed(change)
	if err != nil {
		return nil, err
	}
	return j.moves(s), nil
}

// moves are the sessions that would be served from elsewhere under s.
func (j *joined) moves(s controller.Settings) []api.Move {
	moves := []api.Move{}
	for _, c := range j.Changes(s) {
		moves = append(moves, api.Move{
			Client: endpoint(c.Client, c.ClientPort), Dialed: endpoint(c.Service, c.ServicePort),
			From: c.From, To: c.To, Reason: c.Reason,
		})
	}
	return moves
}

// migrateEvery paces a migration: each session that is ended dials again at once.
const migrateEvery = 20 * time.Millisecond

// Migrate implements api.Policies.
func (j *joined) Migrate(_ context.Context, change api.PolicyChange) ([]api.Move, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s, err := j.changed(change)
	if err != nil {
		return nil, err
	}
	moves := j.moves(s)
	what := make(map[string]string, len(moves)) // client -> reason
	for _, m := range moves {
		what[m.Client+m.Dialed] = m.Reason
	}
	replaced := j.Set(s)
	go j.Controller.Migrate(func(t stream.Tuple) (string, bool) {
		reason, ok := what[endpoint(t.Client, t.ClientPort)+endpoint(t.Service, t.ServicePort)]
		return reason, ok
	}, migrateEvery, replaced)
	return moves, nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
