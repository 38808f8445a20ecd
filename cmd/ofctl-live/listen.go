package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/ofctl-live/ofctl-live/internal/config"
)

// listenAll opens every address for switches, or none.
func listenAll(cfg *config.Config) ([]net.Listener, error) {
	secure, err := tlsConfig(cfg.Controller.TLS)
	if err != nil {
		return nil, err
	}
	var all []net.Listener
	for _, addr := range cfg.Listen {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			closeAll(all)
			return nil, listenError("switches", addr, err)
		}
		if secure != nil {
			l = tls.NewListener(l, secure)
		}
		all = append(all, l)
	}
	return all, nil
}

// listenHTTP opens the API's address; an empty one gives nil.
func listenHTTP(addr string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, listenError("HTTP", addr, err)
	}
	return l, nil
}

// listenError says in one line which address could not be had, for what, and why.
func listenError(what, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen on %s for %s: the port is in use by another process", addr, what)
	}
	return fmt.Errorf("listen on %s for %s: %w", addr, what, err)
}

// tlsConfig reads the files for OpenFlow over TLS; without any it returns nil, which stands for plain TCP.
func tlsConfig(t config.TLS) (*tls.Config, error) {
	if t.Cert == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("controller.tls: %w", err)
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

func closeAll(all []net.Listener) {
	for _, l := range all {
		if l != nil {
			_ = l.Close() // it may have been closed by who served it
		}
	}
}

func addresses(all []net.Listener) []string {
	out := make([]string, len(all))
	for i, l := range all {
		out[i] = address(l)
	}
	return out
}

func address(l net.Listener) string {
	if l == nil {
		return "off"
	}
	return l.Addr().String()
}
