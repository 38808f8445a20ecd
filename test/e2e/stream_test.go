package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A publisher is ffmpeg sending a stream whose frames all differ, 30 a second, a keyframe each second, and keeping what
// it sent.
type publisher struct {
	*process
	host *host
	file string // what it sent
}

// publish sends a stream to an RTMP address until it is told to finish, and returns once that has been accepted.
func (h *host) publish(url string) *publisher {
	h.lab.t.Helper()
	file := h.lab.path(fmt.Sprintf("sent-%s-%d.flv", h.name, processes.Load()))
	p := h.start("ffmpeg", "-nostdin", "-loglevel", "warning", "-re",
		"-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-b:v", "600k", "-g", "30",
		"-flags", "+global_header", "-map", "0:v", "-f", "tee", "[f=flv:flvflags=no_duration_filesize]"+url+"|[f=flv:flush_packets=1]"+file)
	// ffmpeg opens the file after the connection, and nginx-rtmp refuses a publisher whose stream it has begun to pull: a
	// viewer that is to be served by the publisher's own relay must not come before this.
	await(h.lab.t, "the stream is on air", patience, func() bool {
		info, err := os.Stat(file)
		return err == nil && info.Size() > 0
	})
	return &publisher{process: p, host: h, file: file}
}

// finish lets the stream go on for a while, ends it, and returns the hash of every frame that was sent.
func (p *publisher) finish(after time.Duration) []string {
	p.t.Helper()
	time.Sleep(after) // of stream
	if !p.running() {
		p.t.Fatalf("the publisher ended by itself: %v", p.err)
	}
	err := p.stop(syscall.SIGINT)
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 255 { // how ffmpeg ends a stream well when it is told to
		p.t.Fatalf("publisher: %v", err)
	}
	return hashes(p.t, run(p.t, exec.Command("ffmpeg", "-nostdin", "-loglevel", "error", "-i", p.file,
		"-c", "copy", "-f", "framehash", "-hash", "md5", "-")))
}

// A viewer is a player that takes every frame's hash as the frame comes in.
type viewer struct {
	*process
	host *host
	file string // hashes of what it received
}

// watch plays an RTMP address with ffmpeg, which knows nothing but that address. It looks at half a second of the stream
// before it begins, and keeps what it looked at.
func (h *host) watch(url string) *viewer {
	h.lab.t.Helper()
	file := h.lab.path(fmt.Sprintf("seen-%s-%d.txt", h.name, processes.Load()))
	p := h.start("ffmpeg", "-nostdin", "-loglevel", "warning", "-analyzeduration", "500000", "-rtmp_live", "live", "-i", url,
		"-map", "0:v", "-c", "copy", "-flush_packets", "1", "-f", "framehash", "-hash", "md5", file)
	return &viewer{process: p, host: h, file: file}
}

// frames are the hashes of what has arrived so far.
func (v *viewer) frames() []string {
	out, err := os.ReadFile(v.file)
	if err != nil {
		return nil // it has not begun to play
	}
	return hashes(v.t, string(out))
}

// plays waits until the viewer has taken so many frames.
func (v *viewer) plays(n int) {
	v.t.Helper()
	awaitSeen(v.t, fmt.Sprintf("%s has %d frames", v.host.name, n), patience, func() (any, bool) {
		if !v.running() {
			v.t.Fatalf("%s's player ended: %v", v.host.name, v.err)
		}
		got := len(v.frames())
		return got, got >= n
	})
}

// sawAll ends the player and wants every frame from its first to the publisher's last, in order, none lost, none twice.
func (v *viewer) sawAll(sent []string) {
	v.t.Helper()
	awaitSeen(v.t, v.host.name+" has the last frame", patience, func() (any, bool) {
		got := v.frames()
		return fmt.Sprintf("%d frames; %d were sent", len(got), len(sent)), len(got) > 0 && got[len(got)-1] == sent[len(sent)-1]
	})
	_ = v.stop(syscall.SIGKILL) // of its own accord ffmpeg waits for more
	got := v.frames()
	first := slices.Index(sent, got[0])
	if first < 0 {
		v.t.Fatalf("%s: its first frame was never sent", v.host.name)
	}
	if want := sent[first:]; !slices.Equal(got, want) {
		v.t.Errorf("%s: got %d frames, want %d, from the %dth; the first that differs is %d", v.host.name, len(got), len(want),
			first, firstDifference(got, want))
	}
	v.t.Logf("%s saw all %d frames from its first, the %dth, on", v.host.name, len(got), first)
}

func firstDifference(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// hashes reads the last column of ffmpeg's framehash format.
func hashes(t *testing.T, text string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") || !strings.HasSuffix(line, "\n") {
			continue
		}
		fields := strings.Split(line, ",")
		if len(fields) != 6 {
			t.Fatalf("not a line of framehash: %q", line)
		}
		all = append(all, strings.TrimSpace(fields[5]))
	}
	return all
}
