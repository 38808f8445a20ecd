package controller

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
)

// TestAwaitUpstreams has a relay with an early viewer wait for a better upstream than the service's node: it is told of a peer
// as soon as somebody publishes there, and of the node when that is over.
func TestAwaitUpstreams(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].Ingest = true }, func(l *lab) {
		l.Host("hv2").Listen(1935)
		relay := Registration{Peer: stream.Peer{Name: "far", Address: l.Host("hv2").IP, Port: 1935}, Draining: true}
		node, peer := netip.MustParseAddrPort("10.0.0.2:1935"), netip.MustParseAddrPort("10.0.0.1:1935")
		ask := func(what, name string, than netip.AddrPort, least, most time.Duration) {
			l.t.Helper()
			if err := l.c.Register(relay, time.Now()); err != nil {
				l.t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(l.ctx, 5*time.Second)
			defer cancel()
			began := time.Now()
			list, err := l.c.AwaitUpstreams(ctx, liveA, "far", than)
			if took := time.Since(began); err != nil || list[0].Name != name || took < least || took > most {
				l.t.Errorf("%s: told %v, %v after %v; want %s after %v to %v", what, list, err, took, name, least, most)
			}
		}
		service := l.o.Services[0].Name
		ask("at first", service, netip.AddrPort{}, 0, 0)
		ask("nothing happens", service, node, 5*time.Second, 5*time.Second)
		client, said := l.watch("hv1"), publishing(l.t)
		go func() {
			time.Sleep(time.Second)
			client.Write(said)
		}()
		ask("somebody publishes", "hb", node, time.Second, 1200*time.Millisecond)
		ask("and goes on", "hb", peer, 5*time.Second, 5*time.Second)
		ask("it knows another", "hb", node, 0, 0)
		go func() {
			time.Sleep(time.Second)
			l.c.streams.Drop(liveA, "hb")
		}()
		ask("it is over", service, peer, time.Second, time.Second)
		l.c.waiting.Store(maxWaiting)
		ask("too many wait", service, node, 0, 0)
		if n := l.c.waiting.Swap(0); n != maxWaiting {
			l.t.Errorf("%d are counted as waiting, want %d", n, maxWaiting)
		}
		if _, err := l.c.AwaitUpstreams(l.ctx, liveA, "nobody", node); err == nil {
			l.t.Error("a stranger is answered")
		}
	})
}

// TestAwaitHealth has a relay ask before it has been found to serve: it is told of the peer as soon as it has.
func TestAwaitHealth(t *testing.T) {
	inLab(t, single, func(l *lab) {
		l.c.streams.Publish(liveA, "live", "hb", l.Host("hv1").IP, time.Time{})
		relay := Registration{Peer: stream.Peer{Name: "far", Address: l.Host("hv2").IP, Port: 1935}}
		if err := l.c.Register(relay, time.Now()); err != nil {
			l.t.Fatal(err)
		}
		l.after(time.Second)
		began := time.Now()
		go func() {
			time.Sleep(100 * time.Millisecond)
			l.Host("hv2").Listen(1935)
		}()
		ctx, cancel := context.WithTimeout(l.ctx, 5*time.Second)
		defer cancel()
		list, err := l.c.AwaitUpstreams(ctx, liveA, "far", netip.MustParseAddrPort("10.0.0.2:1935"))
		if took := time.Since(began); err != nil || list[0].Name != "hb" || took > l.c.o.ProbeInterval+100*time.Millisecond {
			l.t.Errorf("told %v, %v after %v; want hb within a round of probes", list, err, took)
		}
	})
}

func TestSourceAt(t *testing.T) {
	r := newRig(t)
	for at, want := range map[string]string{
		"10.0.0.1:1935": "hb-relay", "[::ffff:10.0.0.1]:1935": "hb-relay", "10.0.0.2:1935": stream.CDN,
		"10.0.0.1:1936": "10.0.0.1:1936", "[::1]:1935": "[::1]:1935",
	} {
		if got := r.c.SourceAt(netip.MustParseAddrPort(at)); got != want {
			t.Errorf("%s is called %s, want %s", at, got, want)
		}
	}
	if got := r.c.SourceAt(netip.AddrPort{}); got != "" {
		t.Errorf("no address is called %s", got)
	}
}
