package controller

import (
	"strings"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto/oftest"
)

var liveA = stream.ID{App: "live", Key: "a"}

// publishing is what a publisher of live/a says first, and then of his stream.
func publishing(t *testing.T) []byte {
	return rtmp.NewConn(nil, nil).Encode(asking(t), rtmp.Message{Type: rtmp.TypeDataAMF0, ChunkStream: 4, StreamID: 1, Payload: []byte("onMetaData")})
}

// asking is what a publisher of live/a says until he is accepted, or refused.
func asking(t *testing.T) []byte {
	said := make([]byte, 1+1536+1536)
	said[0] = 3
	w := rtmp.NewConn(nil, nil)
	for _, c := range []rtmp.Command{
		{Name: "connect", Transaction: 1, Object: rtmp.Object{{Name: "app", Value: "live"}}},
		{Name: "publish", Transaction: 5, Args: []rtmp.Value{"a", "live"}},
	} {
		m, err := c.Message(0)
		if err != nil {
			t.Fatal(err)
		}
		said = w.Encode(said, m)
	}
	return said
}

// TestPublishAgain has a publisher lose its connection, which nobody sees, and dial again: the stream stays published when
// the silence of the first is noticed.
func TestPublishAgain(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].Ingest = true }, func(l *lab) {
		l.watch("hv1").Write(publishing(l.t))
		l.after(time.Second)
		second := l.watch("hv1")
		second.Write(publishing(l.t))
		for range 12 {
			l.after(5 * time.Second)
			second.Write([]byte("frame"))
			live, ok := l.c.streams.Load().Stream(liveA)
			if !ok {
				l.t.Fatal("the stream is unknown")
			}
			if c, _ := live.Copy("hb"); !c.Published || c.Publisher != l.Host("hv1").IP {
				l.t.Fatalf("copies %v", live.Copies)
			}
		}
	})
}

// TestFirstPublish has a publisher who is not known as one be sent to a peer that takes none, and would accept the stream all the
// same: the connection is reset at once, and the next is a publisher's from the first packet on. One who dialled the peer itself stays.
func TestFirstPublish(t *testing.T) {
	for _, said := range []func(*testing.T) []byte{asking, publishing} {
		inLab(t, single, func(l *lab) {
			own := l.Host("hv2").Dial(peerIP, 1935)
			first := l.watch("hv1")
			at := l.atPeer("hv1")
			own.Write(said(l.t))
			first.Write(said(l.t))
			l.after(7 * time.Millisecond)
			first.Write([]byte("more")) // which is lost
			l.after(resetEvery)
			if first.State() != oftest.Reset || at.State() != oftest.Reset {
				l.t.Errorf("the publisher is in state %v, its source in %v; want both reset", first.State(), at.State())
			}
			if own.State() != oftest.Established {
				l.t.Errorf("who dialled the peer itself is in state %v", own.State())
			}
			if n := l.series("ofctl_session_resets_total", map[string]string{"source": "hb"}); n != 1 || l.logged("session reset") != 1 {
				l.t.Errorf("%v resets counted, %d logged", n, l.logged("session reset"))
			}
			if live, ok := l.c.streams.Load().Stream(liveA); ok && live.Copies[0].Publisher == l.Host("hv1").IP {
				l.t.Errorf("it counts as published: %v", live.Copies)
			}
			if p := l.c.Peers()[0]; p.Viewers != 1 {
				l.t.Errorf("%d viewers at the peer, want one", p.Viewers)
			}
			l.servedBy(l.watch("hv1"), "hv1", "hs") // where publishers go
		})
	}
}

// TestPublishRefused has a publisher be refused: it sends nothing of its stream, and nobody is sent to it. One that is refused
// because the stream is there already does not end that.
func TestPublishRefused(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].Ingest = true }, func(l *lab) {
		l.watch("hv1").Write(asking(l.t))
		l.after(2 * meterInterval)
		if got := l.copies(); got != "" {
			l.t.Errorf("of a stream that was refused is known %q", got)
		}

		playing := l.Host("hv2").Dial(cdnIP, 1935)
		l.after(time.Second)
		playing.Write(publishing(l.t))
		l.after(time.Second)
		second := l.Host("hv2").Dial(cdnIP, 1935)
		l.after(time.Second)
		second.Write(asking(l.t))
		l.after(time.Second)
		second.CloseWrite()
		for range 10 {
			l.after(time.Second)
			playing.Write([]byte("frame"))
		}
		if got := l.copies(); got != "hb*" {
			l.t.Errorf("after another was refused is known %q, want hb*", got)
		}
	})
}

// TestPublishElsewhere has it served by another source the second time: the stream is published there alone.
func TestPublishElsewhere(t *testing.T) {
	inLab(t, func(l *lab) { single(l); l.o.Peers[0].Ingest = true }, func(l *lab) {
		l.watch("hv1").Write(publishing(l.t))
		l.after(time.Second)
		next := l.c.Settings()
		next.Peers = []stream.Peer{{Name: "new", Address: l.Host("hv2").IP, Port: 1935, Ingest: true}}
		l.Host("hv2").Listen(1935)
		l.c.Set(next)
		l.settle()
		l.watch("hv1").Write(publishing(l.t))
		l.after(time.Second)
		live, _ := l.c.streams.Load().Stream(liveA)
		if len(live.Copies) != 1 || live.Copies[0].At != "new" {
			l.t.Errorf("copies %v, want one at new", live.Copies)
		}
	})
}

// TestLastPlayerLeaves has two players come to a server and go, as it says by callbacks: with the last one its pull is over.
// What it publishes stays, and so does what it pushes to the service's node until it says that it does no more, or is dead.
func TestLastPlayerLeaves(t *testing.T) {
	inLab(t, single, func(l *lab) {
		for _, step := range []struct{ call, client, has string }{
			{"play", "10.0.0.50", "hb<cdn"},
			{"play", "10.0.0.50", "hb<cdn"},
			{"play_done", "10.0.0.50", "hb<cdn"},
			{"play_done", "10.0.0.50", ""},
			{"play_done", "10.0.0.50", ""},
			{"publish", "10.0.0.1", "hb*"},
			{"play", "10.0.0.50", "hb*"},
			{"play_done", "10.0.0.50", "hb*"},
			{"play", "10.0.0.99:1935/live", "hb*"}, // nobody's address
			{"play", "10.0.0.2:1935/live", "cdn<hb hb*"},
			{"play_done", "10.0.0.2:1935/live", "hb*"},
			{"play", "10.0.0.2:1935/live", "cdn<hb hb*"},
		} {
			if _, _, err := l.c.Notice(Callback{Relay: "hb", Call: step.call, ID: liveA, Client: step.client}, time.Now()); err != nil {
				l.t.Fatal(err)
			}
			if got := l.copies(); got != step.has {
				l.t.Errorf("after %s by %s: %q, want %q", step.call, step.client, got, step.has)
			}
		}
		l.Host("hb").SetSilent(true)
		l.after(9 * time.Second)
		if got := l.copies(); got != "" {
			l.t.Errorf("of a dead peer is known %q", got)
		}
	})
}

// copies is who has live/a from whom; a star after whom it is published to.
func (l *lab) copies() string {
	var words []string
	if live, ok := l.c.streams.Load().Stream(liveA); ok {
		for _, c := range live.Copies {
			word := c.At
			if c.Published {
				word += "*"
			}
			if c.From != "" {
				word += "<" + c.From
			}
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// TestRoomOfRelays has the only peer's room taken by another relay: the next viewer goes elsewhere, until the relay has left.
func TestRoomOfRelays(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		l.o.Peers[0].MaxViewers = 1
		l.o.Margin = 200 * time.Millisecond
	}, func(l *lab) {
		l.Host("hv2").Listen(1935)
		relay := Registration{Peer: stream.Peer{Name: "far", Address: l.Host("hv2").IP, Port: 1935}, Draining: true}
		if err := l.c.Register(relay, time.Now()); err != nil {
			l.t.Fatal(err)
		}
		l.after(3 * time.Second)
		l.c.streams.Publish(liveA, "live", "hb", peerIP, time.Time{})
		if from, err := l.c.Upstreams(liveA, "far", time.Now()); err != nil || from[0].Name != "hb" {
			l.t.Fatalf("the relay is told %v, %v", from, err)
		}
		if p := l.c.Peers()[0]; p.Relays != 1 || !p.Full() {
			l.t.Errorf("%+v, want it full of one relay", p)
		}
		l.servedBy(l.watch("hv1"), "hv1", "hs")
		if err := l.c.Leave("far"); err != nil {
			l.t.Fatal(err)
		}
		l.after(reportedMemory + 3*time.Second) // it never said that it took it
		l.servedBy(l.watch("hv1"), "hv1", "hb")
	})
}

// TestNodes has a stream of the second of two services: its node is what a copy at a peer is held against, and named before the other.
func TestNodes(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		h := l.AddHost("h2", "10.0.1.2", "s1", 20, 500*time.Millisecond)
		h.Listen(1935)
		l.o.Services = append(l.o.Services, stream.Service{Name: "second", Address: h.IP, Port: 1935})
	}, func(l *lab) {
		l.Host("hv2").Listen(1935)
		relay := Registration{Peer: stream.Peer{Name: "far", Address: l.Host("hv2").IP, Port: 1935}}
		if err := l.c.Register(relay, time.Now()); err != nil {
			l.t.Fatal(err)
		}
		l.after(3 * time.Second)
		l.c.streams.Publish(liveA, "second", "hb", peerIP, time.Time{})
		if h := l.c.sources(liveA, "far").Host(stream.CDN); h == nil || h.IP != l.Host("h2").IP {
			l.t.Errorf("its node is %+v", h)
		}
		list, err := l.c.Upstreams(liveA, "far", time.Now())
		if err != nil {
			l.t.Fatal(err)
		}
		var names []string
		for _, s := range list {
			names = append(names, s.Name)
		}
		if got := strings.Join(names, " "); got != "hb second "+l.o.Services[0].Name {
			l.t.Errorf("a relay is told %s", got)
		}
	})
}

// TestRoomForRelays has relays ask by callbacks where to take a stream from. One that has no room for one more is not named
// to another, until the callback that somebody has left.
func TestRoomForRelays(t *testing.T) {
	inLab(t, func(l *lab) {
		single(l)
		for _, name := range []string{"hv1", "hv2"} {
			l.Host(name).Listen(1935)
			l.o.Peers = append(l.o.Peers, stream.Peer{Name: name, Address: l.Host(name).IP, Port: 1935})
		}
		l.o.Peers[0].MaxViewers = 1
		l.o.Margin = 200 * time.Millisecond
	}, func(l *lab) {
		for _, step := range []struct{ relay, call, client, from string }{
			{"hb", "play", "10.0.0.50", ""}, // the CDN, as it is configured
			{"hv1", "play", "10.0.0.51", "hb"},
			{"hv2", "play", "10.0.0.52", "hv1"}, // hb has no room
			{"hb", "play", "10.0.0.3", ""},
			{"hv1", "play", "10.0.0.53", "hb"},  // but to whom it has the stream from hb already
			{"hb", "play_done", "10.0.0.3", ""}, // hv1 no longer takes it
			{"hv2", "play", "10.0.0.54", "hb"},
		} {
			from, redirect, err := l.c.Notice(Callback{Relay: step.relay, Call: step.call, ID: liveA, Client: step.client}, time.Now())
			if err != nil || redirect != (step.from != "") || redirect && from.Name != step.from {
				l.t.Errorf("%v: answered %v %v %v", step, from.Name, redirect, err)
			}
		}
	})
}
