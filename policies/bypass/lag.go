package bypass

import (
	"time"

	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
)

// likely is how many streams, those with the most viewers, stand for all that a viewer may ask for. Every one of them costs
// a look at each peer for each new connection.
const likely = 4

// lags is how old the stream will be at each of the peers, and last at the CDN, as far as can be told at a SYN, which does not
// name it: the mean over the service's most watched streams, each weighing as much as it has viewers, and one more. A stream of
// which the lag at one of the sources is not known says nothing. Nil: nothing is known, or the client is there to publish, or one
// of the peers does not report what it has: it may be the one where the stream is published, and nobody would know.
func lags(v stream.View, r stream.Request, peers []contender, margin time.Duration) []time.Duration {
	if r.Publishes {
		return nil
	}
	sources := make([]string, len(peers), len(peers)+1)
	for i := range peers {
		if !peers[i].peer.Reports {
			return nil
		}
		sources[i] = peers[i].peer.Name
	}
	sources = append(sources, stream.CDN)
	var (
		m     = mapOf(v)
		sums  = make([]time.Duration, len(sources))
		total time.Duration
		left  = likely
	)
	for l := range v.Streams.All {
		if l.Service != "" && l.Service != r.Service.Name {
			continue
		}
		if left--; left < 0 {
			break
		}
		lags, ok := l.Expected(sources, m, margin)
		if !ok {
			continue
		}
		weight := time.Duration(l.Viewers + 1)
		total += weight
		for i, lag := range lags {
			sums[i] += weight * lag
		}
	}
	if total == 0 {
		return nil
	}
	for i := range sums {
		sums[i] /= total
	}
	return sums
}

// mapOf is where the sources are, as far as streams can be had from them.
func mapOf(v stream.View) stream.Map {
	peers := make(map[string]*stream.Candidate, len(v.Peers))
	for i := range v.Peers {
		peers[v.Peers[i].Name] = &v.Peers[i]
	}
	host := func(source string) *topo.Host {
		if source == stream.CDN {
			return v.Node.Host
		}
		if p := peers[source]; p != nil && p.Healthy {
			return p.Host
		}
		return nil
	}
	full := func(source string) bool {
		p := peers[source]
		return p != nil && (p.Draining || p.Full())
	}
	return stream.Map{Snapshot: v.Snapshot, Host: host, Full: full}
}
