package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// With pins, a certificate of the right authority speaks for its own datapath id only: its holder cannot be another switch,
// and a certificate that is not listed is none. A switch without TLS does not get as far.
func TestPins(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(1)
	ca := n.authority("ca")
	for _, name := range []string{"daemon", "s1", "s2", "unlisted"} {
		ca.issue(name)
	}
	d := n.daemon(directConfig + fmt.Sprintf("controller: {tls: {cert: %s, key: %s, client_ca: %s, pins: {s1: %s, s2: 00000000000000b2}}}\n",
		n.path("daemon.pem"), n.path("daemon.key"), n.path("ca.pem"), n.s1.dpid))
	show := func(name string) {
		n.vsctl("set-ssl", n.path(name+".key"), n.path(name+".pem"), n.path("ca.pem"), "--",
			"set-controller", "s1", "ssl:127.0.0.1:6653")
	}
	refused := func(words string) {
		t.Helper()
		await(t, "refused: "+words, patience, func() bool {
			for _, line := range d.logged("switch refused") {
				if strings.Contains(fmt.Sprint(line["error"]), words) {
					return true
				}
			}
			return false
		})
		if got, _ := d.metric(t, "ofctl_switches_connected"); got != "0" {
			t.Errorf("%s switches are up, want none", got)
		}
	}

	refused("first record does not look like a TLS handshake") // it has been dialling without TLS
	show("s2")
	refused(fmt.Sprintf(`datapath %s: the certificate of "s2" is for datapath 00000000000000b2`, n.s1.dpid))
	show("unlisted")
	refused(fmt.Sprintf(`datapath %s: no pin for the certificate of "unlisted"`, n.s1.dpid))
	if rules := n.s1.flows(); len(rules) > 0 {
		t.Errorf("rules on a switch that was refused: %v", rules)
	}
	show("s1")
	d.connected("1")
	n.viewers[0].mustPing(n.hb)
}
