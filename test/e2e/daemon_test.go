package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// A daemon is a running ofctl-live.
type daemon struct {
	*process
	lab    *lab
	client *http.Client
}

// daemon starts ofctl-live with a configuration, next to the switches, and waits until it serves.
func (l *lab) daemon(config string) *daemon {
	l.t.Helper()
	file := l.path("config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		l.t.Fatal(err)
	}
	d := &daemon{lab: l, client: &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			return l.core.dial(network, addr)
		},
	}}}
	d.process = start(l.t, l.dir, "ofctl-live", l.core.command(binary, "--config", file, "--log-level", "debug"))
	await(l.t, "the daemon serves", patience, func() bool {
		if !d.running() {
			l.t.Fatalf("the daemon ended: %v", d.err)
		}
		_, status := d.get("/-/ready")
		return status == http.StatusOK
	})
	return d
}

// get asks the daemon's API; status 0 stands for no answer.
func (d *daemon) get(path string) (body string, status int) {
	return d.do(http.MethodGet, path, "")
}

// do sends a request with a body to the daemon's API.
func (d *daemon) do(method, path, body string) (answer string, status int) {
	req, err := http.NewRequest(method, "http://127.0.0.1:9653"+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return err.Error(), 0
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error(), 0
	}
	return string(out), resp.StatusCode
}

// list asks for one of the API's lists.
func (d *daemon) list(path string) []map[string]any {
	d.t.Helper()
	body, status := d.get(path)
	var all []map[string]any
	if err := json.Unmarshal([]byte(body), &all); err != nil || status != http.StatusOK {
		d.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	return all
}

// metric returns the sample whose name and labels are written as given, and whether there is one.
func (d *daemon) metric(t *testing.T, sample string) (value string, ok bool) {
	t.Helper()
	body, _ := d.get("/metrics")
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, sample+" "); ok {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

// lint wants all that is exported by now, with the series that only real traffic makes, to be named as Prometheus asks for.
func (d *daemon) lint() {
	d.t.Helper()
	page, _ := d.get("/metrics")
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil {
		d.t.Error(err)
	}
	for _, p := range problems {
		d.t.Errorf("metric %s: %s", p.Metric, p.Text)
	}
}

// connected waits until so many switches are up.
func (d *daemon) connected(switches string) {
	d.t.Helper()
	awaitSeen(d.t, switches+" switches are up", patience, func() (any, bool) {
		got, _ := d.metric(d.t, "ofctl_switches_connected")
		return got, got == switches
	})
}

// linked waits until so many links between switches are found, two of each line.
func (d *daemon) linked(links int) {
	d.t.Helper()
	awaitSeen(d.t, fmt.Sprint(links, " links are found"), patience, func() (any, bool) {
		got := d.list("/v1/links")
		return got, len(got) == links
	})
}

// linkedBy waits until so many links between switches are found, and known to be as long as they are: of a busy machine, the first
// measurements may say anything.
func (d *daemon) linkedBy(links int, delay time.Duration) {
	d.t.Helper()
	awaitSeen(d.t, fmt.Sprint(links, " links of ", delay, " are found"), patience, func() (any, bool) {
		got := d.list("/v1/links")
		return got, len(got) == links && !slices.ContainsFunc(got, func(l map[string]any) bool {
			ms, _ := l["delay_ms"].(float64)
			return math.Abs(ms-1000*delay.Seconds()) > 3
		})
	})
}

// healthy waits until a peer may be chosen: it is on the map, and what listens there has answered a probe.
func (d *daemon) healthy(peer string) {
	d.t.Helper()
	awaitSeen(d.t, peer+" is healthy", patience, func() (any, bool) {
		got := d.list("/v1/peers")
		return got, slices.ContainsFunc(got, func(p map[string]any) bool { return p["name"] == peer && p["healthy"] == true })
	})
}

// registered waits until a peer that may be chosen has announced itself: before that it is not told where to have a stream from.
func (d *daemon) registered(peer string) {
	d.t.Helper()
	d.healthy(peer)
	awaitSeen(d.t, peer+" is registered", patience, func() (any, bool) {
		got := d.list("/v1/peers")
		return got, slices.ContainsFunc(got, func(p map[string]any) bool { return p["name"] == peer && p["registered"] == true })
	})
}

// logged returns the log's lines whose message holds the text.
func (d *daemon) logged(text string) []map[string]any {
	var found []map[string]any
	lines := bufio.NewScanner(bytes.NewReader([]byte(d.output())))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line map[string]any
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue // the runtime's own words, at a crash
		}
		if msg, _ := line["msg"].(string); strings.Contains(msg, text) {
			found = append(found, line)
		}
	}
	return found
}
