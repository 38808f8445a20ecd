package controller

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ofctl-live/ofctl-live/internal/flow"
)

// TestSessionBytes has a viewer take bytes and fall silent: when its rules have gone, what they carried on the viewer's switch
// is counted, once, for whom served it.
func TestSessionBytes(t *testing.T) {
	for _, tt := range []struct {
		name, source string
		build        func(*lab)
	}{
		{"a peer, one switch", "hb", single},
		{"a peer, over switches", "hb", line},
		{"the service's node", "cdn", func(l *lab) { line(l); l.direct() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inLab(t, tt.build, func(l *lab) {
				c := l.watch("hv1")
				host := map[string]string{"hb": "hb", "cdn": "hs"}[tt.source]
				l.servedBy(c, "hv1", host)
				server := from(l.Host(host), l.Host("hv1"))[0]
				for range 100 {
					server.Write(make([]byte, 500))
					c.Write(make([]byte, 100))
				}
				l.after(time.Second)
				want := 0.0
				for _, f := range l.rules("s1", flow.KindSession) {
					want += float64(f.Bytes)
				}
				if want < 60_000 {
					l.t.Fatalf("the rules carried %.0f bytes", want)
				}
				if n := l.metric("ofctl_session_bytes_total"); n != 0 {
					l.t.Errorf("%.0f bytes before any rule has gone", n)
				}
				l.after(70 * time.Minute)
				if n := len(l.rules("s1", flow.KindSession)); n != 0 {
					l.t.Fatalf("%d rules left", n)
				}
				if got := l.bytesOf(tt.source); got != want || l.metric("ofctl_session_bytes_total") != want {
					l.t.Errorf("%.0f bytes for %s, %.0f in all; want %.0f", got, tt.source, l.metric("ofctl_session_bytes_total"), want)
				}
			})
		})
	}
}

// bytesOf is what a source's sessions are counted to have carried.
func (l *lab) bytesOf(source string) float64 {
	return testutil.ToFloat64(l.c.metrics.bytes.WithLabelValues(source))
}
