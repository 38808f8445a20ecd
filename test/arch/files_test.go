package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Where a package's doc.go says what is in each file, it says so of all of them and of no other.
func TestFilesAreExplained(t *testing.T) {
	line := regexp.MustCompile(`(?m)^//\t(\w+) +\S`)
	found := 0
	for _, p := range packages(t) {
		text, err := os.ReadFile(filepath.Join(p.Dir, "doc.go"))
		if err != nil || !strings.Contains(string(text), "\n// # Where to find what\n") {
			continue
		}
		found++
		var named []string
		for _, m := range line.FindAllSubmatch(text, -1) {
			named = append(named, string(m[1])+".go")
		}
		for _, file := range p.GoFiles {
			if file != "doc.go" && !slices.Contains(named, file) {
				t.Errorf("%s: doc.go does not say what is in %s", p.path(), file)
			}
		}
		for _, file := range named {
			if !slices.Contains(p.GoFiles, file) {
				t.Errorf("%s: doc.go speaks of %s, which is not there", p.path(), file)
			}
		}
	}
	if found < 2 {
		t.Errorf("%d packages say where to find what: the largest, controller and internal/relay, should", found)
	}
}
