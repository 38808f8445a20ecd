package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// The keys of each part of the file. A setter overwrites what its key names and leaves the rest, so that a document can
// be laid over the defaults, and flags over a document.

func (c *Config) fields() setter {
	return object(map[string]setter{
		"policy":     scalar(&c.Policy, text),
		"listen":     words(&c.Listen),
		"http":       scalar(&c.HTTP, text),
		"log":        c.Log.fields(),
		"services":   list(&c.Services, Service{Port: rtmpPort}, (*Service).fields),
		"peers":      list(&c.Peers, Peer{Port: rtmpPort}, (*Peer).fields),
		"bypass":     c.Bypass.fields(),
		"controller": c.Controller.fields(),
		"relay":      c.Relay.fields(),
	})
}

func (l *Log) fields() setter {
	return object(map[string]setter{
		"level":  scalar(&l.Level, text),
		"format": scalar(&l.Format, text),
	})
}

func (s *Service) fields() setter {
	return object(map[string]setter{
		"name":    scalar(&s.Name, text),
		"address": scalar(&s.Address, address),
		"port":    scalar(&s.Port, port),
		"policy":  scalar(&s.Policy, text),
	})
}

func (p *Peer) fields() setter {
	return object(map[string]setter{
		"name":        scalar(&p.Name, text),
		"address":     scalar(&p.Address, address),
		"port":        scalar(&p.Port, port),
		"max_viewers": scalar(&p.MaxViewers, count),
		"max_kbps":    scalar(&p.MaxKbps, count),
		"ingest":      scalar(&p.Ingest, yesNo),
		"upstream":    scalar(&p.Upstream, parseUpstream),
	})
}

func (b *Bypass) fields() setter {
	return object(map[string]setter{
		"strategy": scalar(&b.Strategy, text),
		"margin":   scalar(&b.Margin, duration),
	})
}

func (c *Controller) fields() setter {
	return object(map[string]setter{
		"echo_interval":        scalar(&c.EchoInterval, duration),
		"handshake_timeout":    scalar(&c.HandshakeTimeout, duration),
		"lldp_interval":        scalar(&c.LLDPInterval, duration),
		"session_idle_timeout": scalar(&c.SessionIdleTimeout, duration),
		"audit_interval":       scalar(&c.AuditInterval, duration),
		"probe_interval":       scalar(&c.ProbeInterval, duration),
		"keep_orphans":         scalar(&c.KeepOrphans, yesNo),
		"tls": object(map[string]setter{
			"cert":      scalar(&c.TLS.Cert, text),
			"key":       scalar(&c.TLS.Key, text),
			"client_ca": scalar(&c.TLS.ClientCA, text),
			"pins":      dictionary(&c.TLS.Pins, parseDPID),
		}),
	})
}

func (r *Relay) fields() setter {
	return object(map[string]setter{
		"listen":          words(&r.Listen),
		"http":            scalar(&r.HTTP, text),
		"name":            scalar(&r.Name, text),
		"advertise":       scalar(&r.Advertise, text),
		"controller":      scalar(&r.Controller, text),
		"upstream":        words(&r.Upstream),
		"push":            words(&r.Push),
		"ingest":          scalar(&r.Ingest, yesNo),
		"dscp":            scalar(&r.DSCP, count),
		"join":            scalar(&r.Join, text),
		"queue":           scalar(&r.Queue, duration),
		"keep":            scalar(&r.Keep, duration),
		"stall":           scalar(&r.Stall, duration),
		"idle":            scalar(&r.Idle, duration),
		"drain":           scalar(&r.Drain, duration),
		"max_viewers":     scalar(&r.MaxViewers, count),
		"max_kbps":        scalar(&r.MaxKbps, count),
		"max_per_address": scalar(&r.MaxPerAddress, count),
		"publish": object(map[string]setter{
			"allow":  list(&r.Publish.Allow, netip.Prefix{}, func(p *netip.Prefix) setter { return scalar(p, prefix) }),
			"tokens": words(&r.Publish.Tokens),
		}),
	})
}

// rtmpPort is IANA's port for RTMP, and what a service or peer that names no port has.
const rtmpPort = 1935

// parseUpstream reads "host" or "dscp:NN", NN from 1 to 63.
func parseUpstream(s string) (Upstream, error) {
	if s == "host" {
		return Upstream{}, nil
	}
	if mark, ok := strings.CutPrefix(s, "dscp:"); ok {
		if n, err := strconv.ParseUint(mark, 10, 8); err == nil && n >= 1 && n <= 63 {
			return Upstream{Marked: true, DSCP: uint8(n)}, nil
		}
	}
	return Upstream{}, fmt.Errorf("%q is neither host nor dscp:NN with NN from 1 to 63", s)
}

// String returns what parseUpstream reads.
func (u Upstream) String() string {
	if u.Marked {
		return fmt.Sprintf("dscp:%d", u.DSCP)
	}
	return "host"
}

// MarshalText writes an Upstream as the file has it.
func (u Upstream) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// words reads a list of words, or one word as a list of one.
func words(dst *[]string) setter {
	many := list(dst, "", func(w *string) setter { return scalar(w, text) })
	return func(d *decoder, path string, n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			*dst = []string{n.Value}
			return
		}
		many(d, path, n)
	}
}

func text(s string) (string, error) { return s, nil }

func address(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return netip.Addr{}, fmt.Errorf("%q is not an IPv4 address", s)
	}
	return a, nil
}

func prefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is neither an IP address nor a range such as 10.0.0.0/8", s)
	}
	return p, nil
}

func port(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port, 1 to 65535", s)
	}
	return uint16(n), nil
}

func count(s string) (int, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return int(n), nil
}

func yesNo(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}

func duration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil {
		return d, nil
	}
	if _, bare := strconv.ParseFloat(s, 64); bare == nil {
		return 0, fmt.Errorf("%q is a duration without a unit: %ss?", s, s)
	}
	return 0, errors.New(strconv.Quote(s) + " is not a duration such as 500ms, 5s or 2m")
}
