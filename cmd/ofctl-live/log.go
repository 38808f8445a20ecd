package main

import (
	"io"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/config"
)

// newLogger writes to w as the configuration says: text for people at a terminal, JSON for everything else.
func newLogger(c config.Log, w io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(w)
	setLevel(log, c)
	if c.Format == "text" || c.Format == "auto" && isTerminal(w) {
		log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: "15:04:05.000"})
	} else {
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano, DisableHTMLEscape: true}) // -> is to be read, and looked for
	}
	return log
}

func setLevel(log *logrus.Logger, c config.Log) {
	level, err := logrus.ParseLevel(c.Level)
	if err != nil {
		panic(err) // the configuration admits only levels that logrus has
	}
	log.SetLevel(level)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
