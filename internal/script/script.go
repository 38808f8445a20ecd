// Package script plays the tests' scripts: text files that hold what is done and asked, and under it the answers.
package script

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/*.txt")

// A Do does or asks one thing and returns the answer: no line or several, each ended.
type Do func(verb string, args []string) (answer string, err error)

// Run plays each testdata/*.txt of the package under test with a Do of its own. A line that begins with > is done or asked,
// and the lines below it are the answer; # begins a comment. With -update the answers are rewritten.
func Run(t *testing.T, start func() Do) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text), start())
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, have := strings.Split(string(text), "\n"), strings.Split(got, "\n")
			for i := range min(len(want), len(have)) {
				if want[i] != have[i] {
					t.Fatalf("%s:%d: got %q, want %q", name, i+1, have[i], want[i])
				}
			}
			if len(want) != len(have) {
				t.Fatalf("%s: %d lines, want %d", name, len(have), len(want))
			}
		})
	}
}

// play does what a script says and returns it with the answers it gets.
func play(t *testing.T, script string, do Do) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(script) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
			out.WriteString(line)
		case words[0] == ">" && len(words) > 1:
			out.WriteString(line)
			answer, err := do(words[1], words[2:])
			if err != nil {
				t.Fatalf("%s: %v", strings.TrimSpace(line), err)
			}
			out.WriteString(answer)
		}
	}
	return out.String()
}
