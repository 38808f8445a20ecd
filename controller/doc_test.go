package controller

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The package's comment says of every file what is in it, and of no other.
func TestDocNamesFiles(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+) +\S`).FindAllSubmatch(text, -1) {
		named[string(m[1])] = true
	}
	all, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, file := range all {
		if name := strings.TrimSuffix(file, ".go"); name != "doc" && !strings.HasSuffix(name, "_test") {
			there[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if !named[name] {
			t.Errorf("doc.go does not say what is in %s.go", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !there[name] {
			t.Errorf("doc.go speaks of %s.go, which is not there", name)
		}
	}
}
