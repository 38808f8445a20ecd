package config

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// plain returns a Config without the places its values came from, for comparisons.
func plain(c *Config) Config {
	out := *c
	out.origin = nil
	return out
}

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	got, err := Load("")
	if err != nil || !reflect.DeepEqual(plain(got), *Default()) {
		t.Errorf("Load of nothing: %+v, %v; want the defaults", got, err)
	}
}

// Every key of the file reaches its field: each of testdata/all.yaml differs from its default, so a Config that equals
// the defaults in any field tells of a key that is not read.
func TestEveryKeyIsRead(t *testing.T) {
	c, err := Load(filepath.Join("testdata", "all.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var same func(path string, a, b reflect.Value)
	same = func(path string, a, b reflect.Value) {
		if a.Kind() == reflect.Struct && a.Type() != reflect.TypeFor[netip.Addr]() && a.Type() != reflect.TypeFor[netip.Prefix]() {
			for i := range a.NumField() {
				if f := a.Type().Field(i); f.IsExported() {
					same(path+"."+f.Name, a.Field(i), b.Field(i))
				}
			}
		} else if reflect.DeepEqual(a.Interface(), b.Interface()) {
			t.Errorf("%s still has its default %v", path, a.Interface())
		}
	}
	d := Default()
	same("Config", reflect.ValueOf(*c), reflect.ValueOf(*d))
	same("Service", reflect.ValueOf(c.Services[0]), reflect.ValueOf(Service{Port: rtmpPort}))
	same("Peer", reflect.ValueOf(c.Peers[0]), reflect.ValueOf(Peer{Port: rtmpPort}))
}

func TestValues(t *testing.T) {
	c, err := Parse("f.yaml", []byte(`
policy: bypass
services: [{name: cdn, address: 10.0.0.2}, {name: b, address: 10.0.0.3, policy: direct}]
peers: [{name: p, address: 10.0.0.1, port: 1936, upstream: "dscp:46"}]
bypass: {margin: 1.5ms}
listen: 127.0.0.1:1
http: ""
relay: {upstream: 'rtmp://10.0.0.2/live?token=x', push: 'rtmp://10.0.0.3/live?auth=2'} # and the defaults
`))
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Services[0]; s.Port != 1935 || s.Address != netip.MustParseAddr("10.0.0.2") || c.PolicyOf(s) != PolicyBypass {
		t.Errorf("service %+v under %s; want port 1935 of 10.0.0.2 under bypass", s, c.PolicyOf(s))
	}
	if got := c.PolicyOf(c.Services[1]); got != PolicyDirect {
		t.Errorf("service b is under %q, want its own policy direct", got)
	}
	if p := c.Peers[0]; p.Upstream != (Upstream{Marked: true, DSCP: 46}) || p.Port != 1936 {
		t.Errorf("peer %+v; want DSCP 46, port 1936", p)
	}
	if !reflect.DeepEqual(c.Listen, []string{"127.0.0.1:1"}) {
		t.Errorf("listen %v; want the one word as a list", c.Listen)
	}
	if c.Bypass.Margin != 1500*time.Microsecond || c.Bypass.Strategy != LeastDelay || c.HTTP != "" || c.Relay.Join != JoinGOP {
		t.Errorf("margin %v strategy %s http %q join %q", c.Bypass.Margin, c.Bypass.Strategy, c.HTTP, c.Relay.Join)
	}
}

func TestErrors(t *testing.T) {
	const cdn = "services: [{name: cdn, address: 10.0.0.2}]\n"
	tests := []struct {
		name, in, want string
	}{
		{"not yaml", "policy: direct\n\tx", "f.yaml:2: not YAML: found a tab character"},
		{"not a mapping", "- a", "f.yaml:1: want keys and values, got a list"},
		{"two documents", "policy: direct\n---\npolicy: bypass", "f.yaml:2: a second document; want one"},
		{"unknown policy", "\npolicy: bypas", `f.yaml:2: policy: unknown policy "bypas"; did you mean "bypass"?`},
		{"policy far off", "policy: round-robin", `f.yaml:1: policy: unknown policy "round-robin"; known: direct, bypass`},
		{"unknown key", "peer: []", `f.yaml:1: peer: unknown key; did you mean "peers"?`},
		{"unknown inner key", cdn + "peers:\n  - {name: a, adress: 10.0.0.1, address: 10.0.0.1}",
			`f.yaml:3: peers[0].adress: unknown key; did you mean "address"?`},
		{"key twice", "policy: direct\npolicy: bypass", "f.yaml:2: policy: given twice, first on line 1"},
		{"list wanted", "peers: hb-relay", `f.yaml:1: peers: want a list, got "hb-relay"`},
		{"words wanted", "listen: {a: b}", `f.yaml:1: listen: want a list, got keys and values`},
		{"word wanted", "policy: [direct]", "f.yaml:1: policy: want a single value, got a list"},
		{"no listeners", "listen: []", "f.yaml:1: listen: want at least one HOST:PORT"},
		{"listen without port", "listen: [localhost]", `f.yaml:1: listen[0]: "localhost" is not HOST:PORT`},
		{"listen port", "listen: ['a:65536']", `f.yaml:1: listen[0]: "65536" is not a port, 0 to 65535`},
		{"listen host", "listen: ['a b:1']", `f.yaml:1: listen[0]: "a b" is neither an IP address nor a host's name`},
		{"listen twice", "listen: [':1', ':1']", `f.yaml:1: listen[1]: :1 overlaps listen[0], :1`},
		{"listen on all and on one", "listen: ['127.0.0.1:1', '0.0.0.0:1']", `listen[1]: 0.0.0.0:1 overlaps listen[0], 127.0.0.1:1`},
		{"http where switches are served", "http: '0.0.0.0:6633'", `f.yaml:1: http: 0.0.0.0:6633 overlaps listen[1], 0.0.0.0:6633`},
		{"name missing", "services:\n  - {address: 10.0.0.2}", `f.yaml:2: services[0].name: "" is not a name`},
		{"name unfit", "services: [{name: 'a b', address: 10.0.0.2}]", `f.yaml:1: services[0].name: "a b" is not a name`},
		{"name shared", cdn + "peers:\n- {address: 10.0.0.1, name: cdn}",
			`f.yaml:3: peers[0].name: "cdn" is the name of services[0] already`},
		{"name reserved", "peers: [{name: cdn, address: 10.0.0.1}]", `f.yaml:1: peers[0].name: "cdn" is kept for the service's own node`},
		{"peer is service", cdn + "peers:\n- {name: a, address: 10.0.0.2}",
			`f.yaml:3: peers[0].address: 10.0.0.2:1935 is services[0] already`},
		{"peers equal", "peers:\n- {name: a, address: 10.0.0.1}\n- {name: b, address: 10.0.0.1}",
			`f.yaml:3: peers[1].address: 10.0.0.1:1935 is peers[0] already`},
		{"no address", "peers: [{name: a}]", `f.yaml:1: peers[0].address: a peer needs an IPv4 address`},
		{"short address", "peers: [{name: a, address: 10.0.0}]", `f.yaml:1: peers[0].address: "10.0.0" is not an IPv4 address`},
		{"ipv6", "peers: [{name: a, address: '::1'}]", `f.yaml:1: peers[0].address: "::1" is not an IPv4 address`},
		{"multicast", "peers: [{name: a, address: 224.0.0.1}]", `224.0.0.1 is not an IPv4 address of one host`},
		{"port zero", "peers: [{name: a, address: 10.0.0.1, port: 0}]", `f.yaml:1: peers[0].port: "0" is not a port, 1 to 65535`},
		{"port large", "peers: [{name: a, address: 10.0.0.1, port: 70000}]", `f.yaml:1: peers[0].port: "70000" is not a port`},
		{"negative", "peers: [{name: a, address: 10.0.0.1, max_viewers: -1}]", `f.yaml:1: peers[0].max_viewers: -1 is negative`},
		{"fraction", "peers: [{name: a, address: 10.0.0.1, max_kbps: 1.5}]", `peers[0].max_kbps: "1.5" is not a whole number`},
		{"bool", "peers: [{name: a, address: 10.0.0.1, ingest: maybe}]", `peers[0].ingest: "maybe" is neither true nor false`},
		{"mark", "peers: [{name: a, address: 10.0.0.1, upstream: 'dscp:64'}]", `peers[0].upstream: "dscp:64" is neither host nor`},
		{"service policy", "services: [{name: a, address: 10.0.0.1, policy: x}]", `services[0].policy: unknown policy "x"`},
		{"strategy", "bypass: {strategy: leastdelay}", `unknown strategy "leastdelay"; did you mean "least-delay"?`},
		{"no unit", "bypass: {margin: 5}", `f.yaml:1: bypass.margin: "5" is a duration without a unit: 5s?`},
		{"no duration", "bypass: {margin: soon}", `f.yaml:1: bypass.margin: "soon" is not a duration such as`},
		{"negative margin", "bypass: {margin: -1ms}", `f.yaml:1: bypass.margin: -1ms is not between 0s and 1m0s`},
		{"short idle", "controller:\n  session_idle_timeout: 30s",
			`f.yaml:2: controller.session_idle_timeout: 30s is not between 3m0s and 18h12m15s`},
		{"odd idle", "controller: {session_idle_timeout: 180.5s}", `3m0.5s is not in whole seconds`},
		{"audit", "controller: {audit_interval: 1ms}", `controller.audit_interval: 1ms is not between 1s and 24h0m0s`},
		{"tls half", "controller: {tls: {cert: a}}", `f.yaml:1: controller.tls: cert and key go together`},
		{"pin", "controller: {tls: {cert: a, key: b, client_ca: c, pins: {s1: one}}}", `f.yaml:1: controller.tls.pins.s1: "one" is not a datapath id`},
		{"pin twice", "controller: {tls: {cert: a, key: b, client_ca: c, pins: {a: 1, a: 2}}}", `controller.tls.pins.a: given twice`},
		{"pins list", "controller: {tls: {pins: [a]}}", `controller.tls.pins: want keys and values, got a list`},
		{"pins of nobody", "controller: {tls: {cert: a, key: b, pins: {a: 1}}}", `controller.tls.pins: of no use without client_ca`},
		{"level", "log: {level: inf}", `f.yaml:1: log.level: unknown level "inf"; did you mean "info"?`},
		{"relay upstream", "relay: {upstream: 10.0.0.2/live}", `relay.upstream[0]: "10.0.0.2/live" is not an address of the form rtmp://`},
		{"relay upstream without host", "relay: {upstream: 'rtmp://:1935/live'}", `"rtmp://:1935/live" is not an address of the form rtmp://`},
		{"relay upstream port", "relay: {upstream: 'rtmp://10.0.0.2:99999/live'}", `relay.upstream[0]: "99999" is not a port, 1 to 65535`},
		{"relay push user", "relay: {push: 'rtmp://u:p@10.0.0.2/live'}", `relay.push[0]: "rtmp://u:p@10.0.0.2/live" is not an address`},
		{"relay controller", "relay: {advertise: 10.0.0.1, controller: 'http://10.0.0.9/?x'}", `relay.controller: "http://10.0.0.9/?x" is not`},
		{"relay http", "relay: {http: 'a:1935'}", `relay.http: a:1935 overlaps relay.listen[0], :1935`},
		{"relay registers from nowhere", "relay: {controller: 'http://10.0.0.9:9653'}", `f.yaml:1: relay.controller: to register, say with advertise`},
		{"relay ingest", "relay: {ingest: true}", `f.yaml:1: relay.ingest: of no use without push`},
		{"relay mark", "relay: {dscp: 64}", `relay.dscp: 64 is not a mark`},
		{"relay range", "relay: {publish: {allow: [10.0.0.0/40]}}", `relay.publish.allow[0]: "10.0.0.0/40" is neither an IP address nor`},
		{"relay token", "relay: {publish: {tokens: ['']}}", `relay.publish.tokens[0]: an empty token`},
		{"relay advertise", "relay: {advertise: 'a:b:c'}", `relay.advertise: "a:b:c" is not ADDRESS[:PORT] with the IPv4 address of one host`},
		{"relay advertise name", "relay: {advertise: hb}", `relay.advertise: "hb" is not ADDRESS[:PORT]`},
		{"relay advertise all", "relay: {advertise: '0.0.0.0:1935'}", `relay.advertise: "0.0.0.0:1935" is not ADDRESS[:PORT]`},
		{"relay advertise port", "relay: {advertise: '10.0.0.1:0'}", `relay.advertise: "10.0.0.1:0" is not ADDRESS[:PORT]`},
		{"relay join", "relay: {join: now}", `relay.join: unknown join "now"; known: gop, live`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse("f.yaml", []byte(tt.in))
			if err == nil {
				t.Fatalf("accepted: %+v", c)
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != 1 || !strings.Contains(lines[0], tt.want) {
				t.Errorf("got:\n%v\nwant the one line:\n%s", err, tt.want)
			}
		})
	}
}

func TestAllErrorsAtOnceInOrder(t *testing.T) {
	_, err := Parse("f.yaml", []byte("policy: bypas\npeers:\n  - {name: a, address: x, port: y, bogus: 1}\nlog: {level: 3}\nhttp: 1\n"))
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != 6 {
		t.Fatalf("got %d errors, want 6:\n%v", len(errs), err)
	}
	want := []string{"f.yaml:1", "f.yaml:3", "f.yaml:3", "f.yaml:3", "f.yaml:4", "f.yaml:5"}
	for i, e := range errs {
		if e.Where() != want[i] {
			t.Errorf("error %d is at %s, want %s: %v", i, e.Where(), want[i], e)
		}
	}
}

func TestOverrides(t *testing.T) {
	over := []Override{
		{Origin: "--policy", Path: "policy", Value: "bypass"},
		{Origin: "--listen", Path: "listen", Value: []string{"127.0.0.1:1"}},
		{Origin: "--log-level", Path: "log.level", Value: "debug"},
		{Origin: "--queue", Path: "relay.queue", Value: 4 * time.Second},
	}
	c, err := Parse("f.yaml", []byte("policy: direct\nlog: {format: json}\n"), over...)
	if err != nil {
		t.Fatal(err)
	}
	if c.Policy != "bypass" || !reflect.DeepEqual(c.Listen, []string{"127.0.0.1:1"}) ||
		c.Log != (Log{Level: "debug", Format: "json"}) || c.Relay.Queue != 4*time.Second {
		t.Errorf("got %+v", c)
	}

	_, err = Parse("f.yaml", []byte("http: x\n"), Override{Origin: "--policy", Path: "policy", Value: "fast"})
	want := "--policy: unknown policy \"fast\"; known: direct, bypass\nf.yaml:1: http: \"x\" is not HOST:PORT"
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestLoadMissing(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("got %v, want a missing file by name", err)
	}
}

func TestReload(t *testing.T) {
	a, b := Default(), Default()
	b.Policy, b.Log.Level, b.Bypass.Margin = PolicyBypass, "debug", time.Second
	want := *b
	if got, kept := a.Reload(b); kept != nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("policy, level and margin: %+v, kept %v; want all of them changed", got, kept)
	}
	b.Listen, b.HTTP, b.Log.Format, b.Controller.LLDPInterval = []string{":1"}, ":2", "json", time.Second
	got, kept := a.Reload(b)
	if !reflect.DeepEqual(kept, []string{"listen", "http", "log.format", "controller"}) || !reflect.DeepEqual(*got, want) {
		t.Errorf("%+v, kept %v; want what only a restart changes as it was, and named", got, kept)
	}
}

// What can be listened on side by side is accepted.
func TestListenersApart(t *testing.T) {
	for _, in := range []string{
		"listen: ['127.0.0.1:0', '127.0.0.1:0']",
		"listen: ['127.0.0.1:1', '127.0.0.2:1']",
		"listen: ['0.0.0.0:1', '[::1]:1']",
		"http: '127.0.0.1:1'\nlisten: ['127.0.0.1:2']",
	} {
		if _, err := Parse("f.yaml", []byte(in)); err != nil {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// What is written reads back as it was, and what is accepted is valid.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("..", "..", "configs", "*.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(seeds, filepath.Join("testdata", "all.yaml")) {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{"a: &a [*a]", "listen: &l ['a:1']\nrelay: {push: *l}", "? [a]\n: b", "policy: ~", "\x00", "<<: {policy: x}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.yaml", data)
		if err != nil {
			var errs Errors
			if c != nil || !errors.As(err, &errs) || strings.Contains(errs[0].Error(), "\n") {
				t.Fatalf("config %v, error %T %q; want Errors of one line each", c, err, err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("accepted, but not valid: %v", err)
		}
		out, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("again", out)
		if err != nil {
			t.Fatalf("cannot read back: %v\n%s", err, out)
		}
		if out2, _ := again.YAML(); !bytes.Equal(out, out2) {
			t.Fatalf("changed on the way:\n%s\n%s", out, out2)
		}
	})
}
