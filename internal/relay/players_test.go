package relay_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/relay"
)

// program finds a program or skips the test, loudly.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: %s is not installed", name)
	}
	return path
}

// publishFFmpeg has ffmpeg publish picture and sound to a URL for as long as the test runs, a keyframe every second.
func publishFFmpeg(t testing.TB, url string) {
	t.Helper()
	cmd := exec.Command(program(t, "ffmpeg"), "-nostdin", "-loglevel", "error", "-re",
		"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=30", "-f", "lavfi", "-i", "sine=440:r=44100", "-t", "120",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-b:v", "200k",
		"-c:a", "aac", "-b:a", "32k", "-f", "flv", url)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// A player plays a URL; ok judges what it said and left behind.
type player struct {
	name  string
	limit time.Duration // how long it may play before it is ended
	args  func(url, dir string) []string
	env   []string
	ok    func(output string, dir string) bool
}

var players = []player{
	{
		name: "ffmpeg", limit: 12 * time.Second,
		args: func(url, _ string) []string {
			return []string{"-nostdin", "-loglevel", "error", "-i", url, "-t", "2", "-map", "0:v", "-map", "0:a", "-f", "framehash", "-"}
		},
		ok: func(out, _ string) bool { return min(strings.Count(out, "\n0, "), strings.Count(out, "\n1, ")) > 25 }, // picture may begin a second behind sound
	},
	{
		name: "ffplay", limit: 6 * time.Second,
		args: func(url, _ string) []string {
			return []string{"-nodisp", url} // it plays until it is ended, and tells its clock
		},
		env: []string{"SDL_VIDEODRIVER=dummy", "SDL_AUDIODRIVER=dummy"},
		ok: func(out, _ string) bool {
			return strings.Contains(out, "Video: h264") && strings.Count(out, "M-A:") > 50 && !strings.HasSuffix(out, "nan")
		},
	},
	{
		name: "rtmpdump", limit: 4 * time.Second,
		args: func(url, dir string) []string {
			return []string{"-v", "-B", "2", "-r", url, "-o", filepath.Join(dir, "out.flv")}
		},
		ok: func(_, dir string) bool {
			flv, err := os.ReadFile(filepath.Join(dir, "out.flv"))
			return err == nil && len(flv) > 20_000 && bytes.HasPrefix(flv, []byte("FLV"))
		},
	},
	{
		name: "mplayer", limit: 12 * time.Second,
		args: func(url, _ string) []string {
			return []string{"-vo", "null", "-ao", "null", "-nolirc", "-noconsolecontrols", "-frames", "40", url}
		},
		ok: func(out, _ string) bool {
			return strings.Contains(out, "Starting playback") && strings.Contains(out, "VIDEO:  [H264]")
		},
	},
}

// play runs the player until it ends, or its limit.
func (p player) play(t *testing.T, url string) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), p.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t, p.name), p.args(url, dir)...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if !p.ok(string(out), dir) {
		t.Errorf("%s of %s: %v\n%s", p.name, url, err, tail(string(out), 1500))
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// TestRealPrograms joins real programs in every place around relays:
//
//	ffmpeg -> ingest -push-> nginx-rtmp (the CDN) <-pull- edge
//	              ^--pull- nginx-rtmp (a peer)
//
// and plays with each player from each of ingest, edge and the nginx-rtmp peer.
func TestRealPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: plays in real time")
	}
	cdn := freeAddress(t)
	startServer(t, nginxCommand(t, cdn, "live on;"), cdn)
	ingest := startRelay(t, relay.Options{Name: "ingest", Push: []string{"rtmp://" + cdn + "/live"}})
	edge := startRelay(t, relay.Options{Name: "edge", Upstream: []string{"rtmp://" + cdn + "/live"}})
	peer := freeAddress(t)
	startServer(t, nginxCommand(t, peer, "live on; pull rtmp://"+ingest.address+"/live live=1;"), peer)

	// Both ends of the longest way, by a client of ours: every frame must be the publisher's own.
	near, far := watch(t, ingest.address, "a"), watch(t, edge.address, "a")
	publishFFmpeg(t, "rtmp://"+ingest.address+"/live/a?token=x")
	eventually(t, 20*time.Second, "the stream reaches the edge", func() bool { return len(far.video()) > 0 })

	t.Run("players", func(t *testing.T) {
		for _, server := range []struct{ name, address string }{
			{"ingest", ingest.address}, {"edge", edge.address}, {"nginx peer", peer},
		} {
			for _, p := range players {
				t.Run(server.name+"/"+p.name, func(t *testing.T) {
					t.Parallel()
					p.play(t, "rtmp://"+server.address+"/live/a")
				})
			}
		}
	})
	sent, got := near.video(), far.video()
	if len(got) < 60 {
		t.Fatalf("%d frames at the edge", len(got))
	}
	start := 0
	for start < len(sent) && sent[start] != got[0] {
		start++
	}
	for i, g := range got {
		if start+i < len(sent) && sent[start+i] != g {
			t.Fatalf("frame %d at the edge is not the one that was published", i)
		}
	}
	near.check(t)
	far.check(t)
	if n := metric(t, edge, `ofctl_relay_upstream_dials_total{result="ok"}`); n > 2 {
		t.Errorf("the edge called its upstream %v times", n)
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
