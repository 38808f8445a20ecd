package relay_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/relay"
)

// publishFFmpeg has ffmpeg publish picture and sound to a URL for as long as the test runs, a keyframe every second. It is
// as if it had been on air for 4 h 39 min 36.5 s: 0.7 s later its timestamps outgrow a chunk's 24 bits.
func publishFFmpeg(t testing.TB, url string) {
	t.Helper()
	launch(t, exec.Command(program(t, "ffmpeg"), "-nostdin", "-loglevel", "error", "-re",
		"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=30", "-f", "lavfi", "-i", "sine=440:r=44100", "-t", "600", "-output_ts_offset", "16776.5",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-b:v", "200k",
		"-c:a", "aac", "-b:a", "32k", "-f", "flv", url))
}

// publishGStreamer does so with one of GStreamer's two RTMP sinks.
func publishGStreamer(t testing.TB, url, sink string) {
	t.Helper()
	launch(t, exec.Command(program(t, "gst-launch-1.0"), strings.Fields(
		"flvmux name=m streamable=true ! "+sink+" location="+url+
			" videotestsrc is-live=true ! video/x-raw,width=160,height=90,framerate=30/1 "+
			"! openh264enc gop-size=30 bitrate=200000 ! h264parse ! queue ! m. "+
			"audiotestsrc is-live=true ! audio/x-raw,rate=44100,channels=1 ! voaacenc bitrate=32000 ! aacparse ! queue ! m.")...))
}

// publishOBS does so with OBS Studio, which needs a screen, and draws on it without a graphics card.
func publishOBS(t testing.TB, server, key string) {
	t.Helper()
	obs, screen := program(t, "obs"), program(t, "Xvfb")
	home := t.TempDir()
	settings := filepath.Join(home, ".config", "obs-studio")
	for name, text := range map[string]string{
		"global.ini": "[General]\nFirstRun=true\nEnableAutoUpdates=false\n" +
			"[Basic]\nProfile=test\nProfileDir=test\nSceneCollection=test\nSceneCollectionFile=test\n[BasicWindow]\nSysTrayEnabled=false\n",
		"basic/profiles/test/basic.ini": "[General]\nName=test\n" +
			"[Video]\nBaseCX=160\nBaseCY=90\nOutputCX=160\nOutputCY=90\nFPSType=0\nFPSCommon=30\n[Audio]\nSampleRate=44100\nChannelSetup=Mono\n" +
			"[Output]\nMode=Simple\n[SimpleOutput]\nVBitrate=200\nABitrate=64\nStreamEncoder=x264\nUseAdvanced=true\nPreset=ultrafast\nx264Settings=keyint=30\n",
		"basic/profiles/test/service.json": fmt.Sprintf(`{"type": "rtmp_custom", "settings": {"server": %q, "key": %q}}`, server, key),
		"basic/scenes/test.json": `{"name": "test", "current_scene": "s", "current_program_scene": "s", "scene_order": [{"name": "s"}], "sources": [
			{"id": "ffmpeg_source", "name": "m", "mixers": 255, "volume": 1.0, "settings": {"is_local_file": false,
				"input_format": "lavfi", "input": "testsrc2=size=160x90:rate=30[out0];sine=440:r=44100[out1]"}},
			{"id": "scene", "name": "s", "settings": {"items": [{"name": "m", "id": 1, "visible": true}], "id_counter": 1}}]}`,
	} {
		file := filepath.Join(settings, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	// The X server chooses a display that is free, and writes its number once it can be used.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	x := exec.Command(screen, "-displayfd", "3", "-screen", "0", "800x600x24", "-nolisten", "tcp")
	x.ExtraFiles = []*os.File{w}
	launch(t, x)
	w.Close()
	var display int
	_ = r.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fscan(r, &display); err != nil {
		t.Fatalf("Xvfb gives no display: %v", err)
	}

	cmd := exec.Command(obs, "--profile", "test", "--collection", "test", "--startstreaming", "--multi", "--disable-updater")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, ".config"), fmt.Sprintf("DISPLAY=:%d", display),
		"http_proxy=http://127.0.0.1:9", "https_proxy=http://127.0.0.1:9") // it looks for news of streaming services
	launch(t, cmd)
}

// launch starts a program and ends it with the test, which, if it failed, shows what the program said.
func launch(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.Close()
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("%s:\n%s", filepath.Base(cmd.Path), tail(string(said), 1500))
		}
	})
}

// TestRealPublishers has each publisher send to a relay, and a player that was there before it and one that came after it
// decode picture and sound.
func TestRealPublishers(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: plays in real time")
	}
	t.Parallel()
	r := startRelay(t, relay.Options{})
	for _, p := range []struct {
		name    string
		publish func(t *testing.T, key string)
	}{
		{"ffmpeg", func(t *testing.T, key string) { publishFFmpeg(t, "rtmp://"+r.address+"/live/"+key) }},
		{"gstreamer rtmp2sink", func(t *testing.T, key string) { publishGStreamer(t, "rtmp://"+r.address+"/live/"+key, "rtmp2sink") }},
		{"gstreamer rtmpsink", func(t *testing.T, key string) { publishGStreamer(t, "rtmp://"+r.address+"/live/"+key, "rtmpsink") }},
		{"obs", func(t *testing.T, key string) { publishOBS(t, "rtmp://"+r.address+"/live", key) }},
	} {
		t.Run(p.name, func(t *testing.T) {
			key := strings.ReplaceAll(p.name, " ", "-")
			ffmpeg, url := players[0], "rtmp://"+r.address+"/live/"+key
			early := ffmpeg.start(t, url)
			p.publish(t, key)
			early.finish(t)
			ffmpeg.start(t, url).finish(t)
		})
	}
}
