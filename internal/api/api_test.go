package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// fake stands for the controller: it remembers what it was told.
type fake struct {
	policy   Policy
	change   PolicyChange
	peers    map[string]Registration
	waits    time.Duration
	asked    []string
	notReady error
	migrated []Move
}

func (*fake) Switches() []Switch {
	return []Switch{{DPID: "0000000000000001", Ports: []Port{{No: 1, Name: "s1-eth1", Up: true}}}, {DPID: "0000000000000002"}}
}
func (*fake) Links() []Link       { return nil }
func (*fake) Hosts() []Host       { return []Host{{MAC: "02:00:00:00:00:01", At: "0000000000000001:1"}} }
func (*fake) Sessions() []Session { return []Session{{Client: "10.0.0.3:40000", Source: "hb-relay"}} }
func (*fake) Streams() []Live {
	return []Live{{App: "live", Key: "a", Copies: []Copy{{At: "hb-relay"}}}}
}
func (*fake) Peers() []Peer { return []Peer{{Name: "hb-relay", Healthy: true}} }

func (f *fake) Policy() Policy { return f.policy }

func (f *fake) SetPolicy(_ context.Context, c PolicyChange) error {
	if c.Policy != "direct" && c.Policy != "bypass" {
		return fmt.Errorf("policy %q: %w", c.Policy, ErrInvalid)
	}
	f.change, f.policy.Policy = c, c.Policy
	return nil
}

func (f *fake) Moves(c PolicyChange) ([]Move, error) {
	if c.Policy != "direct" {
		return nil, nil
	}
	return []Move{{Client: "10.0.0.3:4000", Dialed: "10.0.0.2:1935", From: "hb-relay", To: "cdn", Reason: "as asked"}}, nil
}

func (f *fake) Migrate(ctx context.Context, c PolicyChange) ([]Move, error) {
	f.migrated, _ = f.Moves(c)
	return f.migrated, f.SetPolicy(ctx, c)
}

func (f *fake) Register(name string, r Registration) (time.Duration, error) {
	if name == "taken" {
		return 0, fmt.Errorf("name of a configured peer: %w", ErrConflict)
	}
	f.peers[name] = r
	return 15 * time.Second, nil
}

func (f *fake) Leave(name string) error {
	if _, ok := f.peers[name]; !ok {
		return fmt.Errorf("peer %q: %w", name, ErrUnknown)
	}
	delete(f.peers, name)
	return nil
}

func (f *fake) Upstream(ctx context.Context, app, key, relay string, than netip.AddrPort) ([]string, error) {
	f.asked = []string{app, key, relay, than.String()}
	if until, ok := ctx.Deadline(); ok {
		f.waits = time.Until(until)
	}
	return []string{"rtmp://10.0.0.2:1935/live"}, nil
}

func serve(t *testing.T) (*fake, *Options, http.Handler) {
	t.Helper()
	f := &fake{policy: Policy{Policy: "bypass", Services: map[string]string{"cdn": "bypass"}}, peers: map[string]Registration{}}
	reg := prometheus.NewPedanticRegistry()
	o := &Options{
		Network: f, Policies: f, Registry: f,
		Config:   func() any { return map[string]any{"policy": f.policy.Policy} },
		Ready:    func() error { return f.notReady },
		Version:  "v1.2.3",
		Gatherer: reg, Metrics: NewMetrics(reg),
	}
	return f, o, New(*o)
}

func do(h http.Handler, method, path, body string) (status int, answer string, header http.Header) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	out, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(out), w.Header()
}

func TestReads(t *testing.T) {
	_, _, h := serve(t)
	tests := []struct{ path, want string }{
		{"/v1/switches", `[{"dpid":"0000000000000001","remote":"","desc":"","since":"0001-01-01T00:00:00Z","rtt_ms":0,` +
			`"ports":[{"no":1,"name":"s1-eth1","mac":"","up":true}],"rules":0},` +
			`{"dpid":"0000000000000002","remote":"","desc":"","since":"0001-01-01T00:00:00Z","rtt_ms":0,"ports":[],"rules":0}]`}, // a list, or the page fails
		{"/v1/links", `[]`},
		{"/v1/policy", `{"policy":"bypass","services":{"cdn":"bypass"}}`},
		{"/v1/config", `{"policy":"bypass"}`},
		{"/v1/upstream?app=live&key=a&relay=r", `{"upstreams":["rtmp://10.0.0.2:1935/live"]}`},
	}
	for _, tt := range tests {
		status, got, header := do(h, "GET", tt.path, "")
		if status != 200 || header.Get("Content-Type") != "application/json" || !equalJSON(t, got, tt.want) {
			t.Errorf("GET %s: %d %s\nwant %s", tt.path, status, got, tt.want)
		}
	}
	for path, want := range map[string]string{"/v1/hosts": "02:00:00:00:00:01", "/v1/sessions": "10.0.0.3:40000", "/v1/peers": "hb-relay"} {
		if status, got, _ := do(h, "GET", path, ""); status != 200 || !strings.Contains(got, want) {
			t.Errorf("GET %s: %d %s; want %s in it", path, status, got, want)
		}
	}
}

func TestChanges(t *testing.T) {
	f, _, h := serve(t)
	status, got, _ := do(h, "PUT", "/v1/policy?dry_run=true&migrate=true", `{"policy":"direct"}`)
	if status != 200 || !strings.Contains(got, `"to": "cdn"`) || f.change != (PolicyChange{}) || f.migrated != nil {
		t.Errorf("dry run: %d %s, told %+v, migrated %v", status, got, f.change, f.migrated)
	}
	if _, got, _ := do(h, "PUT", "/v1/policy?dry_run=true", `{"policy":"bypass"}`); !strings.Contains(got, `"moves": []`) {
		t.Errorf("nothing moves: %s", got)
	}
	status, got, _ = do(h, "PUT", "/v1/policy?migrate=1", `{"policy":"direct"}`)
	if status != 200 || !strings.Contains(got, `"from": "hb-relay"`) || f.change.Policy != "direct" || len(f.migrated) != 1 {
		t.Errorf("migrate: %d %s, told %+v, migrated %v", status, got, f.change, f.migrated)
	}
	status, got, _ = do(h, "PUT", "/v1/policy", `{"policy":"direct","service":"cdn"}`)
	if status != 200 || f.change != (PolicyChange{Policy: "direct", Service: "cdn"}) || !strings.Contains(got, `"direct"`) {
		t.Errorf("PUT policy: %d %s, told %+v", status, got, f.change)
	}
	status, got, _ = do(h, "PUT", "/v1/peers/hb", `{"address":"10.0.0.1","port":1935,"max_viewers":100,"max_kbps":0,
		"draining":false,"ingest":true,"dscp":10,"streams":[{"app":"live","key":"a","viewers":2,"kbps":600,"published":true},
		{"app":"live","key":"b","viewers":0,"kbps":0,"published":false,"from":"10.0.0.2:1935"}]}`)
	want := Registration{Address: "10.0.0.1", Port: 1935, MaxViewers: 100, Ingest: true, DSCP: 10,
		Streams: []Stream{{App: "live", Key: "a", Viewers: 2, Kbps: 600, Published: true},
			{App: "live", Key: "b", From: "10.0.0.2:1935"}}}
	if status != 200 || !equalJSON(t, got, `{"ttl_seconds":15}`) || !reflect.DeepEqual(f.peers["hb"], want) {
		t.Errorf("PUT peer: %d %s, told %+v", status, got, f.peers["hb"])
	}
	if status, got, _ := do(h, "DELETE", "/v1/peers/hb", ""); status != 204 || got != "" || len(f.peers) != 0 {
		t.Errorf("DELETE peer: %d %s, left %v", status, got, f.peers)
	}
	do(h, "GET", "/v1/upstream?app=live&key=a%2Fb&relay=hb", "")
	if !reflect.DeepEqual(f.asked, []string{"live", "a/b", "hb", "invalid AddrPort"}) || f.waits > 0 {
		t.Errorf("asked for %v, waiting %v", f.asked, f.waits)
	}
	do(h, "GET", "/v1/upstream?app=live&key=a&relay=hb&than=10.0.0.2:1935&wait=5s", "")
	if !reflect.DeepEqual(f.asked, []string{"live", "a", "hb", "10.0.0.2:1935"}) || f.waits <= 0 || f.waits > 5*time.Second {
		t.Errorf("asked for %v, waiting %v", f.asked, f.waits)
	}
}

func TestProblems(t *testing.T) {
	f, _, h := serve(t)
	tests := []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"PUT", "/v1/policy", `{"policy":"fast"}`, 400, `policy "fast"`},
		{"PUT", "/v1/policy?migrate=maybe", `{"policy":"direct"}`, 400, "migrate=maybe"},
		{"PUT", "/v1/policy", `{}`, 400, `want {"policy": NAME}`},
		{"PUT", "/v1/policy", ``, 400, "want a JSON body"},
		{"PUT", "/v1/policy", `{"policy":"direct"} x`, 400, "more than one value"},
		{"PUT", "/v1/policy", `{"polcy":"direct"}`, 400, "polcy"},
		{"PUT", "/v1/policy", `{"policy":"` + strings.Repeat("x", maxBody) + `"}`, 413, "over 1 MiB"},
		{"PUT", "/v1/policy", `direct`, 400, "body: not JSON at byte 1: "},
		{"PUT", "/v1/policy", `{"policy":5}`, 400, "body: policy: want a string, got number"},
		{"PUT", "/v1/policy", `[]`, 400, "body: want an object, got array"},
		{"PUT", "/v1/policy", `{"policy":"direct"`, 400, "body: not JSON: it ends in the middle"},
		{"PUT", "/v1/policy?dryrun=true", `{"policy":"direct"}`, 400, `unknown argument "dryrun"; known: dry_run, migrate`},
		{"PUT", "/v1/policy?dry_run", `{"policy":"direct"}`, 400, "dry_run=: want true or false"},
		{"PUT", "/v1/policy?dry_run=", `{"policy":"direct"}`, 400, "dry_run=: want true or false"},
		{"PUT", "/v1/policy?dry_run=false&dry_run=true", `{"policy":"direct"}`, 400, "dry_run: given 2 times"},
		{"PUT", "/v1/policy?dry_run=true;migrate=true", `{"policy":"direct"}`, 400, `query "dry_run=true;migrate=true": `},
		{"PUT", "/v1/policy?dry_run=%zz", `{"policy":"direct"}`, 400, `query "dry_run=%zz": invalid URL escape`},
		{"PUT", "/v1/peers/taken", `{}`, 409, "configured peer"},
		{"PUT", "/v1/peers/a", `{"port":70000}`, 400, "port: want a whole number up to 65535, got number 70000"},
		{"PUT", "/v1/peers/a", `{"draining":1}`, 400, "draining: want true or false, got number"},
		{"PUT", "/v1/peers/a", `{"streams":{}}`, 400, "streams: want a list, got object"},
		{"PUT", "/v1/peers/a", `{"streams":[{"viewers":1.5}]}`, 400, "viewers: want a whole number, got number 1.5"},
		{"PUT", "/v1/peers/a", `{"bogus":1}`, 400, `body: unknown field "bogus"`},
		{"POST", "/v1/policy", `{}`, 405, "/v1/policy takes GET and PUT, not POST"},
		{"DELETE", "/v1/sessions", ``, 405, "/v1/sessions takes GET, not DELETE"},
		{"GET", "/v1/peers/a", ``, 405, "/v1/peers/a takes PUT and DELETE, not GET"},
		{"GET", "/v1/upstream?app=&key=a&relay=r", ``, 400, "want ?app=APP&key=KEY&relay=NAME"},
		{"GET", "/v1/upstream?app=live&key=a&relay=r&than=hs&wait=5s", ``, 400, "than=hs: want ADDRESS:PORT"},
		{"GET", "/v1/upstream?app=live&key=a&relay=r&wait=5s", ``, 400, "than=: want ADDRESS:PORT"},
		{"GET", "/v1/upstream?app=live&key=a&relay=r&than=10.0.0.2:1935&wait=21s", ``, 400, "wait=21s: want a duration up to 20s"},
		{"GET", "/v1/upstream?app=live&key=a&relay=r&than=10.0.0.2:1935&wait=-1s", ``, 400, "wait=-1s: want"},
		{"PUT", "/v1/peers/a", `{"address":5}`, 400, "address: want a string, got number"},
		{"DELETE", "/v1/peers/none", ``, 404, `peer "none"`},
		{"GET", "/v1/upstream?app=live", ``, 400, "want ?app"},
		{"GET", "/v1/upstream?app=live&key=a&relay=r&thn=10.0.0.2:1935", ``, 400, `unknown argument "thn"; known: app, key, relay, than, wait`},
		{"PUT", "/v1/peers/a?draining=true", `{}`, 400, `unknown argument "draining"; known: none`},
		{"GET", "/v1/sessions?policy=direct", ``, 400, `unknown argument "policy"; known: none`},
		{"GET", "/nowhere", ``, 404, "no such path: /nowhere"},
	}
	for _, tt := range tests {
		status, got, _ := do(h, tt.method, tt.path, tt.body)
		var p struct{ Error string }
		if err := json.Unmarshal([]byte(got), &p); err != nil || status != tt.status || !strings.Contains(p.Error, tt.want) ||
			strings.Contains(got, `\u0026`) {
			t.Errorf("%s %s %.40s: %d %s; want %d and %q", tt.method, tt.path, tt.body, status, got, tt.status, tt.want)
		}
	}
	if f.change != (PolicyChange{}) {
		t.Errorf("a refused request changed the policy: %+v", f.change)
	}
}

func TestWithoutRegistry(t *testing.T) {
	_, o, _ := serve(t)
	o.Registry = nil
	h := New(*o)
	if status, got, _ := do(h, "PUT", "/v1/peers/a", "{}"); status != 404 {
		t.Errorf("PUT peer without a registry: %d %s", status, got)
	}
	if status, _, _ := do(h, "GET", "/v1/peers", ""); status != 200 {
		t.Errorf("GET peers without a registry: %d", status)
	}
}

func TestHealth(t *testing.T) {
	f, _, h := serve(t)
	if status, got, _ := do(h, "GET", "/-/healthy", ""); status != 200 || got != "healthy\n" {
		t.Errorf("healthy: %d %s", status, got)
	}
	if status, got, _ := do(h, "GET", "/-/ready", ""); status != 200 || got != "ready\n" {
		t.Errorf("ready: %d %s", status, got)
	}
	f.notReady = errors.New("not listening yet")
	if status, got, _ := do(h, "GET", "/-/ready", ""); status != 503 || got != "not listening yet\n" {
		t.Errorf("not ready: %d %s", status, got)
	}
}

func TestPageAndMetrics(t *testing.T) {
	_, o, h := serve(t)
	status, got, header := do(h, "GET", "/", "")
	if status != 200 || !strings.Contains(got, "v1.2.3") || header.Get("Content-Security-Policy") == "" {
		t.Errorf("page: %d %v %.200s", status, header, got)
	}
	do(h, "PUT", "/v1/policy", "")
	_, got, _ = do(h, "GET", "/metrics", "")
	for _, want := range []string{
		`ofctl_http_requests_total{code="200",route="GET /{$}"} 1`,
		`ofctl_http_requests_total{code="400",route="PUT /v1/policy"} 1`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("metrics lack %s:\n%s", want, got)
		}
	}
	problems, err := testutil.GatherAndLint(o.Gatherer)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

func equalJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Errorf("not JSON: %s", a)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("not JSON: %s", b)
	}
	return reflect.DeepEqual(x, y)
}
