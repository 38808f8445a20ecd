package api

import "time"

// A Switch is a connected OpenFlow switch.
type Switch struct {
	DPID      string    `json:"dpid"` // 16 hex digits
	Remote    string    `json:"remote"`
	Desc      string    `json:"desc"` // as it describes itself
	Since     time.Time `json:"since"`
	RTTMillis float64   `json:"rtt_ms"` // of the latest echo
	Ports     []Port    `json:"ports"`
	Rules     int       `json:"rules"` // ours, acknowledged
}

// A Port is a port of a switch.
type Port struct {
	No   uint16 `json:"no"`
	Name string `json:"name"`
	MAC  string `json:"mac"`
	Up   bool   `json:"up"`
	Link string `json:"link,omitempty"` // "dpid:port" of the far end, where another switch is
}

// A Link is one direction of a link between two switches.
type Link struct {
	From        string  `json:"from"` // "dpid:port"
	To          string  `json:"to"`
	DelayMillis float64 `json:"delay_ms"` // one way; 0: not measured yet
}

// A Host is what has been learnt of one.
type Host struct {
	MAC         string    `json:"mac"`
	IP          string    `json:"ip,omitempty"`
	At          string    `json:"at"` // "dpid:port"
	Since       time.Time `json:"since"`
	DelayMillis float64   `json:"delay_ms"` // one way to its switch; 0: not measured yet
}

// A Session is one connection to a service and who serves it.
type Session struct {
	Client  string    `json:"client"` // "address:port"
	Service string    `json:"service"`
	Dialed  string    `json:"dialed"`           // "address:port"
	Source  string    `json:"source"`           // a peer's name, or cdn; of a peer that has left its last, or former-peer
	State   string    `json:"state"`            // pending, active, parked or resetting
	Stream  string    `json:"stream,omitempty"` // "app/key", once the client has said so
	Publish bool      `json:"publish"`          // it publishes that stream; else it plays it
	Policy  string    `json:"policy"`           // that decided
	Reason  string    `json:"reason"`
	Started time.Time `json:"started"`
}

// A Peer is a relay that may serve, as it stands now.
type Peer struct {
	Name       string `json:"name"`
	Address    string `json:"address"` // "address:port"
	MaxViewers int    `json:"max_viewers"`
	Viewers    int    `json:"viewers"` // sessions it serves
	Relays     int    `json:"relays"`  // copies of streams that other relays have from it
	Healthy    bool   `json:"healthy"`
	Why        string `json:"why,omitempty"`  // why it is not healthy
	At         string `json:"at,omitempty"`   // "dpid:port", once known
	Registered bool   `json:"registered"`     // by itself, not by the configuration
	Draining   bool   `json:"draining"`       // takes no new viewers
	Kbps       int    `json:"kbps,omitempty"` // that it sends, as measured
}

// A Live is a stream that is known to exist.
type Live struct {
	App     string `json:"app"`
	Key     string `json:"key"`
	Service string `json:"service,omitempty"`
	Viewers int    `json:"viewers"` // relays among them
	Copies  []Copy `json:"copies"`
}

// A Copy is a stream at one source.
type Copy struct {
	At        string `json:"at"`             // a peer's name, or cdn
	From      string `json:"from,omitempty"` // the source it comes from, or its address where it is not known
	Next      string `json:"next,omitempty"` // the source it has been told to have it from instead
	Published bool   `json:"published"`      // to this very source
	Publisher string `json:"publisher,omitempty"`
	Viewers   int    `json:"viewers"`
}

// A Policy is what new connections are decided by.
type Policy struct {
	Policy   string            `json:"policy"`
	Services map[string]string `json:"services"` // service -> policy, for every service
}

// A PolicyChange is the body of PUT /v1/policy.
type PolicyChange struct {
	Policy  string `json:"policy"`
	Service string `json:"service,omitempty"` // empty: all
}

// PolicyChanged answers a PolicyChange: what holds now, and with dry_run or migrate what that moves.
type PolicyChanged struct {
	Policy
	Moves []Move `json:"moves,omitzero"` // nil: not asked for
}

// A Move is a session that would be served from elsewhere if it began now.
type Move struct {
	Client string `json:"client"` // "address:port"
	Dialed string `json:"dialed"` // "address:port"
	From   string `json:"from"`   // a peer's or the service's name
	To     string `json:"to"`
	Reason string `json:"reason"`
}

// A Registration is the body of PUT /v1/peers/{name}: what a relay says of itself.
type Registration struct {
	Address    string   `json:"address"` // IPv4
	Port       uint16   `json:"port"`
	MaxViewers int      `json:"max_viewers"` // 0: no limit
	MaxKbps    int      `json:"max_kbps"`    // 0: no limit
	Draining   bool     `json:"draining"`
	Ingest     bool     `json:"ingest"` // it takes publishers
	DSCP       uint8    `json:"dscp"`   // marks its own connections to a service; 0: all of its host's are its own
	Streams    []Stream `json:"streams"`
}

// A Stream is one that a relay holds.
type Stream struct {
	App       string `json:"app"`
	Key       string `json:"key"`
	Viewers   int    `json:"viewers"`
	Kbps      int    `json:"kbps"`
	Published bool   `json:"published"`      // by a publisher at this relay, not pulled
	From      string `json:"from,omitempty"` // "address:port" it comes from now; absent: from nowhere, or from a publisher
}

// Registered answers a Registration.
type Registered struct {
	TTLSeconds float64 `json:"ttl_seconds"` // until it must be renewed
}

// Upstreams answers GET /v1/upstream.
type Upstreams struct {
	Upstreams []string `json:"upstreams"` // "rtmp://address:port/app", best first
}
