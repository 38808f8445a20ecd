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
	reg, err := j.registration(name, r)
	if err != nil {
		return 0, api.Refuse(api.ErrInvalid, "%v", err)
	}
	err = j.Controller.Register(reg, time.Now())
	return controller.RegistrationTTL, answer(err)
}

// registration reads what a relay says of itself, and holds it to what the configuration would be held to.
func (j *joined) registration(name string, r api.Registration) (reg controller.Registration, err error) {
	if err := config.CheckName(name); err != nil {
		return reg, err
	}
	if name == config.OwnSource {
		return reg, fmt.Errorf("%q is kept for the service's own node", name)
	}
	if r.Address == "" {
		return reg, errors.New("address: a peer needs an IPv4 address")
	}
	address, err := netip.ParseAddr(r.Address)
	if err != nil {
		return reg, fmt.Errorf("address: %q is not an IPv4 address", r.Address)
	}
	if err := config.CheckHost(address); err != nil {
		return reg, fmt.Errorf("address: %w", err)
	}
	if r.Port == 0 {
		return reg, errors.New("port: want one, 1 to 65535")
	}
	if r.MaxViewers < 0 || r.MaxKbps < 0 {
		return reg, errors.New("max_viewers, max_kbps: negative")
	}
	if r.DSCP > 63 {
		return reg, errors.New("dscp: want a mark, 1 to 63, or 0 for none")
	}
	reg.Peer = stream.Peer{
		Name: name, Address: address.As4(), Port: r.Port, MaxViewers: r.MaxViewers, MaxKbps: r.MaxKbps, Ingest: r.Ingest, DSCP: r.DSCP,
	}
	reg.Draining = r.Draining
	for i, s := range r.Streams {
		told, err := j.reported(s)
		if err != nil {
			return reg, fmt.Errorf("streams[%d]%w", i, err)
		}
		reg.Streams = append(reg.Streams, told)
	}
	return reg, nil
}

// reported reads what a relay says of one stream.
func (j *joined) reported(s api.Stream) (out stream.Reported, err error) {
	if s.App == "" || s.Key == "" || s.Viewers < 0 || s.Kbps < 0 {
		return out, errors.New(": want app, key, and no negative number")
	}
	var from netip.AddrPort
	if s.From != "" {
		if from, err = netip.ParseAddrPort(s.From); err != nil {
			return out, fmt.Errorf(".from: %q is not ADDRESS:PORT", s.From)
		}
	}
	return stream.Reported{
		ID: stream.ID{App: s.App, Key: s.Key}, Viewers: s.Viewers, Kbps: s.Kbps, Published: s.Published, From: j.SourceAt(from),
	}, nil
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
