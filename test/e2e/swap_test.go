package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
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

// lateness is by how much the latest of a player's frames came later than the earliest, each against its own time.
func lateness(came []arrival) time.Duration {
	var least, most time.Duration
	for i, a := range came {
		late := a.at.Sub(came[0].at) - time.Duration(a.dts-came[0].dts)*time.Millisecond
		if i == 0 {
			least, most = late, late
		}
		least, most = min(least, late), max(most, late)
	}
	return most - least
}

// worst is the greatest lateness among players while something is done, each of whom must take so many frames.
func worst(t *testing.T, players []*viewer, frames int, do func()) (late time.Duration) {
	t.Helper()
	begun := time.Now()
	for i, came := range arrivals(players, do) {
		came = slices.DeleteFunc(came, func(a arrival) bool { return a.at.Before(begun.Add(100 * time.Millisecond)) }) // those before
		if len(came) < frames {
			t.Errorf("%s took %d frames, want %d", players[i].host.name, len(came), frames)
		}
		late = max(late, lateness(came))
	}
	return late
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

	// A frame is late if it is so by more than the same players' are with nobody swapping. What else runs on the machine makes
	// frames late too, but not each time.
	const frames, slack = 45, 33 * time.Millisecond // of the 60 that are sent in the time; one frame's time
	all := append(slices.Clone(relayed), straight...)
	for try := 1; ; try++ {
		calm := worst(t, all, frames, func() { time.Sleep(2 * time.Second) })
		swapped := worst(t, all, frames, func() {
			for i := range 10 {
				d.set([]string{"bypass", "direct"}[i%2], "")
				time.Sleep(200 * time.Millisecond) // of stream
			}
		})
		t.Logf("the latest frame: by %v, by %v while the policy was swapped", calm, swapped)
		if swapped <= calm+slack {
			break
		}
		if try == 3 {
			t.Errorf("frames were late by %v while the policy was swapped, by %v else, three times", swapped, calm)
			break
		}
	}
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
