package relay_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/relay"
)

// TestRealPrograms joins real programs in every place around relays:
//
//	ffmpeg -> ingest -push-> nginx-rtmp (the CDN) <-pull- edge
//	              ^--pull- nginx-rtmp (a peer)
//	              ^--pull- live
//
// and plays with each player from each of ingest, edge, live and the nginx-rtmp peer, at ingest also with players that were
// there before the publisher. Edge and live send small chunks, so that a frame is several, each with the whole timestamp.
func TestRealPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: plays in real time")
	}
	t.Parallel()
	cdn := freeAddress(t)
	startServer(t, nginxCommand(t, cdn, "live on;"), cdn)
	ingest := startRelay(t, relay.Options{Name: "ingest", Push: []string{"rtmp://" + cdn + "/live"}})
	edge := startRelay(t, relay.Options{Name: "edge", ChunkSize: 256, Upstream: []string{"rtmp://" + cdn + "/live"}})
	live := startRelay(t, relay.Options{
		Name: "live", ChunkSize: 256, Join: relay.JoinLive, Upstream: []string{"rtmp://" + ingest.address + "/live"},
	})
	peer := freeAddress(t)
	startServer(t, nginxCommand(t, peer, "live on; pull rtmp://"+ingest.address+"/live live=1;"), peer)

	// Both ends of the longest way, by a client of ours: every frame must be the publisher's own.
	near, far := watch(t, ingest.address, "a"), watch(t, edge.address, "a")
	early, viewers := startAll(t, ingest.address), 1
	for _, p := range early {
		if p.done != nil {
			viewers++
		}
	}
	eventually(t, 20*time.Second, "all have asked for the stream", func() bool {
		return metric(t, ingest, "ofctl_relay_viewers") == float64(viewers)
	})
	publishFFmpeg(t, "rtmp://"+ingest.address+"/live/a?token=x")
	eventually(t, 20*time.Second, "the stream reaches the edge", func() bool { return len(far.video()) > 0 })

	finishAll(t, "before the publisher", early)
	for _, server := range []struct{ name, address string }{
		{"ingest", ingest.address}, {"edge", edge.address}, {"live", live.address}, {"nginx peer", peer},
	} {
		finishAll(t, server.name, startAll(t, server.address))
	}
	sent, got := near.video(), far.video()
	if len(got) < 60 {
		t.Fatalf("%d frames at the edge", len(got))
	}
	start := 0
	for start < len(sent) && sent[start] != got[0] {
		start++
	}
	const skips = "ofctl_relay_skipped_messages_total"
	if metric(t, ingest, skips)+metric(t, edge, skips) > 0 { // on a machine that is busy with players who lags must skip in the end
		got = got[:min(len(got), 300)] // ten seconds
	}
	for i, g := range got {
		if start+i < len(sent) && sent[start+i] != g {
			t.Fatalf("frame %d at the edge is not the one that was published; skipped %v at the ingest, %v at the edge", i,
				metric(t, ingest, skips), metric(t, edge, skips))
		}
	}
	near.check(t)
	far.check(t)
	if n := metric(t, edge, `ofctl_relay_upstream_dials_total{result="ok"}`); n > 2 {
		t.Errorf("the edge called its upstream %v times", n)
	}
}

// startAll has all players play at once.
func startAll(t *testing.T, address string) []*playing {
	t.Helper()
	var ps []*playing
	for _, p := range players {
		ps = append(ps, p.start(t, "rtmp://"+address+"/live/a"))
	}
	return ps
}

func finishAll(t *testing.T, where string, ps []*playing) {
	t.Helper()
	for _, p := range ps {
		t.Run(where+"/"+p.name, p.finish)
	}
}

// video returns the frames' payloads.
func (w *watcher) video() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ps []string
	for _, m := range w.got {
		if len(m.Payload) > 5 && m.Payload[1] == 1 {
			ps = append(ps, string(m.Payload))
		}
	}
	return ps
}

// TestRealUpstreamDies kills nginx-rtmp under ten viewers and a real player. Another nginx-rtmp has the stream, without
// stored frames: the viewers' next one must be its next keyframe.
func TestRealUpstreamDies(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: plays in real time")
	}
	first, second := freeAddress(t), freeAddress(t)
	dying := nginxCommand(t, first, "live on;")
	startServer(t, dying, first)
	startServer(t, nginxCommand(t, second, "live on;"), second)
	ingest := startRelay(t, relay.Options{Name: "ingest", Push: []string{"rtmp://" + first + "/live", "rtmp://" + second + "/live"}})
	edge := startRelay(t, relay.Options{Name: "edge", Upstream: []string{"rtmp://" + first + "/live", "rtmp://" + second + "/live"}})
	var ws []*watcher
	for range 10 {
		ws = append(ws, watch(t, edge.address, "a"))
	}
	publishFFmpeg(t, "rtmp://"+ingest.address+"/live/a")
	eventually(t, 20*time.Second, "the stream reaches the edge", func() bool { return len(ws[0].video()) > 30 })
	played := make(chan string, 1)
	go func() {
		out, err := exec.Command("ffmpeg", "-nostdin", "-loglevel", "error", "-i", "rtmp://"+edge.address+"/live/a", "-t", "5",
			"-map", "0:v", "-c", "copy", "-f", "framehash", "-").CombinedOutput()
		if err != nil {
			t.Errorf("player: %v", err)
		}
		played <- string(out)
	}()
	time.Sleep(2 * time.Second)
	began := time.Now()
	if err := dying.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	before := len(ws[0].video())
	eventually(t, 5*time.Second, "the stream goes on", func() bool { return len(ws[0].video()) > before+30 })
	// A keyframe comes every second, thirty frames take another; the rest is ours.
	if d := time.Since(began); d > 2500*time.Millisecond+2*testSlack {
		t.Errorf("thirty frames after %v", d)
	}
	for _, w := range ws {
		w.check(t)
	}
	if out := <-played; strings.Count(out, "\n0, ") < 80 {
		t.Errorf("the player had %d frames of 5 s:\n%s", strings.Count(out, "\n0, "), tail(out, 800))
	}
}

// testSlack is what a busy machine may add to a time that a test expects.
const testSlack = 500 * time.Millisecond
