// Package config reads the daemon's and the relay's YAML file into one typed value.
//
// The way is YAML -> defaults -> Config: a key the file does not name keeps its default, a key that is not known is an
// error with the nearest known one, and every error of a file is reported at once, each with its line and its path. A
// Config is never changed after it has been loaded; a reload makes a new one.
package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// The policies a service may be served under.
const (
	PolicyDirect = "direct"
	PolicyBypass = "bypass"
)

// A Config is everything the file may say. It is immutable once loaded.
type Config struct {
	Policy     string     `yaml:"policy"`   // direct or bypass; for services that name none of their own
	Listen     []string   `yaml:"listen"`   // HOST:PORT for OpenFlow connections
	HTTP       string     `yaml:"http"`     // HOST:PORT of the API and metrics; empty: none
	Log        Log        `yaml:"log"`      // what is logged, and how
	Services   []Service  `yaml:"services"` // what viewers dial
	Peers      []Peer     `yaml:"peers"`    // who may serve in a service's stead
	Bypass     Bypass     `yaml:"bypass"`   // how the bypass policy chooses
	Controller Controller `yaml:"controller"`
	Relay      Relay      `yaml:"relay"` // for `ofctl-live relay` only

	origin map[string]place // path -> where it was set, for the errors of Validate
}

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level"`  // error, warn, info, debug or trace
	Format string `yaml:"format"` // text, json, or auto: text on a terminal, JSON otherwise
}

// A Service is an address and port that viewers and publishers dial, such as a CDN node.
type Service struct {
	Name    string     `yaml:"name"` // unique among services and peers; a metric label
	Address netip.Addr `yaml:"address"`
	Port    uint16     `yaml:"port"`
	Policy  string     `yaml:"policy,omitempty"` // empty: the Config's
}

// A Peer is a host that relays a service's streams.
type Peer struct {
	Name       string     `yaml:"name"` // unique among services and peers; a metric label
	Address    netip.Addr `yaml:"address"`
	Port       uint16     `yaml:"port"`
	MaxViewers int        `yaml:"max_viewers"` // 0: no limit
	MaxKbps    int        `yaml:"max_kbps"`    // kbit/s that it may send, other relays included; 0: no limit
	Ingest     bool       `yaml:"ingest"`      // also takes publishers
	Upstream   Upstream   `yaml:"upstream"`
}

// An Upstream says how a peer's own connections to a service are told apart from those of players on the same host. The
// zero value says by host: everything the host dials is the relay's own.
type Upstream struct {
	Marked bool  // by DSCP instead of by host
	DSCP   uint8 // 1 to 63; Invariant: 0 unless Marked
}

// Strategies of the bypass policy.
const (
	LeastDelay  = "least-delay"
	Nearest     = "nearest"
	LeastLoaded = "least-loaded"
)

// Bypass says how the bypass policy chooses a source.
type Bypass struct {
	Strategy string        `yaml:"strategy"` // least-delay, nearest or least-loaded
	Margin   time.Duration `yaml:"margin"`   // by how much a peer may be farther than the service
}

// Controller holds the timing of the OpenFlow side.
type Controller struct {
	EchoInterval       time.Duration `yaml:"echo_interval"`        // between keepalives on an idle connection
	HandshakeTimeout   time.Duration `yaml:"handshake_timeout"`    // until a switch must be up
	LLDPInterval       time.Duration `yaml:"lldp_interval"`        // between probes of each port
	SessionIdleTimeout time.Duration `yaml:"session_idle_timeout"` // of a session's rules; whole seconds
	AuditInterval      time.Duration `yaml:"audit_interval"`       // between comparisons of flow tables
	ProbeInterval      time.Duration `yaml:"probe_interval"`       // between health probes of a peer
	KeepOrphans        bool          `yaml:"keep_orphans"`         // do not reset the viewers of a peer that died
	TLS                TLS           `yaml:"tls"`
}

// TLS holds the files for OpenFlow over TLS. All empty: plain TCP.
type TLS struct {
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca"` // switches must show a certificate of this authority

	// Pins says which datapath id a certificate may claim, by its subject's common name; others are refused. Empty: any.
	Pins map[string]DPID `yaml:"pins"`
}

// A DPID is a switch's datapath id, 16 hex digits in the file.
type DPID uint64

// parseDPID reads 1 to 16 hex digits.
func parseDPID(s string) (DPID, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a datapath id, up to 16 hex digits", s)
	}
	return DPID(n), nil
}

// String returns 16 hex digits.
func (d DPID) String() string { return fmt.Sprintf("%016x", uint64(d)) }

// MarshalText writes a DPID as the file has it.
func (d DPID) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Ways for a viewer of a relay to join a stream.
const (
	JoinGOP  = "gop"  // from the latest keyframe, at once
	JoinLive = "live" // at the next keyframe
)

// Relay configures `ofctl-live relay`.
type Relay struct {
	Listen    []string `yaml:"listen"`    // HOST:PORT for RTMP
	HTTP      string   `yaml:"http"`      // HOST:PORT of metrics and health; empty: none
	Name      string   `yaml:"name"`      // under which to register; empty: the host's name
	Advertise string   `yaml:"advertise"` // ADDRESS[:PORT] at which viewers reach it, IPv4; empty: the first of Listen

	Controller string   `yaml:"controller"` // http://HOST:PORT of the ofctl-live to register with; empty: none
	Upstream   []string `yaml:"upstream"`   // rtmp://HOST[:PORT]/APP to pull from, best first; empty: ask the controller
	Push       []string `yaml:"push"`       // rtmp:// addresses that local publishers are pushed to
	Ingest     bool     `yaml:"ingest"`     // told to the controller: it may send publishers here; needs Push
	DSCP       int      `yaml:"dscp"`       // marks the connections to upstreams, 1 to 63; 0: none

	Join  string        `yaml:"join"`  // gop or live
	Queue time.Duration `yaml:"queue"` // of stream a viewer may fall behind before it skips
	Keep  time.Duration `yaml:"keep"`  // of an upstream after its last viewer
	Stall time.Duration `yaml:"stall"` // silence after which an upstream is given up
	Idle  time.Duration `yaml:"idle"`  // after which viewers of a stream without a source are sent away; 0: never
	Drain time.Duration `yaml:"drain"` // of viewers at SIGTERM

	MaxViewers    int     `yaml:"max_viewers"`     // at a time; 0: no limit
	MaxKbps       int     `yaml:"max_kbps"`        // kbit/s that it may send, other relays included; told to the controller; 0: no limit
	MaxPerAddress int     `yaml:"max_per_address"` // connections from one address; 0: no limit
	Publish       Publish `yaml:"publish"`
}

// Publish says who may publish to a relay; empty, everybody may.
type Publish struct {
	Allow  []netip.Prefix `yaml:"allow"`  // addresses that publishers must come from
	Tokens []string       `yaml:"tokens"` // one of which they must give as ?token=
}

// Default returns what holds where a file says nothing: policy direct, no service, no peer.
func Default() *Config {
	return &Config{
		Policy: PolicyDirect,
		Listen: []string{"0.0.0.0:6653", "0.0.0.0:6633"}, // Mininet tries 6653, then 6633
		HTTP:   "127.0.0.1:9653",
		Log:    Log{Level: "info", Format: "auto"},
		Bypass: Bypass{Strategy: LeastDelay, Margin: 5 * time.Millisecond},
		Controller: Controller{
			EchoInterval:       5 * time.Second,
			HandshakeTimeout:   10 * time.Second,
			LLDPInterval:       5 * time.Second,
			SessionIdleTimeout: 300 * time.Second,
			AuditInterval:      60 * time.Second,
			ProbeInterval:      2 * time.Second,
		},
		Relay: Relay{
			Listen: []string{":1935"},
			Join:   JoinGOP,
			Queue:  2 * time.Second,
			Keep:   10 * time.Second,
			Stall:  2 * time.Second,
			Drain:  30 * time.Second,
		},
	}
}

// PolicyOf returns the policy a service is served under: its own, or else the Config's.
func (c *Config) PolicyOf(s Service) string {
	if s.Policy != "" {
		return s.Policy
	}
	return c.Policy
}
