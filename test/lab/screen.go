package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// transient begins a line that the next one replaces: progress.
const transient = "~ "

// A screen shows lines, the transient ones in place on a terminal, and now and then elsewhere.
type screen struct {
	out      io.Writer
	terminal bool
	partial  []byte
	shown    bool // a transient line is on the terminal
	next     time.Time
}

func newScreen(f *os.File) *screen {
	info, err := f.Stat()
	return &screen{out: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"}
}

// Write shows whole lines and keeps the rest for the next call.
func (s *screen) Write(p []byte) (int, error) {
	s.partial = append(s.partial, p...)
	for {
		line, rest, whole := bytes.Cut(s.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		s.show(string(line))
		s.partial = append(s.partial[:0], rest...)
	}
}

func (s *screen) show(line string) {
	progress, isTransient := strings.CutPrefix(line, transient)
	switch {
	case isTransient && s.terminal:
		fmt.Fprint(s.out, "\r\x1b[K", progress)
		s.shown = true
	case isTransient:
		if now := time.Now(); now.After(s.next) {
			fmt.Fprintln(s.out, progress)
			s.next = now.Add(10 * time.Second)
		}
	default:
		if s.shown {
			fmt.Fprint(s.out, "\r\x1b[K")
			s.shown = false
		}
		fmt.Fprintln(s.out, line)
	}
}
