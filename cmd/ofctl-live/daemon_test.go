package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/ofctl-live/ofctl-live/internal/api"
	"github.com/ofctl-live/ofctl-live/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeCore stands for the controller in tests of what runs it.
type fakeCore struct {
	mu     sync.Mutex
	policy string
	refuse error // of Apply
}

func (f *fakeCore) Run(ctx context.Context, _ []net.Listener) error {
	<-ctx.Done()
	return nil
}

func (f *fakeCore) Apply(next *config.Config) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse == nil {
		f.policy = next.Policy
	}
	return f.refuse
}

func (f *fakeCore) Policy() api.Policy {
	f.mu.Lock()
	defer f.mu.Unlock()
	return api.Policy{Policy: f.policy, Services: map[string]string{"cdn": f.policy}}
}

func (f *fakeCore) SetPolicy(_ context.Context, c api.PolicyChange) error {
	if c.Policy != "direct" && c.Policy != "bypass" {
		return fmt.Errorf("policy %q: %w", c.Policy, api.ErrInvalid)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.policy = c.Policy
	return nil
}

func (*fakeCore) Moves(api.PolicyChange) ([]api.Move, error) { return nil, nil }

func (f *fakeCore) Migrate(ctx context.Context, c api.PolicyChange) ([]api.Move, error) {
	return nil, f.SetPolicy(ctx, c)
}

func (*fakeCore) Streams() []api.Live     { return nil }
func (*fakeCore) Switches() []api.Switch  { return nil }
func (*fakeCore) Links() []api.Link       { return nil }
func (*fakeCore) Hosts() []api.Host       { return nil }
func (*fakeCore) Sessions() []api.Session { return nil }
func (*fakeCore) Peers() []api.Peer       { return nil }

// buffer is a log that a test reads while the daemon writes it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A running is a daemon under test.
type running struct {
	core *fakeCore
	log  *buffer
	url  string
	file string
	end  func() error
}

// start runs a daemon on free ports with the given file until the test ends it.
func start(t *testing.T, file string) *running {
	t.Helper()
	r := &running{core: &fakeCore{}, log: &buffer{}, file: filepath.Join(t.TempDir(), "f.yaml")}
	write(t, r.file, file)
	r.url = "http://" + freePort(t)
	load := func() (*config.Config, error) {
		return config.Load(r.file,
			config.Override{Origin: "--listen", Path: "listen", Value: []string{"127.0.0.1:0"}},
			config.Override{Origin: "--http", Path: "http", Value: strings.TrimPrefix(r.url, "http://")})
	}
	newCore := func(c *config.Config, _ *logrus.Logger, _ prometheus.Registerer) (core, error) {
		r.core.policy = c.Policy
		return r.core, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runDaemon(ctx, load, r.log, newCore) }()
	r.end = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := r.end(); err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	r.await(t, func() bool { return r.get("/-/ready") == "ready\n" })
	return r
}

func (r *running) get(path string) string {
	resp, err := http.Get(r.url + path)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	out, _ := io.ReadAll(resp.Body)
	return string(out)
}

func (r *running) await(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not come about; the log:\n%s", r.log)
		}
	}
}

// freePort finds an address that nobody listens on. Somebody might before it is used: then the test fails and says so.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDaemonServesAndEnds(t *testing.T) {
	r := start(t, "policy: bypass\nlog: {format: json}\n")
	metrics := r.get("/metrics")
	for _, want := range []string{"ofctl_build_info{", "ofctl_config_last_reload_successful 1", "go_goroutines"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if got := r.get("/v1/config"); !strings.Contains(got, `"session_idle_timeout": "5m0s"`) {
		t.Errorf("/v1/config lacks the idle timeout:\n%s", got)
	}
	if err := r.end(); err != nil {
		t.Errorf("ended with %v", err)
	}
	for _, want := range []string{`"msg":"serving"`, `"policy":"bypass"`, "nothing to redirect", "keep their flows"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, r.log)
		}
	}
}

func TestReload(t *testing.T) {
	r := start(t, "policy: direct\n")
	hangup := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}

	write(t, r.file, "policy: bypass\nlog: {level: debug}\ncontroller: {lldp_interval: 1s}\n")
	hangup()
	r.await(t, func() bool { return strings.Contains(r.log.String(), "only after a restart") })
	if got := r.core.Policy().Policy; got != "bypass" {
		t.Errorf("policy %q after a reload to bypass", got)
	}
	if got := r.get("/v1/config"); !strings.Contains(got, `"lldp_interval": "5s"`) || !strings.Contains(got, `"level": "debug"`) {
		t.Errorf("/v1/config shows what holds only after a restart, or not what holds:\n%s", got)
	}

	write(t, r.file, "policy: bypas\npeer: []\n")
	hangup()
	r.await(t, func() bool { return strings.Count(r.log.String(), "configuration rejected") == 2 })
	if !strings.Contains(r.log.String(), r.file+":2: peer: unknown key") {
		t.Errorf("the log does not say where:\n%s", r.log)
	}
	if got := r.get("/metrics"); !strings.Contains(got, "ofctl_config_last_reload_successful 0") {
		t.Error("no metric tells of the rejected configuration")
	}
	if got := r.core.Policy().Policy; got != "bypass" {
		t.Errorf("policy %q after a rejected reload; want the old one", got)
	}

	write(t, r.file, "policy: direct\n")
	r.core.mu.Lock()
	r.core.refuse = errors.New("no room")
	r.core.mu.Unlock()
	hangup()
	r.await(t, func() bool { return strings.Contains(r.log.String(), "apply: no room") })
	if got := r.get("/v1/config"); !strings.Contains(got, `"policy": "bypass"`) {
		t.Errorf("/v1/config shows what was not applied:\n%s", got)
	}
}

func TestUselessBypass(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"policy: direct", ""},
		{"policy: bypass", "policy bypass without services: there is nothing to redirect"},
		{"policy: bypass\nservices: [{name: a, address: 10.0.0.2, policy: direct}]",
			"policy bypass, but every service has another of its own: there is nothing to redirect"},
		{"policy: bypass\nservices: [{name: a, address: 10.0.0.2}]",
			"policy bypass of service a without peers: only those that register will serve"},
		{"services: [{name: a, address: 10.0.0.2}, {name: b, address: 10.0.0.3, policy: bypass}]",
			"policy bypass of service b without peers: only those that register will serve"},
		{"services: [{name: a, address: 10.0.0.2, policy: bypass}]\npeers: [{name: p, address: 10.0.0.1}]", ""},
	} {
		if got := strings.Join(uselessBypass(parse(t, tt.text)), "\n"); got != tt.want {
			t.Errorf("%s:\n%s\nwant %s", tt.text, got, tt.want)
		}
	}
}

func TestPolicyCommand(t *testing.T) {
	r := start(t, "policy: bypass\n")
	addr := strings.TrimPrefix(r.url, "http://")
	if out, err := execute("policy", "set", "direct", "--http", addr); err != nil || out != "policy: direct\n  cdn: direct\n" {
		t.Errorf("policy set: %q, %v", out, err)
	}
	if out, err := execute("policy", "set", "bypass", "--dry-run", "--http", addr); err != nil || !strings.HasSuffix(out, "nothing was changed\n") {
		t.Errorf("dry run: %q, %v", out, err)
	}
	if out, err := execute("policy", "--http", addr); err != nil || !strings.HasPrefix(out, "policy: direct\n") {
		t.Errorf("policy: %q, %v", out, err)
	}
	if _, err := execute("policy", "set", "fast", "--http", addr); err == nil || !strings.Contains(err.Error(), `refused: policy "fast"`) {
		t.Errorf("an unknown policy: %v", err)
	}
	if _, err := execute("policy", "set", "direct", "--http", freePort(t)); err == nil || !strings.Contains(err.Error(), "no daemon answers") {
		t.Errorf("nobody there: %v", err)
	}
}
