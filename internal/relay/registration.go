package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	renewal    = 5 * time.Second
	leaveLimit = 2 * time.Second
	gathering  = 50 * time.Millisecond // what changes within this is told with one report
)

// peerReport is what a relay tells the controller of itself (PUT /v1/peers/NAME).
type peerReport struct {
	Address    netip.Addr     `json:"address"`
	Port       uint16         `json:"port"`
	MaxViewers int            `json:"max_viewers"`
	MaxKbps    int            `json:"max_kbps"`
	Draining   bool           `json:"draining"`
	Ingest     bool           `json:"ingest"`
	DSCP       int            `json:"dscp"`
	Streams    []streamReport `json:"streams"`
}

type streamReport struct {
	App       string  `json:"app"`
	Key       string  `json:"key"`
	Viewers   int     `json:"viewers"`
	Kbps      float64 `json:"kbps"`
	Published bool    `json:"published"`
	// From is the address of the upstream that it comes from now.
	From netip.AddrPort `json:"from,omitzero"`
}

// stayRegistered registers with the controller and renews until ctx ends, then leaves. It renews early when streams come from
// elsewhere than it has told. A controller that does not answer is tried again at the next renewal: the relay serves with or
// without it.
func (r *Relay) stayRegistered(ctx context.Context) error {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	log := r.log.WithField("controller", r.o.Controller)
	known := false
	for {
		err := r.report(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			r.metrics.registered.Set(0)
			log.WithError(err).Warn("not registered")
			known = false
		default:
			r.metrics.registered.Set(1)
			if !known {
				log.Info("registered")
			}
			known = true
		}
		news := r.news
		if !known {
			news = nil
		}
		select {
		case <-tick.C:
		case <-news:
			sleep(ctx, gathering)
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			r.leave()
			return nil
		}
	}
}

// tell has the controller told soon that a stream comes from elsewhere.
func (r *Relay) tell() {
	select {
	case r.news <- struct{}{}:
	default: // it is about to be
	}
}

func (r *Relay) peerPath() string { return "/v1/peers/" + url.PathEscape(r.o.Name) }

func (r *Relay) report(ctx context.Context) error {
	p, err := r.describe()
	if err != nil {
		return err
	}
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("relay: report: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return r.upstreams.call(ctx, http.MethodPut, r.peerPath(), bytes.NewReader(b), nil)
}

// leave takes the relay off the controller's list; should that fail, the registration runs out by itself.
func (r *Relay) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leaveLimit)
	defer cancel()
	if err := r.upstreams.call(ctx, http.MethodDelete, r.peerPath(), nil, nil); err != nil {
		r.log.WithError(err).Warn("could not sign off")
	}
	r.metrics.registered.Set(0)
	r.upstreams.client.CloseIdleConnections()
}

func (r *Relay) describe() (peerReport, error) {
	at, err := advertised(r.o.Advertise)
	if err != nil {
		return peerReport{}, fmt.Errorf("relay: advertise: %w", err)
	}
	p := peerReport{
		Address: at.Addr(), Port: at.Port(), MaxViewers: r.o.MaxViewers, MaxKbps: r.o.MaxKbps,
		Draining: r.draining.Load(), Ingest: r.o.Ingest, DSCP: r.o.DSCP, Streams: []streamReport{},
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.streams {
		p.Streams = append(p.Streams, s.report())
	}
	slices.SortFunc(p.Streams, func(a, b streamReport) int {
		return strings.Compare(a.App+"/"+a.Key, b.App+"/"+b.Key)
	})
	return p, nil
}

func (s *stream) report() streamReport {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sr := streamReport{
		App: s.id.app, Key: s.id.key, Viewers: len(s.viewers), Kbps: math.Round(s.meter.kbps), Published: s.publisher != nil,
	}
	if a := s.splicer.active; a != nil && s.publisher == nil {
		sr.From = a.at
	}
	return sr
}
