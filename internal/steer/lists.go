package steer

import (
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/internal/topo"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// Lists are the actions of rules, one list for all the rules that do the same: those of all the viewers of a port to one
// source are alike, and a hundred thousand sessions have no more lists than there are pairs of both. The zero Lists is empty
// and ready, and of one goroutine; the nil Lists shares nothing. The lists may be read by any, and are never changed.
type Lists struct {
	plain map[passage]*ways
	loud  map[loud][]ofproto.Action
}

// maxLists bounds what is kept of each kind: beyond it all are made anew, and shared anew.
const maxLists = 4096

// A passage says what becomes of a connection on one switch, both ways. The zero ends stand where nothing is rewritten.
type passage struct {
	in, out ofproto.Port // of the way there
	dialed  end          // what the client sees
	source  end          // what takes its place
	client  end          // what the source must not see, where its packets go back out of the port they came in by
}

// An end is one end of a connection.
type end struct {
	mac  ofproto.MAC
	ip   ofproto.IPv4
	port uint16
}

// ways are the actions of a passage's two rules.
type ways struct{ back, there []ofproto.Action }

// by is the passage by way of a hop.
func (p passage) by(h topo.Hop) passage {
	p.in, p.out = h.In, h.Out
	return p
}

func (p *passage) turned() bool { return p.client != end{} }

func (l *Lists) of(p passage) (back, there []ofproto.Action) {
	if l == nil {
		return p.back(), p.there()
	}
	w, ok := l.plain[p]
	if !ok {
		if l.plain == nil || len(l.plain) >= maxLists {
			l.plain = make(map[passage]*ways)
		}
		w = &ways{p.back(), p.there()}
		l.plain[p] = w
	}
	return w.back, w.there
}

// there makes what the client sends what the source expects.
func (p *passage) there() (a []ofproto.Action) {
	if p.turned() {
		a = append(a, ofproto.SetDLSrc{MAC: p.dialed.mac}, ofproto.SetNWSrc{IPv4: p.dialed.ip})
	}
	if p.source != (end{}) {
		a = append(a, ofproto.SetDLDst{MAC: p.source.mac}, ofproto.SetNWDst{IPv4: p.source.ip})
	}
	if p.source.port != p.dialed.port {
		a = append(a, ofproto.SetTPDst{Port: p.source.port})
	}
	return append(a, ofproto.Output{Port: outPort(p.in, p.out)})
}

// back restores what the client dialled.
func (p *passage) back() (a []ofproto.Action) {
	if p.turned() {
		a = append(a, ofproto.SetDLDst{MAC: p.client.mac}, ofproto.SetNWDst{IPv4: p.client.ip})
	}
	if p.source != (end{}) {
		a = append(a, ofproto.SetDLSrc{MAC: p.dialed.mac}, ofproto.SetNWSrc{IPv4: p.dialed.ip})
	}
	if p.source.port != p.dialed.port {
		a = append(a, ofproto.SetTPSrc{Port: p.dialed.port})
	}
	return append(a, ofproto.Output{Port: outPort(p.out, p.in)})
}

// A loud list is a plain one with a copy to the controller.
type loud struct {
	plain *ofproto.Action // the plain list, by its first action
	copied
}

// A copied says what is the client's and the service's of a copy: what the plain list has changed, and its port.
type copied struct {
	src, dst       ofproto.IPv4
	setSrc, setDst bool
	servicePort    uint16 // 0: unchanged
}

func (l *Lists) overheard(plain []ofproto.Action, s *stream.Session) []ofproto.Action {
	c := copied{}
	for _, a := range plain {
		if a.Type() == ofproto.ActionSetNWSrc {
			c.setSrc, c.src = true, s.Client
		}
	}
	if s.Redirected() {
		c.setDst, c.dst = true, s.Tuple.Service
		if s.Source.Port != s.ServicePort {
			c.servicePort = s.ServicePort
		}
	}
	if l == nil {
		return c.actions(plain)
	}
	k := loud{&plain[0], c}
	if a, ok := l.loud[k]; ok {
		return a
	}
	if l.loud == nil || len(l.loud) >= maxLists {
		l.loud = make(map[loud][]ofproto.Action)
	}
	a := c.actions(plain)
	l.loud[k] = a
	return a
}

func (c copied) actions(plain []ofproto.Action) []ofproto.Action {
	a := append(make([]ofproto.Action, 0, len(plain)+5), plain...)
	a = append(a, ofproto.SetDLDst{MAC: CopyMAC})
	if c.setSrc {
		a = append(a, ofproto.SetNWSrc{IPv4: c.src})
	}
	if c.setDst {
		a = append(a, ofproto.SetNWDst{IPv4: c.dst})
	}
	if c.servicePort != 0 {
		a = append(a, ofproto.SetTPDst{Port: c.servicePort})
	}
	return append(a, ofproto.Output{Port: ofproto.PortController, MaxLen: wholePacket})
}
