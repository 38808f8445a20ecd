package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/ofctl-live/ofctl-live/internal/config"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// pinned admits the switches whose certificate may claim the datapath id that they claim; nil admits all. Without it the
// holder of any certificate could be any switch.
func pinned(pins map[string]config.DPID) func(net.Conn, ofproto.DPID) error {
	if len(pins) == 0 {
		return nil
	}
	return func(c net.Conn, claimed ofproto.DPID) error {
		secure, ok := c.(interface{ ConnectionState() tls.ConnectionState })
		if !ok {
			return errors.New("no TLS, so no certificate")
		}
		shown := secure.ConnectionState().PeerCertificates
		if len(shown) == 0 {
			return errors.New("no certificate")
		}
		name := shown[0].Subject.CommonName
		switch pin, listed := pins[name]; {
		case !listed:
			return fmt.Errorf("no pin for the certificate of %q", name)
		case ofproto.DPID(pin) != claimed:
			return fmt.Errorf("the certificate of %q is for datapath %v", name, pin)
		}
		return nil
	}
}
