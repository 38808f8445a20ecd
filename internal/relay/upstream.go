package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

const (
	askTimeout  = 2 * time.Second
	maxAnswer   = 1 << 20 // bytes of an HTTP answer that are read
	maxUpstream = 16
	maxIdle     = 64 // connections to the controller; each question that waits has one
)

// A directory says where a stream that is not published here comes from: the fixed upstreams, or what the controller
// answers for that very stream. When the controller does not answer, the fixed ones do.
type directory struct {
	fixed      []rtmp.URL
	controller string
	name       string
	self       string // this relay's address, never an upstream
	client     *http.Client
	log        logrus.FieldLogger
}

func newDirectory(o Options, log logrus.FieldLogger) *directory {
	d := &directory{controller: strings.TrimRight(o.Controller, "/"), name: o.Name, log: log, self: o.Advertise}
	for _, u := range o.Upstream {
		if t, err := rtmp.ParseURL(u); err == nil { // New has checked them
			d.fixed = append(d.fixed, t)
		}
	}
	d.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: time.Minute}}
	return d
}

// any reports whether streams can be pulled at all.
func (d *directory) any() bool { return len(d.fixed) > 0 || d.controller != "" }

// find returns a stream's upstreams, best first, each with its application. A controller that would name the same first as
// there is in known waits until that changes, for as long as refresh.
func (d *directory) find(ctx context.Context, id streamID, known []rtmp.URL) []rtmp.URL {
	found := d.fixed
	if d.controller != "" {
		asked, err := d.ask(ctx, id, known)
		switch {
		case ctx.Err() != nil: // nobody wants to know any more
		case err != nil:
			d.log.WithError(err).WithField("stream", id.String()).Warn("controller does not name an upstream")
		case len(asked) > 0:
			found = asked
		}
	}
	var us []rtmp.URL
	for _, u := range found {
		if u.App == "" {
			u.App = id.app
		}
		if u.Address() != d.self && !slices.Contains(us, u) {
			us = append(us, u)
		}
	}
	return us
}

func (d *directory) ask(ctx context.Context, id streamID, known []rtmp.URL) ([]rtmp.URL, error) {
	q := url.Values{"app": {id.app}, "key": {id.key}, "relay": {d.name}}
	limit := askTimeout
	if len(known) > 0 {
		if _, err := netip.ParseAddrPort(known[0].Address()); err == nil { // else it was not the controller that named it
			q.Set("than", known[0].Address())
			q.Set("wait", refresh.String())
			limit += refresh
		}
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var answer struct {
		Upstreams []string `json:"upstreams"`
	}
	if err := d.call(ctx, http.MethodGet, "/v1/upstream?"+q.Encode(), nil, &answer); err != nil {
		return nil, err
	}
	var us []rtmp.URL
	for _, s := range answer.Upstreams[:min(len(answer.Upstreams), maxUpstream)] {
		u, err := rtmp.ParseURL(s)
		if err != nil {
			return nil, err
		}
		us = append(us, u)
	}
	return us, nil
}

// call makes one request of the controller, for which ctx should have a limit. An answer other than 2xx is an error that carries
// its text.
func (d *directory) call(ctx context.Context, method, path string, body io.Reader, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, d.controller+path, body)
	if err != nil {
		return fmt.Errorf("relay: controller: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return fmt.Errorf("relay: controller: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("relay: controller: %s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("relay: controller: %s %s: %s: %s", method, path, resp.Status, refusal(b))
	}
	if answer == nil || len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("relay: controller: %s %s: %w", method, path, err)
	}
	return nil
}

// refusal is what the controller says against a request: the error that it names, or the beginning of what is not its answer.
func refusal(body []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &answer) == nil && answer.Error != "" {
		return answer.Error
	}
	return strings.TrimSpace(string(body[:min(len(body), 200)]))
}
