package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// listen judges a list of addresses to listen on.
func (v *validator) listen(path string, addrs []string) {
	if len(addrs) == 0 {
		v.fail(path, "want at least one HOST:PORT")
	}
	for i, a := range addrs {
		at := fmt.Sprintf("%s[%d]", path, i)
		v.hostPort(at, a)
		v.free(at, a, path, addrs[:i])
	}
}

// http judges an optional address to serve HTTP at, beside those of another path.
func (v *validator) http(path, addr, others string, addrs []string) {
	if addr != "" {
		v.hostPort(path, addr)
		v.free(path, addr, others, addrs)
	}
}

// free judges whether an address can be listened on beside those of another path.
func (v *validator) free(path, addr, others string, addrs []string) {
	for i, a := range addrs {
		if overlap(addr, a) {
			v.fail(path, "%s overlaps %s[%d], %s", addr, others, i, a)
			return
		}
	}
}

// overlap tells whether two addresses to listen on have a port in common, and a host. Port 0 is another each time.
func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	return errA == nil && errB == nil && portA == portB && portA != "0" && (covers(hostA, hostB) || covers(hostB, hostA))
}

// covers tells whether who listens on a host also listens on another.
func covers(host, other string) bool {
	switch host {
	case other, "", "::": // the net package takes both for IPv4 too
		return true
	case "0.0.0.0":
		return !strings.Contains(other, ":")
	}
	return false
}

// hostPort judges an address to listen on. Port 0 lets the kernel choose.
func (v *validator) hostPort(path, got string) {
	host, port, err := net.SplitHostPort(got)
	if err != nil {
		v.fail(path, "%q is not HOST:PORT", got)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		v.fail(path, "%q is not a port, 0 to 65535", port)
	}
	if _, err := netip.ParseAddr(host); err != nil && !hostname.MatchString(host) {
		v.fail(path, "%q is neither an IP address nor a host's name", host)
	}
}

// hostname admits the empty name, which stands for every address.
var hostname = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)?$`)

// advertise judges where viewers are to find a relay, which one that registers has to know.
func (v *validator) advertise(r *Relay) {
	switch {
	case r.Advertise != "" && !advertisable(r.Advertise):
		v.fail("relay.advertise", "%q is not ADDRESS[:PORT] with the IPv4 address of one host", r.Advertise)
	case r.Advertise == "" && r.Controller != "" && len(r.Listen) > 0 && !advertisable(r.Listen[0]):
		v.fail("relay.controller", "to register, say with advertise at which IPv4 address viewers reach this relay; listen names none")
	}
}

// advertisable tells whether rules can send viewers to ADDRESS or ADDRESS:PORT: it is one host's, of IPv4.
func advertisable(s string) bool {
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		var a netip.Addr
		a, err = netip.ParseAddr(s)
		at = netip.AddrPortFrom(a, rtmpPort)
	}
	return err == nil && CheckHost(at.Addr()) == nil && at.Port() != 0
}

func (v *validator) urls(path string, urls []string) {
	for i, u := range urls {
		v.url(fmt.Sprintf("%s[%d]", path, i), u, "rtmp")
	}
}

// url judges the address of a server. That of a stream may bear arguments, such as a token.
func (v *validator) url(path, got string, schemes ...string) {
	u, err := url.Parse(got)
	if err != nil || !slices.Contains(schemes, u.Scheme) || u.Hostname() == "" || u.User != nil || u.RawQuery != "" && u.Scheme != "rtmp" || u.Fragment != "" {
		v.fail(path, "%q is not an address of the form %s://HOST[:PORT]/...", got, schemes[0])
		return
	}
	if text := u.Port(); text != "" {
		if _, err := port(text); err != nil {
			v.fail(path, "%v", err)
		}
	}
}

// CheckHost tells what is wrong with the address of a service or peer, nil for nothing.
func CheckHost(a netip.Addr) error {
	if !a.Is4() || a.IsUnspecified() || a.IsMulticast() || a == broadcast {
		return fmt.Errorf("%s is not an IPv4 address of one host", a)
	}
	return nil
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
