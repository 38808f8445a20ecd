// Package api is the daemon's HTTP side: what the controller sees and decides as JSON, the running policy to change,
// relays to register, metrics, health, and a page for people.
//
//	GET    /                     a status page
//	GET    /metrics              for Prometheus
//	GET    /-/healthy, /-/ready  200 while the process runs; 200 once it serves switches, else 503 and why
//	GET    /v1/switches, /v1/links, /v1/hosts, /v1/sessions, /v1/peers, /v1/streams, /v1/policy,
//	       /v1/config
//	PUT    /v1/policy            {"policy":"direct"} for all services, {"policy":"direct","service":"cdn"} for one
//	       ?dry_run=true         changes nothing, even with migrate, and answers which sessions would be served from elsewhere
//	       ?migrate=true         also ends those sessions, a few at a time, so that their players dial again; the next change of
//	                             policy or configuration leaves the rest alone. A session whose client has no known place,
//	                             as in the first seconds after a restart, is never among them
//	PUT    /v1/peers/{name}      a Registration, renewed before its time is over; DELETE to leave
//	GET    /v1/upstream          ?app=live&key=a&relay=NAME: where that relay should pull that stream from;
//	       &than=ADDRESS:PORT&wait=5s  answers once the first is another than that, or after so long
//	POST   /hooks/nginx-rtmp     callbacks of an nginx-rtmp peer, told by its address or by ?relay=NAME
//
// An error is {"error":"..."} with a status that fits. The types of the bodies are in views.go. The package keeps no state:
// all of it is asked of the interfaces below, at the time of the request.
package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A Network tells what the controller sees. Each call returns a value of its own that is in a stable order.
type Network interface {
	Switches() []Switch
	Links() []Link
	Hosts() []Host
	Sessions() []Session
	Peers() []Peer
	Streams() []Live
}

// Policies tells and changes the policy of new connections. SetPolicy returns once the change holds; an unknown policy or
// service is ErrInvalid.
type Policies interface {
	Policy() Policy
	SetPolicy(context.Context, PolicyChange) error
	// Moves returns the sessions that would be served from elsewhere if they began under the change. Nothing is changed.
	Moves(PolicyChange) ([]Move, error)
	// Migrate is SetPolicy, and ends the sessions that the change moves, a few at a time, so that their players dial again.
	// It returns them and does not wait; the next change of any kind leaves the rest alone.
	Migrate(context.Context, PolicyChange) ([]Move, error)
}

// A Registry takes relays that announce themselves.
type Registry interface {
	// Register adds or renews a peer, and returns for how long. ErrInvalid: the registration contradicts itself;
	// ErrConflict: the name or address is another's.
	Register(name string, r Registration) (ttl time.Duration, err error)
	// Leave removes a registered peer. ErrUnknown: there is none of that name.
	Leave(name string) error
	// Upstream returns where a relay should pull a stream from, best first. While the first is at the address than, it may wait
	// for that to change until the context ends. ErrUnknown: the relay is not registered.
	Upstream(ctx context.Context, app, key, relay string, than netip.AddrPort) ([]string, error)
}

// The errors that an implementation may wrap, and the status each becomes; any other error is a 500.
var (
	ErrInvalid  = errors.New("invalid")  // 400
	ErrUnknown  = errors.New("unknown")  // 404
	ErrConflict = errors.New("conflict") // 409
)

// Refuse makes one of the errors above that says just what the format does.
func Refuse(as error, format string, args ...any) error {
	return refusal{as, fmt.Sprintf(format, args...)}
}

type refusal struct {
	as   error
	text string
}

// Error is the text.
func (r refusal) Error() string { return r.text }

// Unwrap is which of the errors above it is.
func (r refusal) Unwrap() error { return r.as }

// Options is what the handler shows. Every field but Registry and Hooks is needed; without them their paths answer 404.
type Options struct {
	Network  Network
	Policies Policies
	Registry Registry
	Hooks    Hooks
	Config   func() any   // the running configuration, as it is to appear in JSON
	Ready    func() error // nil once switches are served, else why not
	Version  string
	Gatherer prometheus.Gatherer
	Metrics  *Metrics
}

// New returns the handler of everything in the package's comment.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, o.Metrics.count(pattern, h)) }
	read := func(pattern string, get func() any) {
		handle("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
			if _, err := arguments(r); err != nil {
				fail(w, err)
				return
			}
			reply(w, http.StatusOK, get())
		})
	}

	handle("GET /{$}", page(o.Version))
	handle("GET /metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{}).ServeHTTP)
	handle("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "healthy") })
	handle("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			plain(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		plain(w, http.StatusOK, "ready")
	})

	read("/v1/switches", func() any { return switches(o.Network.Switches()) })
	read("/v1/links", func() any { return list(o.Network.Links()) })
	read("/v1/hosts", func() any { return list(o.Network.Hosts()) })
	read("/v1/sessions", func() any { return list(o.Network.Sessions()) })
	read("/v1/peers", func() any { return list(o.Network.Peers()) })
	read("/v1/streams", func() any { return list(o.Network.Streams()) })
	read("/v1/policy", func() any { return o.Policies.Policy() })
	read("/v1/config", o.Config)
	handle("PUT /v1/policy", o.putPolicy)
	if o.Registry != nil {
		handle("PUT /v1/peers/{name}", o.putPeer)
		handle("DELETE /v1/peers/{name}", o.deletePeer)
		handle("GET /v1/upstream", o.getUpstream)
	}
	if o.Hooks != nil {
		handle("POST /hooks/nginx-rtmp", o.postHook)
	}
	handle("/", func(w http.ResponseWriter, r *http.Request) {
		methods := allowed(mux, r)
		if len(methods) == 0 {
			problem(w, http.StatusNotFound, "no such path: "+r.URL.Path)
			return
		}
		w.Header().Set("Allow", strings.Join(methods, ", "))
		problem(w, http.StatusMethodNotAllowed, r.URL.Path+" takes "+strings.Join(methods, " and ")+", not "+r.Method)
	})
	return mux
}

// allowed are the methods by which a path can be asked for.
func allowed(mux *http.ServeMux, r *http.Request) (methods []string) {
	for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		try := r.Clone(r.Context())
		try.Method = m
		if _, pattern := mux.Handler(try); strings.HasPrefix(pattern, m+" ") {
			methods = append(methods, m)
		}
	}
	return methods
}

func (o *Options) putPolicy(w http.ResponseWriter, r *http.Request) {
	var change PolicyChange
	if !body(w, r, &change) {
		return
	}
	if change.Policy == "" {
		problem(w, http.StatusBadRequest, `want {"policy": NAME}`)
		return
	}
	args, err := arguments(r, "dry_run", "migrate") // what would only be tried must not be done for a typing error
	if err != nil {
		fail(w, err)
		return
	}
	dryRun, migrate := false, false
	for name, to := range map[string]*bool{"dry_run": &dryRun, "migrate": &migrate} {
		if err := flag(args, name, to); err != nil {
			fail(w, err)
			return
		}
	}
	var moves []Move
	switch { // moves are a look at every session
	case dryRun:
		moves, err = o.Policies.Moves(change)
	case migrate:
		moves, err = o.Policies.Migrate(r.Context(), change)
	default:
		err = o.Policies.SetPolicy(r.Context(), change)
	}
	if err != nil {
		fail(w, err)
		return
	}
	out := PolicyChanged{Policy: o.Policies.Policy()}
	if dryRun || migrate {
		out.Moves = list(moves)
	}
	reply(w, http.StatusOK, out)
}

// flag reads a query argument that is true or false; absent, it stays as it is.
func flag(args url.Values, name string, to *bool) error {
	if !args.Has(name) {
		return nil
	}
	if n := len(args[name]); n > 1 {
		return Refuse(ErrInvalid, "%s: given %d times, want it once", name, n)
	}
	v := args.Get(name)
	b, err := strconv.ParseBool(v)
	if err != nil {
		return Refuse(ErrInvalid, "%s=%s: want true or false", name, v)
	}
	*to = b
	return nil
}

// arguments reads the query. It refuses one that is malformed in any part, and arguments that are not among those known.
func arguments(r *http.Request, known ...string) (url.Values, error) {
	args, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, Refuse(ErrInvalid, "query %q: %v", r.URL.RawQuery, err)
	}
	for name := range args {
		if !slices.Contains(known, name) {
			return nil, Refuse(ErrInvalid, "unknown argument %q; known: %s", name, cmp.Or(strings.Join(known, ", "), "none"))
		}
	}
	return args, nil
}

func (o *Options) putPeer(w http.ResponseWriter, r *http.Request) {
	var reg Registration
	if !body(w, r, &reg) {
		return
	}
	if _, err := arguments(r); err != nil {
		fail(w, err)
		return
	}
	ttl, err := o.Registry.Register(r.PathValue("name"), reg)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, Registered{TTLSeconds: ttl.Seconds()})
}

func (o *Options) deletePeer(w http.ResponseWriter, r *http.Request) {
	if err := o.Registry.Leave(r.PathValue("name")); err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (o *Options) getUpstream(w http.ResponseWriter, r *http.Request) {
	q, err := arguments(r, "app", "key", "relay", "than", "wait")
	if err != nil {
		fail(w, err)
		return
	}
	if q.Get("app") == "" || q.Get("key") == "" || q.Get("relay") == "" {
		problem(w, http.StatusBadRequest, "want ?app=APP&key=KEY&relay=NAME")
		return
	}
	than, wait, err := longPoll(q)
	if err != nil {
		fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	up, err := o.Registry.Upstream(ctx, q.Get("app"), q.Get("key"), q.Get("relay"), than)
	if err != nil {
		fail(w, err)
		return
	}
	reply(w, http.StatusOK, Upstreams{Upstreams: list(up)})
}

// maxWait bounds how long a question may wait for its answer: less than the server gives any request.
const maxWait = 20 * time.Second

// longPoll reads the arguments of a question that waits for another answer than the last; zero where it does not.
func longPoll(q url.Values) (than netip.AddrPort, wait time.Duration, err error) {
	if q.Get("than") == "" && q.Get("wait") == "" {
		return than, 0, nil
	}
	if than, err = netip.ParseAddrPort(q.Get("than")); err != nil {
		return than, 0, Refuse(ErrInvalid, "than=%s: want ADDRESS:PORT", q.Get("than"))
	}
	if wait, err = time.ParseDuration(q.Get("wait")); err != nil || wait < 0 || wait > maxWait {
		return than, 0, Refuse(ErrInvalid, "wait=%s: want a duration up to %v", q.Get("wait"), maxWait)
	}
	return than, wait, nil
}
