package relay_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
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

// A player plays a URL and leaves behind what it has decoded.
type player struct {
	name    string
	program string
	args    func(url string) []string
	env     []string
	nobody  bool                // it refuses to be root
	enough  func(*playing) bool // what is there so far proves that it plays both picture and sound
}

// playing is a player at work.
type playing struct {
	player
	dir  string // where it works; the file "log" has what it says
	cmd  *exec.Cmd
	done chan struct{} // nil: it is not installed
}

// A player has played enough when it has decoded so much. Picture may begin a second behind sound.
const (
	enoughFrames  = 45
	enoughSeconds = 1
	frameBytes    = 160 * 90 * 3 / 2      // of planar 4:2:0
	soundBytes    = 44100 * 2             // a second of 16 bits, mono
	aacFrames     = 44100 / 1024          // in a second
	playerTime    = time.Minute           // to play enough; most take two or three seconds
	playerPoll    = 50 * time.Millisecond // between looks at what there is
	nobodyID      = 65534                 // Debian's user "nobody"
)

// wrote reports whether a file has got so large.
func (p *playing) wrote(file string, size int64) bool {
	info, err := os.Stat(filepath.Join(p.dir, file))
	return err == nil && info.Size() >= size
}

// said counts a text in a file.
func (p *playing) said(text, file string) int {
	all, err := os.ReadFile(filepath.Join(p.dir, file))
	if err != nil {
		return 0
	}
	return bytes.Count(all, []byte(text))
}

func wroteRaw(p *playing) bool {
	return p.wrote("picture", enoughFrames*frameBytes) && p.wrote("sound", enoughSeconds*soundBytes)
}

// gstreamer plays from one of GStreamer's two RTMP sources.
func gstreamer(name string, source func(url string) []string) player {
	const decode = "! flvdemux name=d " +
		"d.video ! queue ! h264parse ! openh264dec ! video/x-raw,format=I420 ! filesink location=picture " +
		"d.audio ! queue ! aacparse ! faad ! audio/x-raw,format=S16LE ! filesink location=sound"
	return player{
		name: name, program: "gst-launch-1.0", enough: wroteRaw,
		args: func(url string) []string { return append(source(url), strings.Fields(decode)...) },
	}
}

var players = []player{
	{
		name: "ffmpeg", program: "ffmpeg",
		args: func(url string) []string {
			return []string{"-nostdin", "-loglevel", "error", "-i", url, "-map", "0", "-flush_packets", "1", "-f", "framehash", "hashes"}
		},
		enough: func(p *playing) bool {
			return p.said("#media_type", "hashes") == 2 && // and nothing that it takes for a third track
				p.said("\n0, ", "hashes") >= enoughFrames && p.said("\n1, ", "hashes") >= enoughSeconds*aacFrames
		},
	},
	{
		name: "ffplay", program: "ffplay",
		args: func(url string) []string { return []string{"-nostats", "-vf", "showinfo", "-af", "ashowinfo", url} },
		env:  []string{"SDL_VIDEODRIVER=dummy", "SDL_AUDIODRIVER=dummy"},
		enough: func(p *playing) bool {
			return p.said(" fmt:yuv420p ", "log") >= enoughFrames && p.said(" nb_samples:1024 ", "log") >= enoughSeconds*aacFrames
		},
	},
	{
		name: "rtmpdump", program: "rtmpdump",
		args: func(url string) []string { return []string{"-v", "-r", url, "-o", "out.flv"} },
		enough: func(p *playing) bool {
			if !p.wrote("out.flv", 60_000) { // two seconds
				return false
			}
			probe := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_type,codec_name", "-of", "csv", "out.flv")
			probe.Dir = p.dir
			out, err := probe.CombinedOutput()
			return err == nil && bytes.Contains(out, []byte("stream,h264,video\n")) && bytes.Contains(out, []byte("stream,aac,audio\n"))
		},
	},
	{
		name: "mplayer", program: "mplayer", enough: wroteRaw,
		args: func(url string) []string {
			return []string{"-vo", "yuv4mpeg:file=picture", "-ao", "pcm:file=sound", "-nolirc", "-noconsolecontrols", "-really-quiet", url}
		},
	},
	{
		name: "mpv", program: "mpv",
		args: func(url string) []string {
			return []string{"--no-config", "--vo=image", "--ao=pcm", "--ao-pcm-file=sound", "--audio-format=s16", url}
		},
		enough: func(p *playing) bool {
			pictures, err := filepath.Glob(filepath.Join(p.dir, "*.jpg"))
			return err == nil && len(pictures) >= enoughFrames && p.wrote("sound", enoughSeconds*soundBytes)
		},
	},
	{
		name: "vlc", program: "vlc", nobody: true, enough: wroteRaw,
		args: func(url string) []string {
			return []string{"-I", "dummy", "--vout", "yuv", "--yuv-file", "picture", "--aout", "afile", "--audiofile-file", "sound", url}
		},
	},
	gstreamer("gstreamer rtmpsrc", func(url string) []string { return []string{"rtmpsrc", "location=" + url + " live=1"} }),
	gstreamer("gstreamer rtmp2src", func(url string) []string { return []string{"rtmp2src", "location=" + url} }),
}

// start begins to play, unless the program is not there. It ends with the test at the latest.
func (pl player) start(t testing.TB, url string) *playing {
	t.Helper()
	p := &playing{player: pl}
	path, err := exec.LookPath(p.program)
	if err != nil {
		return p
	}
	if p.dir, err = os.MkdirTemp("", "player"); err != nil { // the test's own folder is closed to nobody
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(p.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(path, p.args(url)...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, log, log
	p.cmd.Env = append(os.Environ(), p.env...)
	if p.nobody && os.Getuid() == 0 {
		if err := os.Chown(p.dir, nobodyID, nobodyID); err != nil {
			t.Fatal(err)
		}
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyID, Gid: nobodyID}}
		p.cmd.Env = append(p.cmd.Env, "HOME="+p.dir)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.done = make(chan struct{})
	go func() {
		_ = p.cmd.Wait() // it is killed, mostly
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		_ = os.RemoveAll(p.dir)
	})
	return p
}

func (p *playing) stop() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// finish waits until the player has played enough, and ends it.
func (p *playing) finish(t *testing.T) {
	t.Helper()
	program(t, p.program)
	for end := time.Now().Add(playerTime); !p.enough(p); time.Sleep(playerPoll) {
		select {
		case <-p.done:
			if p.enough(p) { // it has written the rest meanwhile
				return
			}
			t.Errorf("%s ended: %v", p.name, p.cmd.ProcessState)
		default:
			if time.Now().Before(end) {
				continue
			}
			t.Errorf("%s does not play within %v", p.name, playerTime)
		}
		p.stop()
		p.tell(t)
		return
	}
	p.stop()
}

// tell logs what the player left behind.
func (p *playing) tell(t *testing.T) {
	t.Helper()
	files, err := os.ReadDir(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		if info, err := f.Info(); err == nil && i < 20 {
			t.Logf("%s: %d bytes", f.Name(), info.Size())
		}
	}
	log, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	t.Log(tail(string(log), 1500))
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
