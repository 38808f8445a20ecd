package measure

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// A Hash identifies a frame: the SHA-256 of its payload.
type Hash [sha256.Size]byte

// A Frame is one audio or video frame seen at one place.
type Frame struct {
	Hash  Hash
	At    time.Time // when its last byte had passed
	Video bool
	Key   bool // a video frame that can be decoded by itself
	Bytes int
}

// A Connection is one TCP connection to an RTMP server.
type Connection struct {
	Client, Server netip.AddrPort
	Dialled        time.Time // the first SYN
	Sent           []Frame   // client to server: what was published
	Received       []Frame   // server to client: what was played
	Up, Down       int64     // bytes on the wire from the client and to it, headers and repeats included
	Gap            bool      // bytes are missing that never followed, so frames after them are missing too
}

// Connections reads a pcap file and returns the connections in it to the given server port, in the order they were
// dialled. A connection that does not begin within the capture is left out; one that is not RTMP is an error that wraps
// rtmp.ErrNotRTMP.
func Connections(r io.Reader, port uint16) ([]Connection, error) {
	type ends struct{ client, server netip.AddrPort }
	type reading struct {
		Connection
		first    uint32 // sequence number of the SYN
		up, down direction
	}
	var order []*reading
	open := make(map[ends]*reading)

	err := readSegments(r, func(s segment) error {
		e, upward := ends{s.src, s.dst}, true
		if s.src.Port() == port && s.dst.Port() != port {
			e, upward = ends{s.dst, s.src}, false
		} else if s.dst.Port() != port {
			return nil
		}
		c := open[e]
		if upward && s.syn && (c == nil || s.seq != c.first) { // else a repeated SYN
			c = &reading{Connection: Connection{Client: e.client, Server: e.server, Dialled: s.at}, first: s.seq}
			c.up.deliver = sniff(&c.Sent)
			c.down.deliver = sniff(&c.Received)
			open[e] = c
			order = append(order, c)
		}
		if c == nil {
			return nil
		}
		if upward {
			c.Up += int64(s.length)
			c.up.add(s)
		} else {
			c.Down += int64(s.length)
			c.down.add(s)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	connections := make([]Connection, 0, len(order))
	for _, c := range order {
		for _, d := range []*direction{&c.up, &c.down} {
			if d.err != nil {
				return nil, fmt.Errorf("%v to %v: %w", c.Client, c.Server, d.err)
			}
			c.Gap = c.Gap || d.incomplete()
		}
		connections = append(connections, c.Connection)
	}
	return connections, nil
}

// Traffic reads a pcap file and returns the bytes on the wire from and to a server port, both ways together, for each step
// of time from begin to the last that has any. What came before is left out.
func Traffic(r io.Reader, port uint16, begin time.Time, step time.Duration) ([]int64, error) {
	var all []int64
	err := readSegments(r, func(s segment) error {
		if s.at.Before(begin) || s.src.Port() != port && s.dst.Port() != port {
			return nil
		}
		n := int(s.at.Sub(begin) / step)
		for len(all) <= n {
			all = append(all, 0)
		}
		all[n] += int64(s.length)
		return nil
	})
	return all, err
}

// sniff returns a consumer of one direction's bytes that appends the frames in it to frames.
func sniff(frames *[]Frame) func(time.Time, []byte) error {
	var now time.Time
	sniffer := rtmp.NewSniffer(func(m rtmp.Message) {
		parts := []rtmp.Message{m}
		if m.Type == rtmp.TypeAggregate {
			parts = rtmp.SplitAggregate(m)
		}
		for _, m := range parts {
			role := rtmp.RoleOf(m)
			if role != rtmp.RoleFrame && role != rtmp.RoleKey && role != rtmp.RoleAudio {
				continue
			}
			*frames = append(*frames, Frame{
				Hash:  sha256.Sum256(m.Payload),
				At:    now,
				Video: role != rtmp.RoleAudio,
				Key:   role == rtmp.RoleKey,
				Bytes: len(m.Payload),
			})
		}
	})
	return func(at time.Time, p []byte) error {
		now = at
		_, err := sniffer.Write(p)
		return err
	}
}
