package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/config"
)

// listenAll opens every address for switches, or none.
func listenAll(cfg *config.Config, log logrus.FieldLogger) ([]net.Listener, error) {
	secure, err := tlsConfig(cfg.Controller.TLS)
	if err != nil {
		return nil, err
	}
	var all []net.Listener
	for _, addr := range cfg.Listen {
		l, err := listen(addr)
		if err != nil {
			closeAll(all)
			return nil, listenError("switches", addr, err)
		}
		if secure != nil {
			l = tlsListener{l, secure, log}
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
	l, err := listen(addr)
	if err != nil {
		return nil, listenError("HTTP", addr, err)
	}
	return l, nil
}

// listen opens one address. 0.0.0.0 means IPv4 alone, as it says, and not IPv6 as well, as the net package would have it.
func listen(addr string) (net.Listener, error) {
	network := "tcp"
	if host, _, err := net.SplitHostPort(addr); err == nil {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			network = "tcp4"
		}
	}
	return net.Listen(network, addr)
}

// listenError says in one line which address could not be had, for what, and why.
func listenError(what, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen on %s for %s: the port is in use by another process", addr, what)
	}
	return fmt.Errorf("listen on %s for %s: %w", addr, what, err)
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
