package controller

import (
	"testing"

	"github.com/ofctl-live/ofctl-live/internal/flow"
)

// TestDirect has viewers served by the CDN they dialled, over one switch and over three.
func TestDirect(t *testing.T) {
	for _, build := range []func(*lab){single, line} {
		inLab(t, func(l *lab) { build(l); l.direct() }, func(l *lab) {
			c := l.watch("hv1")
			l.servedBy(c, "hv1", "hs")
			if n := len(from(l.Host("hb"), l.Host("hv1"))); n != 0 {
				l.t.Errorf("the peer has %d connections", n)
			}
			if s := l.session(l.Host("hv1")); s.State != "active" || s.Source.Name != "cdn" || s.Policy != "direct" {
				l.t.Errorf("%s from %+v: %s", s.State, s.Source, s.Reason)
			}
		})
	}
}

// TestBypass has a viewer that dials the CDN served by the peer. Neither the viewer nor the CDN can tell.
func TestBypass(t *testing.T) {
	for _, build := range []func(*lab){single, line} {
		inLab(t, build, func(l *lab) {
			viewer, cdn := l.Host("hv1"), l.Host("hs")
			c := l.watch("hv1")
			l.servedBy(c, "hv1", "hb")
			if n := saw(cdn, viewer.IP); n != 0 {
				l.t.Errorf("the CDN saw %d segments of the viewer", n)
			}
			if n := saw(viewer, peerIP); n != 0 {
				l.t.Errorf("the viewer saw %d segments of the peer's address", n)
			}
			if mac, _ := viewer.Knows(cdnIP); mac != cdn.MAC {
				l.t.Errorf("the viewer takes %v for the CDN's address, want its own %v", mac, cdn.MAC)
			}
			if s := l.session(viewer); s.State != "active" || s.Source.Name != "hb" || s.Reason == "" {
				l.t.Errorf("%s from %+v: %s", s.State, s.Source, s.Reason)
			}
			for _, f := range l.rules("s1", flow.KindSession) {
				if f.IdleTimeout > 0 && f.IdleTimeout < 180 || f.HardTimeout != 0 {
					l.t.Errorf("a parked viewer would be cut off: %v", f)
				}
			}
		})
	}
}
