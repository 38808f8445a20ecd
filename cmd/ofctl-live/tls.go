package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/config"
)

// tlsConfig reads the files for OpenFlow over TLS; without any it returns nil, which stands for plain TCP.
func tlsConfig(t config.TLS) (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("controller.tls: cert %s, key %s: %w", t.Cert, t.Key, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if t.ClientCA != "" {
		pem, err := os.ReadFile(t.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("controller.tls.client_ca: %w", err)
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("controller.tls.client_ca: %s holds no certificate", t.ClientCA)
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// A tlsListener accepts switches over TLS and logs why one was refused, which nobody would learn from the broken connection
// that is left.
type tlsListener struct {
	net.Listener
	config *tls.Config
	log    logrus.FieldLogger
}

// Accept implements net.Listener. It does not wait for the handshake: one slow switch must not hold up the others.
func (l tlsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tlsConn{Conn: tls.Server(c, l.config), log: l.log}, nil
}

// A tlsConn shakes hands at its first read or write.
type tlsConn struct {
	*tls.Conn
	log  logrus.FieldLogger
	once sync.Once
	err  error // of the handshake
}

func (c *tlsConn) shakeHands() error {
	c.once.Do(func() {
		if c.err = c.Handshake(); c.err != nil {
			c.log.WithField("remote", c.RemoteAddr().String()).WithError(c.err).Warn("switch refused: no TLS with it")
		}
	})
	return c.err
}

// Read implements net.Conn.
func (c *tlsConn) Read(b []byte) (int, error) {
	if err := c.shakeHands(); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// Write implements net.Conn.
func (c *tlsConn) Write(b []byte) (int, error) {
	if err := c.shakeHands(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
