package steer

import (
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// Lists are the actions of rules, one list for all the rules that do the same: those of all the viewers of a port to one
// source are alike, and a hundred thousand sessions have no more lists than there are pairs of both. The zero Lists is empty
// and ready, and of one goroutine; the nil Lists shares nothing. The lists may be read by any, and are never changed.
type Lists struct {
	plain map[list][]ofproto.Action
	loud  map[loud][]ofproto.Action
}

// maxLists bounds what is kept of each kind: beyond it all are made anew, and shared anew.
const maxLists = 4096

// A list says what a list of actions does.
type list struct {
	back           bool // the destination is set first, not the source
	setSrc, setDst bool
	dlSrc, dlDst   ofproto.MAC
	nwSrc, nwDst   ofproto.IPv4
	tpSrc, tpDst   uint16 // 0: as it is
	out            ofproto.Port
}

func (l *Lists) of(k list) []ofproto.Action {
	if l == nil {
		return k.actions()
	}
	if a, ok := l.plain[k]; ok {
		return a
	}
	if l.plain == nil || len(l.plain) >= maxLists {
		l.plain = make(map[list][]ofproto.Action)
	}
	a := k.actions()
	l.plain[k] = a
	return a
}

func (k list) actions() []ofproto.Action {
	var src, dst []ofproto.Action
	if k.setSrc {
		src = []ofproto.Action{ofproto.SetDLSrc{MAC: k.dlSrc}, ofproto.SetNWSrc{IPv4: k.nwSrc}}
	}
	if k.tpSrc != 0 {
		src = append(src, ofproto.SetTPSrc{Port: k.tpSrc})
	}
	if k.setDst {
		dst = []ofproto.Action{ofproto.SetDLDst{MAC: k.dlDst}, ofproto.SetNWDst{IPv4: k.nwDst}}
	}
	if k.tpDst != 0 {
		dst = append(dst, ofproto.SetTPDst{Port: k.tpDst})
	}
	first, then := src, dst
	if k.back {
		first, then = dst, src
	}
	all := make([]ofproto.Action, 0, len(first)+len(then)+1)
	return append(append(append(all, first...), then...), ofproto.Output{Port: k.out})
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
