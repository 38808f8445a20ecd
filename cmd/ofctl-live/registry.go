package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/ofctl-live/ofctl-live/controller"
	"github.com/ofctl-live/ofctl-live/internal/api"
	"github.com/ofctl-live/ofctl-live/internal/stream"
)

// Register implements api.Registry.
func (j *joined) Register(name string, r api.Registration) (time.Duration, error) {
	if !r.Address.Is4() || r.Port == 0 {
		return 0, fmt.Errorf("%w: address %v port %d: an IPv4 address and a port are needed", api.ErrInvalid, r.Address, r.Port)
	}
	err := j.Controller.Register(controller.Registration{
		Peer:     stream.Peer{Name: name, Address: r.Address.As4(), Port: r.Port, MaxViewers: r.MaxViewers, MaxKbps: r.MaxKbps},
		Draining: r.Draining,
	}, time.Now())
	if errors.Is(err, controller.ErrConflict) {
		err = fmt.Errorf("%w: %w", api.ErrConflict, err)
	}
	return controller.RegistrationTTL, err
}

// Leave implements api.Registry.
func (j *joined) Leave(name string) error {
	err := j.Controller.Leave(name)
	if errors.Is(err, controller.ErrUnregistered) {
		err = fmt.Errorf("%w: %w", api.ErrUnknown, err)
	}
	return err
}

// Upstream implements api.Registry: the services' own nodes, which have every stream that was published.
func (j *joined) Upstream(app, _, relay string) ([]string, error) {
	if !j.Registered(relay) {
		return nil, fmt.Errorf("%w: no relay %q", api.ErrUnknown, relay)
	}
	var list []string
	for _, s := range j.Settings().Services {
		list = append(list, fmt.Sprintf("rtmp://%v:%d/%s", s.Address, s.Port, app))
	}
	return list, nil
}
