package config

import (
	"fmt"
	"slices"
	"strings"
)

// An Error is one thing wrong with a configuration.
type Error struct {
	Path string // "peers[1].address"; empty for the file as a whole
	Msg  string

	place place // zero where a Config was made by hand
}

// Where returns "file:line" or "--flag", or "" where a Config was made by hand.
func (e Error) Where() string { return e.place.name }

// Error returns "file:line: path: message".
func (e Error) Error() string {
	path := e.Path
	if strings.HasPrefix(e.place.name, "-") { // a flag says all that its path would
		path = ""
	}
	parts := slices.DeleteFunc([]string{e.place.name, path, e.Msg}, func(s string) bool { return s == "" })
	return strings.Join(parts, ": ")
}

// Errors are all the things wrong with a configuration, in the order of the file.
type Errors []Error

// Error returns one line for each error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find each Error.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, err := range e {
		errs[i] = err
	}
	return errs
}

// about tells whether something is wrong already with what is at a path, or with what it is a part of.
func (e Errors) about(path string) bool {
	return slices.ContainsFunc(e, func(err Error) bool {
		rest, ok := strings.CutPrefix(path, err.Path)
		return ok && err.Path != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// sorted returns the errors in the order of their lines, or nil if there are none.
func (e Errors) sorted() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b Error) int { return a.place.line - b.place.line })
	return e
}

// meant says which of the known words a wrong one was likely meant to be, or else what is known.
func meant(got string, known []string) string {
	if near := nearest(got, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return "; known: " + strings.Join(known, ", ")
}

// nearest returns the word with the least edit distance to got, or "" if none is near enough to have been meant.
func nearest(got string, words []string) string {
	best, least := "", 1+max(1, len(got)/3)
	if len(got) > 64 { // no key is that long, and the distance costs len(got) * len(word)
		return ""
	}
	for _, w := range words {
		if d := distance(strings.ToLower(got), w); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two words, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
