package ofproto

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unhex reads hexadecimal digits grouped by blanks; # begins a comment.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return b
}

// captured returns the messages in testdata/captures, by file.
func captured(t testing.TB) map[string][][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/captures/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	frames := map[string][][]byte{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if b := unhex(t, line); len(b) > 0 {
				frames[f] = append(frames[f], b)
			}
		}
	}
	return frames
}

// examples returns a message of every kind: those of TestMessages.
func examples(t testing.TB) [][]byte {
	t.Helper()
	var frames [][]byte
	for _, tests := range [][]messageTest{symmetricTests, switchTests, flowTests, statsTests, niciraTests} {
		for _, tt := range tests {
			frames = append(frames, unhex(t, tt.wire))
		}
	}
	return frames
}
