package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"
)

// set changes the policy of everything and returns the moves that the daemon answers.
func (d *daemon) set(policy, query string) (moves []map[string]any) {
	d.t.Helper()
	body, status := d.do(http.MethodPut, "/v1/policy"+query, fmt.Sprintf(`{"policy":%q}`, policy))
	var answer struct {
		Moves []map[string]any `json:"moves"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		d.t.Fatalf("PUT /v1/policy %s%s: %d %s", policy, query, status, body)
	}
	return answer.Moves
}

// policy is the one in force.
func (d *daemon) policy() string {
	d.t.Helper()
	body, _ := d.get("/v1/policy")
	var answer struct {
		Policy string `json:"policy"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		d.t.Fatalf("%v: %s", err, body)
	}
	return answer.Policy
}

// silence returns the longest time for which any of the players wrote nothing while something was done.
func silence(players []*viewer, do func()) time.Duration {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	var longest time.Duration
	size, grew := make([]int64, len(players)), make([]time.Time, len(players))
	for {
		now := time.Now()
		for i, v := range players {
			info, err := os.Stat(v.file)
			if err == nil && info.Size() > size[i] {
				size[i], grew[i] = info.Size(), now
			}
			if !grew[i].IsZero() {
				longest = max(longest, now.Sub(grew[i]))
			}
		}
		select {
		case <-done:
			return longest
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// sawRun wants what a player that has ended saw to be one run of the stream, with nothing lost within.
func (v *viewer) sawRun(sent []string) {
	v.t.Helper()
	got := v.frames()
	if len(got) == 0 {
		v.t.Errorf("%s saw nothing", v.host.name)
		return
	}
	first := slices.Index(sent, got[0])
	if first < 0 || !slices.Equal(got, sent[first:min(first+len(got), len(sent))]) {
		v.t.Errorf("%s: its %d frames are no run of the stream, from its %dth", v.host.name, len(got), first)
	}
}

// The policy is swapped ten times under eight players, half of them served by the relay and half by the CDN: none loses a
// frame or its source. A dry run tells what would move, and moves nothing. A migration ends just those sessions that would
// be served from elsewhere, and their players are, once they dial again.
func TestSwaps(t *testing.T) {
	n := newLab(t).single(8)
	d := n.daemon(bypassConfig)
	d.connected("1")
	n.hs.nginx("deploy/mininet/cdn.conf")
	n.hb.relay("--upstream", "rtmp://10.0.0.2/live", "--push", "rtmp://10.0.0.2/live")
	d.healthy("hb-relay")
	p := n.publish()
	play := func(hosts []*host) (all []*viewer) {
		for i, h := range hosts {
			if i%2 == 0 {
				all = append(all, h.watch(cdnURL))
			} else {
				all = append(all, h.dump(cdnURL))
			}
		}
		for _, v := range all {
			v.plays(15)
		}
		return all
	}
	relayed := play(n.viewers[:4])
	d.set("direct", "")
	straight := play(n.viewers[4:])
	half := map[string]int{"hb-relay": 4, "cdn": 4}
	stays := func(when string) {
		t.Helper()
		if got := d.bySource(); !maps.Equal(got, half) {
			t.Errorf("%s: sessions by source: %v, want %v", when, got, half)
		}
		for _, h := range n.viewers[:4] {
			if there, back := n.redirects(h); len(there) != 1 || len(back) != 1 {
				t.Errorf("%s: %s has %d rules there and %d back, want 1 each", when, h.name, len(there), len(back))
			}
		}
	}
	stays("before")

	late := silence(append(relayed, straight...), func() {
		for i := range 10 {
			d.set([]string{"bypass", "direct"}[i%2], "")
			time.Sleep(200 * time.Millisecond) // of stream
		}
	})
	if late > time.Second {
		t.Errorf("a player waited %v for a frame while the policy was swapped", late)
	}
	t.Logf("longest wait for a frame while the policy was swapped: %v", late)
	stays("after ten swaps")

	movers := make(map[string]bool) // by their addresses
	for _, m := range d.set("bypass", "?dry_run=true") {
		movers[fmt.Sprint(m["client"])] = true
		if m["from"] != "cdn" || m["to"] != "hb-relay" {
			t.Errorf("bypass would move %v", m)
		}
	}
	if len(movers) != 4 {
		t.Errorf("bypass would move %v, want the four viewers of the CDN", movers)
	}
	if got := d.policy(); got != "direct" {
		t.Errorf("the policy after a dry run is %s, want direct", got)
	}
	stays("after a dry run")

	if moved := d.set("bypass", "?migrate=true"); len(moved) != 4 {
		t.Errorf("the migration moves %v, want the four that the dry run named", moved)
	}
	for _, v := range straight {
		if err := v.wait(time.Second); err != nil {
			t.Errorf("a viewer that moves was not told within a second: %v", err)
		}
	}
	again := play(n.viewers[4:])
	if got, want := d.bySource(), map[string]int{"hb-relay": 8}; !maps.Equal(got, want) {
		t.Errorf("after the migration: sessions by source: %v, want %v", got, want)
	}
	sent := p.finish(time.Second)
	for _, v := range straight {
		v.sawRun(sent)
	}
	for _, v := range append(relayed, again...) {
		v.sawAll(sent)
	}
}
