package rtmp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Request is what a connection is for: to play or to publish one stream. A server receives it with Accept, a client
// makes it with Open.
type Request struct {
	Publish  bool
	App      string // "live", query arguments included if the client put them there
	Key      string // stream name with its query arguments, "a?token=x"
	TcURL    string // "rtmp://10.0.0.2:1935/live"
	FlashVer string
	StreamID uint32 // message stream, chosen by the server
	Connect  Object // further properties of connect's command object
}

// SplitArgs cuts the query arguments off an application or stream name.
func SplitArgs(s string) (name, args string) {
	name, args, _ = strings.Cut(s, "?")
	return strings.Trim(name, "/"), args
}

// ErrNoRequest says that a client sent many commands and neither play nor publish.
var ErrNoRequest = errors.New("neither play nor publish")

// ErrURL says that a URL does not name an RTMP server and an application.
var ErrURL = errors.New("want rtmp://HOST[:PORT]/APP")

const (
	maxCommands     = 64 // before play or publish
	defaultStreamID = 1
	defaultPort     = "1935"
)

// A URL names an application on a server.
type URL struct {
	Host string // a name or an address; IPv6 in brackets
	Port string
	App  string
}

// ParseURL reads "rtmp://host[:port]/app". A stream name behind the application is taken as part of it.
func ParseURL(s string) (URL, error) {
	rest, ok := strings.CutPrefix(s, "rtmp://")
	if !ok {
		return URL{}, fmt.Errorf("rtmp: URL %q: %w", s, ErrURL)
	}
	host, app, _ := strings.Cut(rest, "/")
	u := URL{Host: host, Port: defaultPort, App: strings.Trim(app, "/")}
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		u.Host, u.Port = host[:i], host[i+1:]
	}
	if port, err := strconv.ParseUint(u.Port, 10, 16); err != nil || port == 0 || u.Host == "" {
		return URL{}, fmt.Errorf("rtmp: URL %q: %w", s, ErrURL)
	}
	return u, nil
}

// Address returns host and port as a dialler wants them.
func (u URL) Address() string { return u.Host + ":" + u.Port }

// String returns the URL, the port always spelled out.
func (u URL) String() string { return "rtmp://" + u.Address() + "/" + u.App }
