package main

import (
	"strings"
	"testing"

	"github.com/ofctl-live/ofctl-live/internal/config"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// A connection reads the same in both formats, and as it is looked for.
func TestLogShowsConnections(t *testing.T) {
	session := stream.Tuple{Client: ofproto.IPv4{10, 0, 0, 3}, ClientPort: 40000, Service: ofproto.IPv4{10, 0, 0, 2}, ServicePort: 1935}
	for _, format := range []string{"text", "json"} {
		var out strings.Builder
		newLogger(config.Log{Level: "info", Format: format}, &out).WithField("session", session).Info("session decided")
		if !strings.Contains(out.String(), `"10.0.0.3:40000->10.0.0.2:1935"`) {
			t.Errorf("%s: %s", format, out.String())
		}
	}
}
