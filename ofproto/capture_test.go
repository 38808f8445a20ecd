package ofproto

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// What real switches and tools sent comes out byte for byte, and reads as the golden files beside the captures say.
func TestCaptures(t *testing.T) {
	for file, frames := range captured(t) {
		var text strings.Builder
		for _, wire := range frames {
			h, m, err := Decode(wire)
			if err != nil {
				t.Errorf("%s: %x: %v", file, wire, err)
				continue
			}
			if again, err := Append(nil, h.XID, m); err != nil || !bytes.Equal(again, wire) {
				t.Errorf("%s: encoded as %x, %v\nwant %x", file, again, err, wire)
			}
			text.WriteString(Format(h.XID, m) + "\n")
		}
		golden := strings.TrimSuffix(file, ".txt") + ".golden"
		if *update {
			if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		compareLines(t, golden, text.String(), string(want))
	}
}

func compareLines(t *testing.T, file, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) {
			t.Fatalf("%s: %d lines, want %d", file, len(g), len(w))
		}
		if g[i] != w[i] {
			t.Errorf("%s:%d:\n got %s\nwant %s", file, i+1, g[i], w[i])
		}
	}
}
