package relay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// A Join says where in a stream a new viewer begins.
type Join string

// The ways to join.
const (
	JoinGOP  Join = "gop"  // at the last keyframe: a picture at once
	JoinLive Join = "live" // at the next keyframe: not a frame behind
)

// Options configures a Relay. Zero durations and numbers mean the defaults that are given here, unless said otherwise.
type Options struct {
	Listen    []string // addresses for RTMP; ":1935"
	Name      string   // in logs and at the controller; "relay"
	Advertise string   // IPv4 ADDRESS or ADDRESS:PORT that viewers reach this relay at; needed to register unless Listen has it

	Upstream []string // rtmp://HOST[:PORT][/APP], best first: where streams come from that are not published here
	Push     []string // likewise: where streams go to that are published here
	Ingest   bool     // told to the controller: it may send publishers here. Needs Push
	DSCP     int      // marks the connections to upstreams, 0 to 63; zero leaves them unmarked

	Controller string // base URL of ofctl-live's HTTP API; empty: a plain relay
	HTTP       string // address for metrics and health; empty: none

	Join       Join          // JoinGOP
	Queue      time.Duration // stream that a viewer may lag behind before it skips; 2 s
	Keep       time.Duration // a pulled stream outlives its last viewer by this; 10 s
	Stall      time.Duration // silence that gives an upstream up; 2 s
	Idle       time.Duration // viewers of a stream without a source are sent away after this; zero: never
	Drain      time.Duration // what viewers are given to leave once Run is told to end; zero: nothing
	MaxViewers int           // zero: no bound
	MaxKbps    int           // capacity told to the controller; zero: no bound
	PerAddress int           // connections from one address at a time; zero: no bound
	ChunkSize  int           // of what is sent, in bytes; 65536

	Publish PublishOptions

	Log      logrus.FieldLogger   // logrus's standard logger
	Registry *prometheus.Registry // a new one
}

// PublishOptions says who may publish; the zero value lets everybody.
type PublishOptions struct {
	Allow  []netip.Prefix // publishers' addresses; empty: all
	Tokens []string       // one of which must come as ?token= behind the stream's name; empty: none needed
}

const (
	// handshakeTimeout is what a client is given from connecting to its play or publish.
	handshakeTimeout = 10 * time.Second
	// maxStrangerMessage bounds the messages, in bytes, of those who are not publishing: commands are small.
	maxStrangerMessage = 256 << 10
)

// withDefaults returns o with its zero values replaced, or every mistake in it.
func (o Options) withDefaults() (Options, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("relay: "+format, args...)) }
	defaultTo(&o.Name, "relay")
	defaultTo(&o.Join, JoinGOP)
	defaultTo(&o.Queue, 2*time.Second)
	defaultTo(&o.Keep, 10*time.Second)
	defaultTo(&o.Stall, 2*time.Second)
	defaultTo(&o.ChunkSize, 65536)
	if len(o.Listen) == 0 {
		o.Listen = []string{":1935"}
	}
	if o.Log == nil {
		o.Log = logrus.StandardLogger()
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	for _, a := range o.Listen {
		if _, _, err := net.SplitHostPort(a); err != nil {
			bad("listen %q: %w", a, err)
		}
	}
	for what, urls := range map[string][]string{"upstream": o.Upstream, "push": o.Push} {
		for _, u := range urls {
			if _, err := rtmp.ParseURL(u); err != nil {
				bad("%s: %w", what, err)
			}
		}
	}
	if o.Controller != "" {
		if u, err := url.Parse(o.Controller); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			bad("controller %q: want http://HOST:PORT", o.Controller)
		}
		if _, err := advertised(o.Listen[0]); o.Advertise == "" && err != nil {
			bad("advertise: to register, say at which address viewers reach this relay")
		} else if o.Advertise == "" {
			o.Advertise = o.Listen[0]
		}
	}
	if o.Advertise != "" {
		at, err := advertised(o.Advertise)
		if err != nil {
			bad("advertise: %w", err)
		}
		o.Advertise = at.String()
	}
	if o.Ingest && len(o.Push) == 0 {
		bad("ingest: without push, what is published here would never be at the service's own node")
	}
	if o.Join != JoinGOP && o.Join != JoinLive {
		bad("join %q: want %s or %s", o.Join, JoinGOP, JoinLive)
	}
	if o.DSCP < 0 || o.DSCP > 63 {
		bad("dscp %d: want 0 to 63", o.DSCP)
	}
	if o.ChunkSize < rtmp.DefaultChunkSize || o.ChunkSize > rtmp.MaxChunkSize {
		bad("chunk size %d: want %d to %d", o.ChunkSize, rtmp.DefaultChunkSize, rtmp.MaxChunkSize)
	}
	for name, d := range map[string]time.Duration{"queue": o.Queue, "keep": o.Keep, "stall": o.Stall, "idle": o.Idle, "drain": o.Drain} {
		if d < 0 {
			bad("%s %v: negative", name, d)
		}
	}
	return o, errors.Join(errs...)
}

// rtmpPort is IANA's port for RTMP.
const rtmpPort = 1935

// advertised reads ADDRESS or ADDRESS:PORT of one host, which the controller makes rules for; those are for IPv4.
func advertised(s string) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		var a netip.Addr
		a, err = netip.ParseAddr(s)
		at = netip.AddrPortFrom(a, rtmpPort)
	}
	if err != nil || !at.Addr().Is4() || at.Addr().IsUnspecified() || at.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("%q is not ADDRESS[:PORT] with the IPv4 address of one host", s)
	}
	return at, nil
}

func defaultTo[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
