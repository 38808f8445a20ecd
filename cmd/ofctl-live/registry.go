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
		Draining: r.Draining, Streams: reported(r.Streams),
	}, time.Now())
	if errors.Is(err, controller.ErrConflict) {
		err = fmt.Errorf("%w: %w", api.ErrConflict, err)
	}
	return controller.RegistrationTTL, err
}

func reported(list []api.Stream) []stream.Reported {
	out := make([]stream.Reported, len(list))
	for i, s := range list {
		out[i] = stream.Reported{
			ID: stream.ID{App: s.App, Key: s.Key}, Viewers: s.Viewers, Kbps: s.Kbps, Published: s.Published,
		}
	}
	return out
}

// Leave implements api.Registry.
func (j *joined) Leave(name string) error {
	err := j.Controller.Leave(name)
	if errors.Is(err, controller.ErrUnregistered) {
		err = fmt.Errorf("%w: %w", api.ErrUnknown, err)
	}
	return err
}

// Upstream implements api.Registry.
func (j *joined) Upstream(app, key, relay string) ([]string, error) {
	from, err := j.Upstreams(stream.ID{App: app, Key: key}, relay, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", api.ErrUnknown, err)
	}
	var list []string
	for _, s := range from {
		list = append(list, fmt.Sprintf("rtmp://%v:%d/%s", s.Address, s.Port, app))
	}
	return list, nil
}

// Hook implements api.Hooks.
func (j *joined) Hook(h api.Hook) (string, error) {
	from, redirect, err := j.Notice(controller.Callback{
		Relay: h.Relay, Call: h.Call, ID: stream.ID{App: h.App, Key: h.Name}, Client: h.Addr,
	}, time.Now())
	if err != nil {
		return "", fmt.Errorf("%w: %w", api.ErrUnknown, err)
	}
	if !redirect {
		return "", nil
	}
	return fmt.Sprintf("rtmp://%v:%d/%s/%s", from.Address, from.Port, h.App, h.Name), nil
}
