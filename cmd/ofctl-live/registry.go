package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/ofctl-live/ofctl-live/controller"
	"github.com/ofctl-live/ofctl-live/internal/api"
	"github.com/ofctl-live/ofctl-live/internal/config"
	"github.com/ofctl-live/ofctl-live/internal/stream"
)

// Register implements api.Registry.
func (j *joined) Register(name string, r api.Registration) (time.Duration, error) {
	if err := checkRegistration(name, r); err != nil {
		return 0, api.Refuse(api.ErrInvalid, "%v", err)
	}
	err := j.Controller.Register(controller.Registration{
		Peer: stream.Peer{
			Name: name, Address: r.Address.As4(), Port: r.Port, MaxViewers: r.MaxViewers, MaxKbps: r.MaxKbps,
			Ingest: r.Ingest, DSCP: r.DSCP,
		},
		Draining: r.Draining, Streams: j.reported(r.Streams),
	}, time.Now())
	return controller.RegistrationTTL, answer(err)
}

// checkRegistration holds a relay to what the configuration would be held to.
func checkRegistration(name string, r api.Registration) error {
	if err := config.CheckName(name); err != nil {
		return err
	}
	if name == config.OwnSource {
		return fmt.Errorf("%q is kept for the service's own node", name)
	}
	if !r.Address.IsValid() {
		return errors.New("address: a peer needs an IPv4 address")
	}
	if err := config.CheckHost(r.Address); err != nil {
		return fmt.Errorf("address: %w", err)
	}
	if r.Port == 0 {
		return errors.New("port: want one, 1 to 65535")
	}
	if r.MaxViewers < 0 || r.MaxKbps < 0 {
		return errors.New("max_viewers, max_kbps: negative")
	}
	if r.DSCP > 63 {
		return errors.New("dscp: want a mark, 1 to 63, or 0 for none")
	}
	for i, s := range r.Streams {
		if s.App == "" || s.Key == "" || s.Viewers < 0 || s.Kbps < 0 {
			return fmt.Errorf("streams[%d]: want app, key, and no negative number", i)
		}
	}
	return nil
}

// answer says an error of the controller's to those who asked over HTTP.
func answer(err error) error {
	for _, known := range []struct{ is, as error }{
		{controller.ErrConflict, api.ErrConflict}, {controller.ErrCrowded, api.ErrConflict}, {controller.ErrUnregistered, api.ErrUnknown},
	} {
		if errors.Is(err, known.is) {
			return api.Refuse(known.as, "%s", strings.TrimPrefix(err.Error(), "controller: "))
		}
	}
	return err
}

func (j *joined) reported(list []api.Stream) []stream.Reported {
	out := make([]stream.Reported, len(list))
	for i, s := range list {
		out[i] = stream.Reported{
			ID: stream.ID{App: s.App, Key: s.Key}, Viewers: s.Viewers, Kbps: s.Kbps, Published: s.Published, From: j.SourceAt(s.From),
		}
	}
	return out
}

// Leave implements api.Registry.
func (j *joined) Leave(name string) error {
	return answer(j.Controller.Leave(name))
}

// Upstream implements api.Registry.
func (j *joined) Upstream(ctx context.Context, app, key, relay string, than netip.AddrPort) ([]string, error) {
	from, err := j.AwaitUpstreams(ctx, stream.ID{App: app, Key: key}, relay, than)
	if err != nil {
		return nil, answer(err)
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
		return "", answer(err)
	}
	if !redirect {
		return "", nil
	}
	return fmt.Sprintf("rtmp://%v:%d/%s/%s", from.Address, from.Port, h.App, h.Name), nil
}
