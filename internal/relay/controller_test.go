package relay_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/relay"
)

// controller is what a relay needs of ofctl-live.
type controller struct {
	*httptest.Server
	mu        sync.Mutex
	reports   []map[string]any
	left      bool
	upstreams []string
	asked     []string
}

func newController(t testing.TB) *controller {
	c := &controller{}
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
		last["max_kbps"] != 5000.0 || last["dscp"] != 10.0 || last["ingest"] != true || last["viewers"] != 1.0 || last["draining"] != false {
		t.Errorf("report %v", last)
	}
	streams := last["streams"].([]any)
	if len(streams) != 1 || streams[0].(map[string]any)["key"] != "a" || streams[0].(map[string]any)["published"] != false {
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
