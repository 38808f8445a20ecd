package relay_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"

	"github.com/ofctl-live/ofctl-live/internal/relay"
)

// controller is what a relay needs of ofctl-live.
type controller struct {
	*httptest.Server
	mu        sync.Mutex
	reports   []map[string]any
	left      bool
	upstreams []string
	ingest    string        // named first, once it reports that something is published there
	changed   chan struct{} // closed when upstreams are others
	asked     []string
}

func newController(t testing.TB) *controller {
	c := &controller{changed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /v1/peers/{name}", func(w http.ResponseWriter, r *http.Request) {
		var m map[string]any
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		m["name"] = r.PathValue("name")
		c.mu.Lock()
		defer c.mu.Unlock()
		c.reports = append(c.reports, m)
		for _, s := range m["streams"].([]any) {
			if s.(map[string]any)["published"] == true && c.ingest != "" {
				c.upstreams = append([]string{c.ingest}, c.upstreams...)
				c.ingest = ""
				close(c.changed)
			}
		}
		_, _ = io.WriteString(w, `{"ttl_seconds":15}`)
	})
	mux.HandleFunc("DELETE /v1/peers/{name}", func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.left = true
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /v1/upstream", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = append(c.asked, r.URL.RawQuery)
		if wait, err := time.ParseDuration(r.FormValue("wait")); err == nil && strings.Contains(c.upstreams[0], r.FormValue("than")) {
			changed := c.changed
			c.mu.Unlock()
			select {
			case <-changed:
			case <-r.Context().Done():
			case <-time.After(wait):
			}
			c.mu.Lock()
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"upstreams": c.upstreams})
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *controller) name(upstreams ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.upstreams = upstreams
	close(c.changed)
	c.changed = make(chan struct{})
}

// last is what a relay has reported of its only stream, nil for nothing.
func (c *controller) last(relay string) map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range slices.Backward(c.reports) {
		if streams := r["streams"].([]any); r["name"] == relay && len(streams) == 1 {
			return streams[0].(map[string]any)
		} else if r["name"] == relay {
			return nil
		}
	}
	return nil
}

// TestControllerNamesTheUpstream lets the controller move a stream to a better upstream under its viewers.
func TestControllerNamesTheUpstream(t *testing.T) {
	origin := startRelay(t, relay.Options{Name: "origin"})
	first := startRelay(t, relay.Options{Name: "first", Upstream: []string{"rtmp://" + origin.address}})
	c := newController(t)
	c.name("rtmp://" + first.address + "/live")
	edge := startRelay(t, relay.Options{
		Name: "edge", Controller: c.URL, Advertise: "10.0.0.1", MaxViewers: 9, MaxKbps: 5000, DSCP: 10,
		Ingest: true, Push: []string{"rtmp://" + origin.address},
	})
	w := watch(t, edge.address, "a")
	p := newPublisher(t, origin.address, "a")
	p.frames(1, 0)
	w.reaches(t, 0)
	c.name("rtmp://"+origin.address+"/live", "rtmp://"+first.address+"/live")
	eventually(t, 15*time.Second, "the edge moves to the origin", func() bool {
		p.frames(10, 5*time.Millisecond)
		return metric(t, first, "ofctl_relay_viewers") == 0
	})
	p.frames(30, 5*time.Millisecond)
	w.reaches(t, int(p.next)-1)
	w.consecutive(t, 0, int(p.next)-1)
	if n := metric(t, edge, `ofctl_relay_upstream_switches_total{kind="seamless"}`); n != 1 {
		t.Errorf("%v seamless switches", n)
	}
	c.mu.Lock()
	last, asked := c.reports[len(c.reports)-1], c.asked[0]
	c.mu.Unlock()
	if asked != "app=live&key=a&relay=edge" {
		t.Errorf("asked %s", asked)
	}
	if last["name"] != "edge" || last["address"] != "10.0.0.1" || last["port"] != 1935.0 || last["max_viewers"] != 9.0 ||
		last["max_kbps"] != 5000.0 || last["dscp"] != 10.0 || last["ingest"] != true || last["draining"] != false {
		t.Errorf("report %v", last)
	}
	streams := last["streams"].([]any)
	if len(streams) != 1 || streams[0].(map[string]any)["key"] != "a" || streams[0].(map[string]any)["published"] != false ||
		streams[0].(map[string]any)["viewers"] != 1.0 || streams[0].(map[string]any)["from"] != origin.address {
		t.Errorf("streams %v", streams)
	}
	w.nc.Close()
	edge.stop(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left || c.reports[len(c.reports)-1]["draining"] != true {
		t.Errorf("left %v, last report %v", c.left, c.reports[len(c.reports)-1])
	}
}

// TestEarlyViewer has somebody watch at a relay before there is a broadcaster, who then publishes to another relay, which
// pushes to the CDN. The controller learns of it and the viewer's relay of that within a second, whether or not the CDN's copy
// has come first; it says itself where it has the stream from. What it changes over from loses the viewer no frame.
func TestEarlyViewer(t *testing.T) {
	const soon = time.Second
	cdn := startRelay(t, relay.Options{Name: "cdn"})
	c := newController(t)
	c.name("rtmp://" + cdn.address + "/live")
	ingest := startRelay(t, relay.Options{
		Name: "ingest", Controller: c.URL, Advertise: "10.0.0.1", Push: []string{"rtmp://" + cdn.address}, Ingest: true,
	})
	c.mu.Lock()
	c.ingest = "rtmp://" + ingest.address + "/live"
	c.mu.Unlock()
	edge := startRelay(t, relay.Options{Name: "edge", Controller: c.URL, Advertise: "10.0.0.2"})
	w := watch(t, edge.address, "a")
	eventually(t, 5*time.Second, "the CDN is asked", func() bool { return metric(t, cdn, "ofctl_relay_viewers") == 1 })
	time.Sleep(1200 * time.Millisecond) // the edge waits for another answer
	began := time.Now()
	p := newPublisher(t, ingest.address, "a")
	for c.last("edge")["from"] != ingest.address && time.Since(began) < 10*time.Second {
		p.frames(1, 15*time.Millisecond)
	}
	took := time.Since(began)
	t.Logf("from the ingest after %v", took)
	if took > soon {
		t.Errorf("the edge has the stream from the ingest %v after it was published, want at most %v", took, soon)
	}
	if from := c.last("ingest"); from["published"] != true || from["from"] != nil {
		t.Errorf("the ingest reports %v", from)
	}
	p.frames(30, 5*time.Millisecond)
	w.reaches(t, int(p.next)-1)
	w.consecutive(t, int(w.frames()[0]), int(p.next)-1)
	if first := w.frames()[0]; first > 30 {
		t.Errorf("the first frame is %d", first)
	}
}

// What the controller has against a relay stands in the relay's log in its own words.
func TestControllerRefuses(t *testing.T) {
	for body, want := range map[string]string{
		"{\n  \"error\": \"name or address is taken: hb (10.0.0.1:1935) is configured\"\n}": ": 409 Conflict: name or address is taken: hb (10.0.0.1:1935) is configured",
		"<html>": ": 409 Conflict: <html>",
	} {
		c := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, body)
		}))
		hook := &logrustest.Hook{}
		log := logrus.New()
		log.SetOutput(io.Discard)
		log.AddHook(hook)
		r, err := relay.New(relay.Options{Listen: []string{"127.0.0.1:0"}, Name: "hb", Controller: c.URL, Advertise: "10.0.0.1", Log: log})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		eventually(t, 5*time.Second, "the relay says that it is not registered", func() bool {
			return slices.ContainsFunc(hook.AllEntries(), func(e *logrus.Entry) bool {
				err, _ := e.Data[logrus.ErrorKey].(error)
				return e.Message == "not registered" && err != nil && strings.HasSuffix(err.Error(), want)
			})
		})
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		c.Close()
	}
}
