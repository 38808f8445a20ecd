package rtmp

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// capture reads one direction of a recorded connection.
func capture(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "captures", name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sniff feeds b in pieces of the given size and returns the messages.
func sniff(t testing.TB, b []byte, piece int) []Message {
	t.Helper()
	var got []Message
	s := NewSniffer(func(m Message) { got = append(got, m) })
	for len(b) > 0 {
		n := min(piece, len(b))
		if _, err := s.Write(b[:n]); err != nil {
			t.Fatalf("after %d messages: %v", len(got), err)
		}
		b = b[n:]
	}
	return got
}

// TestSnifferReadsRealConnections follows what real clients and a real server sent, cut into packets in several ways.
func TestSnifferReadsRealConnections(t *testing.T) {
	published := make(map[string]bool)
	for _, m := range sniff(t, capture(t, "ffmpeg-publish.client"), 1448) {
		published[string(m.Payload)] = true
	}
	tests := []struct {
		name     string
		commands string // in order, by name
		av       bool   // carries the stream
	}{
		{"ffmpeg-publish.client", "connect releaseStream FCPublish createStream publish FCUnpublish deleteStream", true},
		{"ffmpeg-publish.server", "_result _result onStatus onStatus", false},
		{"ffmpeg-play.client", "connect createStream getStreamLength play deleteStream", false},
		{"ffmpeg-play.server", "_result _result onStatus", true},
		{"rtmpdump.client", "connect createStream FCSubscribe play deleteStream", false},
		{"rtmpdump.server", "_result _result onStatus", true},
		{"mplayer.client", "connect createStream getStreamLength play deleteStream", false},
		{"mplayer.server", "_result _result onStatus", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := capture(t, tt.name)
			got := sniff(t, b, len(b))
			for _, piece := range []int{1, 7, 1448} {
				if again := sniff(t, b, piece); !reflect.DeepEqual(got, again) {
					t.Errorf("in pieces of %d bytes: other messages", piece)
				}
			}
			var names []string
			av := 0
			for _, m := range got {
				switch m.Type {
				case TypeCommandAMF0:
					names = append(names, string(m.Payload[3:3+int(m.Payload[2])]))
				case TypeAudio, TypeVideo:
					av++
					if !published[string(m.Payload)] {
						t.Errorf("message of type %d at %d ms is none that was published", m.Type, m.Timestamp)
					}
				}
			}
			if s := strings.Join(names, " "); s != tt.commands {
				t.Errorf("commands %q, want %q", s, tt.commands)
			}
			if (av > 20) != tt.av {
				t.Errorf("%d audio and video messages", av)
			}
		})
	}
}

func TestSnifferRejectsOtherProtocols(t *testing.T) {
	for _, first := range []string{"\x06", "GET / HTTP/1.1\r\n", "\x16\x03\x01"} {
		t.Run(fmt.Sprintf("%q", first), func(t *testing.T) {
			s := NewSniffer(func(Message) { t.Error("a message") })
			_, err := s.Write([]byte(first))
			if !errors.Is(err, ErrNotRTMP) {
				t.Fatalf("error %v", err)
			}
			if _, again := s.Write(bytes.Repeat([]byte{3}, 4000)); again != err {
				t.Errorf("then %v, want the same error", again)
			}
		})
	}
}
