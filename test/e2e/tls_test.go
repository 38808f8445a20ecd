package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"testing"
	"time"
)

// A switch that shows a certificate of the right authority is served over TLS; one of another authority is not.
func TestTLS(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(1)
	ca, other := n.authority("ca"), n.authority("other")
	ca.issue("daemon")
	ca.issue("switch")
	other.issue("stranger")
	d := n.daemon(directConfig + fmt.Sprintf("controller: {tls: {cert: %s, key: %s, client_ca: %s}}\n",
		n.path("daemon.pem"), n.path("daemon.key"), n.path("ca.pem")))

	n.vsctl("set-ssl", n.path("stranger.key"), n.path("stranger.pem"), n.path("ca.pem"), "--", "set-controller", "s1", "ssl:127.0.0.1:6653")
	await(t, "the stranger is refused", patience, func() bool { return len(d.logged("switch refused")) > 0 })
	if got, _ := d.metric(t, "ofctl_switches_connected"); got != "0" {
		t.Errorf("%s switches are up, want none", got)
	}

	n.vsctl("set-ssl", n.path("switch.key"), n.path("switch.pem"), n.path("ca.pem"))
	d.connected("1")
	n.viewers[0].mustPing(n.hb)
}

// An authority signs certificates into the lab's folder.
type authority struct {
	lab  *lab
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// authority makes a new one, whose own certificate is name.pem.
func (l *lab) authority(name string) *authority {
	l.t.Helper()
	a := &authority{lab: l, key: newKey(l.t)}
	a.cert = template(name)
	a.cert.IsCA, a.cert.BasicConstraintsValid, a.cert.KeyUsage = true, true, x509.KeyUsageCertSign
	a.write(name, a.cert, a.key)
	return a
}

// issue makes name.pem and name.key.
func (a *authority) issue(name string) {
	a.lab.t.Helper()
	key := newKey(a.lab.t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.lab.t.Fatal(err)
	}
	a.save(name+".key", "PRIVATE KEY", der)
	cert := template(name)
	cert.KeyUsage = x509.KeyUsageDigitalSignature
	cert.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	cert.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	a.write(name, cert, key)
}

func (a *authority) write(name string, cert *x509.Certificate, key *ecdsa.PrivateKey) {
	a.lab.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.lab.t.Fatal(err)
	}
	a.save(name+".pem", "CERTIFICATE", der)
}

func (a *authority) save(file, kind string, der []byte) {
	a.lab.t.Helper()
	if err := os.WriteFile(a.lab.path(file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.lab.t.Fatal(err)
	}
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
