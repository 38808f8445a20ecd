package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"time"
)

var (
	policies   = []string{PolicyDirect, PolicyBypass}
	strategies = []string{LeastDelay, Nearest, LeastLoaded}
	levels     = []string{"error", "warn", "info", "debug", "trace"}
	formats    = []string{"text", "json", "auto"}
	joins      = []string{JoinGOP, JoinLive}
)

// minSessionIdle is the least idle timeout of a session's rules: a parked viewer's RTMP pings are 60 s apart, and a rule
// that expires under it sends its next segment to the real service, which resets the connection.
const minSessionIdle = 180 * time.Second

// OwnSource is what the source of a viewer is called who is served by the node that was dialled. No peer may be called so.
const OwnSource = "cdn"

// maxIdle is the longest idle timeout that a flow mod can carry, in 16 bits of seconds.
const maxIdle = 65535 * time.Second

// Validate tells everything that is wrong with c as Errors, or nil. What Load and Parse return is valid.
func (c *Config) Validate() error { return c.validate().sorted() }

func (c *Config) validate() Errors {
	v := &validator{origin: c.origin}
	v.oneOf("policy", "policy", c.Policy, policies)
	v.oneOf("log.level", "level", c.Log.Level, levels)
	v.oneOf("log.format", "format", c.Log.Format, formats)
	v.listen("listen", c.Listen)
	v.http("http", c.HTTP, "listen", c.Listen)
	v.places(c)
	v.oneOf("bypass.strategy", "strategy", c.Bypass.Strategy, strategies)
	v.between("bypass.margin", c.Bypass.Margin, 0, time.Minute)
	v.controller(&c.Controller)
	v.relay(&c.Relay)
	return v.errs
}

type validator struct {
	origin map[string]place
	errs   Errors
}

func (v *validator) fail(path, format string, args ...any) {
	v.errs = append(v.errs, Error{Path: path, Msg: fmt.Sprintf(format, args...), place: placeOf(v.origin, path)})
}

// places judges services and peers, which share one space of names and of addresses.
func (v *validator) places(c *Config) {
	names, addrs := map[string]string{}, map[netip.AddrPort]string{}
	place := func(path, what, name string, addr netip.Addr, port uint16) {
		v.name(path+".name", name)
		if first, ok := names[name]; ok && name != "" {
			v.fail(path+".name", "%q is the name of %s already", name, first)
		} else {
			names[name] = path
		}
		switch at := netip.AddrPortFrom(addr, port); {
		case !addr.IsValid():
			v.fail(path+".address", "a %s needs an IPv4 address", what)
		case CheckHost(addr) != nil:
			v.fail(path+".address", "%v", CheckHost(addr))
		case port == 0:
			v.fail(path+".port", "want a port, 1 to 65535")
		case addrs[at] != "":
			v.fail(path+".address", "%s is %s already", at, addrs[at])
		default:
			addrs[at] = path
		}
	}
	for i, s := range c.Services {
		path := fmt.Sprintf("services[%d]", i)
		place(path, "service", s.Name, s.Address, s.Port)
		if s.Policy != "" {
			v.oneOf(path+".policy", "policy", s.Policy, policies)
		}
	}
	for i, p := range c.Peers {
		path := fmt.Sprintf("peers[%d]", i)
		place(path, "peer", p.Name, p.Address, p.Port)
		if p.Name == OwnSource && names[p.Name] == path {
			v.fail(path+".name", "%q is kept for the service's own node, in metrics and logs", p.Name)
		}
		v.notNegative(path+".max_viewers", p.MaxViewers)
		v.notNegative(path+".max_kbps", p.MaxKbps)
		if p.Upstream.Marked != (p.Upstream.DSCP != 0) || p.Upstream.DSCP > 63 {
			v.fail(path+".upstream", "a DSCP mark is 1 to 63")
		}
	}
}

func (v *validator) controller(c *Controller) {
	v.between("controller.echo_interval", c.EchoInterval, 100*time.Millisecond, time.Hour)
	v.between("controller.handshake_timeout", c.HandshakeTimeout, 100*time.Millisecond, time.Hour)
	v.between("controller.lldp_interval", c.LLDPInterval, 100*time.Millisecond, time.Hour)
	v.between("controller.session_idle_timeout", c.SessionIdleTimeout, minSessionIdle, maxIdle)
	if c.SessionIdleTimeout%time.Second != 0 {
		v.fail("controller.session_idle_timeout", "%v is not in whole seconds", c.SessionIdleTimeout)
	}
	v.between("controller.audit_interval", c.AuditInterval, time.Second, 24*time.Hour)
	v.between("controller.probe_interval", c.ProbeInterval, 100*time.Millisecond, time.Hour)
	switch t := c.TLS; {
	case (t.Cert == "") != (t.Key == ""):
		v.fail("controller.tls", "cert and key go together")
	case t.ClientCA != "" && t.Cert == "":
		v.fail("controller.tls.client_ca", "of no use without cert and key")
	case len(t.Pins) > 0 && t.ClientCA == "":
		v.fail("controller.tls.pins", "of no use without client_ca: nobody would show a certificate")
	}
}

func (v *validator) relay(r *Relay) {
	v.listen("relay.listen", r.Listen)
	v.http("relay.http", r.HTTP, "relay.listen", r.Listen)
	if r.Name != "" {
		v.name("relay.name", r.Name)
	}
	if r.Controller != "" {
		v.url("relay.controller", r.Controller, "http", "https")
	}
	v.advertise(r)
	v.urls("relay.upstream", r.Upstream)
	v.urls("relay.push", r.Push)
	if r.Ingest && len(r.Push) == 0 {
		v.fail("relay.ingest", "of no use without push: what is published here would never be at the service's own node")
	}
	if r.DSCP < 0 || r.DSCP > 63 {
		v.fail("relay.dscp", "%d is not a mark, 1 to 63, nor 0 for none", r.DSCP)
	}
	v.oneOf("relay.join", "join", r.Join, joins)
	v.between("relay.queue", r.Queue, 100*time.Millisecond, time.Minute)
	v.between("relay.keep", r.Keep, 0, time.Hour)
	v.between("relay.stall", r.Stall, 100*time.Millisecond, time.Minute)
	v.between("relay.idle", r.Idle, 0, 24*time.Hour)
	v.between("relay.drain", r.Drain, 0, 24*time.Hour)
	v.notNegative("relay.max_viewers", r.MaxViewers)
	v.notNegative("relay.max_kbps", r.MaxKbps)
	v.notNegative("relay.max_per_address", r.MaxPerAddress)
	for i, token := range r.Publish.Tokens {
		if token == "" {
			v.fail(fmt.Sprintf("relay.publish.tokens[%d]", i), "an empty token would let everybody publish")
		}
	}
}

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// name judges a name that becomes a metric's label and part of a URL's path.
func (v *validator) name(path, got string) {
	if err := CheckName(got); err != nil {
		v.fail(path, "%v", err)
	}
}

// CheckName tells what is wrong with a service's or peer's name, nil for nothing.
func CheckName(got string) error {
	if !name.MatchString(got) {
		return fmt.Errorf("%q is not a name: a letter or digit, then up to 62 letters, digits, dots, dashes or underscores", got)
	}
	return nil
}

func (v *validator) oneOf(path, what, got string, known []string) {
	for _, k := range known {
		if got == k {
			return
		}
	}
	v.fail(path, "unknown %s %q%s", what, got, meant(got, known))
}

func (v *validator) notNegative(path string, n int) {
	if n < 0 {
		v.fail(path, "%d is negative", n)
	}
}

func (v *validator) between(path string, d, least, most time.Duration) {
	if d < least || d > most {
		v.fail(path, "%v is not between %v and %v", d, least, most)
	}
}
