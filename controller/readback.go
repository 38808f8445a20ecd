package controller

import (
	"slices"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/flow"
	"github.com/ofctl-live/ofctl-live/internal/stream"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// sessionsIn sorts the session rules of a switch by their connection. more counts those of connections beyond maxAdopted.
func (s *settings) sessionsIn(have []ofproto.FlowStat) (byTuple map[stream.Tuple][]flow.Rule, more int) {
	byTuple = make(map[stream.Tuple][]flow.Rule)
	for i := range have {
		if flow.Cookie(have[i].Cookie).Kind() != flow.KindSession {
			continue
		}
		r := flow.Reported(&have[i])
		t, ok := s.tupleOf(r)
		if !ok {
			continue
		}
		if byTuple[t] == nil && len(byTuple) == maxAdopted {
			more++
			continue
		}
		r.Notify = true // no switch reports that it was asked for
		byTuple[t] = append(byTuple[t], r)
	}
	return byTuple, more
}

// tupleOf tells which connection a session's rule carries. Behind the client's switch a rule names the source in the
// service's place; the cookie's owner then tells which service it stands for.
func (s *settings) tupleOf(r flow.Rule) (stream.Tuple, bool) {
	clients := [3]endpoint{{r.Match.NWSrc, r.Match.TPSrc}, {r.Match.NWDst, r.Match.TPDst}}
	for _, a := range r.Actions {
		if a, ok := a.(ofproto.SetNWDst); ok {
			clients[2] = endpoint{a.IPv4, r.Match.TPDst} // of a session that is turned, the way back
		}
	}
	for _, c := range clients {
		for i := range s.Services {
			t := stream.Tuple{Client: c.address, ClientPort: c.port, Service: s.Services[i].Address, ServicePort: s.Services[i].Port}
			if t.Hash() == r.Cookie.Owner() {
				return t, true
			}
		}
	}
	for i, c := range clients[:2] {
		far := clients[1-i]
		t := stream.Tuple{Client: c.address, ClientPort: c.port, Service: far.address, ServicePort: far.port}
		if _, ok := s.ownDial(far); ok && t.Hash() == r.Cookie.Owner() {
			return t, true
		}
	}
	return stream.Tuple{}, false
}

// sessionOf reads a session from its rules on one switch: the one whose destination is the service is the way there, and
// where it rewrites that destination, the session is served by whom it names. edge reports that this is the client's
// switch for certain.
func (s *settings) sessionOf(t stream.Tuple, rules []flow.Rule) (found *stream.Session, edge bool) {
	for _, r := range rules {
		if r.Match.NWDst != t.Service || r.Match.TPDst != t.ServicePort {
			continue
		}
		found = s.adopted(t)
		for _, a := range r.Actions {
			switch a := a.(type) {
			case ofproto.SetNWDst:
				found.Source.Address, edge = a.IPv4, true
			case ofproto.SetTPDst:
				found.Source.Port = a.Port
			case ofproto.SetDLDst:
				found.Source.MAC = a.MAC
			}
		}
	}
	if found == nil {
		return nil, false
	}
	for _, r := range rules {
		if mac, ok := dialedMAC(r); ok && r.Match.TPDst == t.ClientPort {
			found.DialedMAC = mac
		}
	}
	return found, edge
}

// parkedOf reads a session that has fallen silent from what is left of it on its client's switch: the way back, which does
// not expire.
func (s *settings) parkedOf(t stream.Tuple, rules []flow.Rule) *stream.Session {
	for _, r := range rules {
		as := endpoint{r.Match.NWSrc, r.Match.TPSrc} // whom the client takes it to be from
		for _, a := range r.Actions {
			switch a := a.(type) {
			case ofproto.SetNWSrc:
				as.address = a.IPv4
			case ofproto.SetTPSrc:
				as.port = a.Port
			}
		}
		if as == (endpoint{t.Service, t.ServicePort}) {
			found := s.adopted(t)
			found.Source.Address, found.Source.Port = r.Match.NWSrc, r.Match.TPSrc
			found.DialedMAC, _ = dialedMAC(r)
			return found
		}
	}
	return nil
}

// adopted is a session of which only its connection is known.
func (s *settings) adopted(t stream.Tuple) *stream.Session {
	var service string
	if svc, ok := s.services[endpoint{t.Service, t.ServicePort}]; ok {
		service = svc.Name
	}
	return &stream.Session{
		Tuple: t, Service: service,
		Policy: "adopted", Reason: "decided by an earlier run", Started: time.Now(),
		Source: stream.Source{Name: stream.CDN, Address: t.Service, Port: t.ServicePort},
	}
}

// dialedMAC is the hardware address that a rule of the way back restores.
func dialedMAC(r flow.Rule) (mac ofproto.MAC, ok bool) {
	for _, a := range r.Actions {
		if a, is := a.(ofproto.SetDLSrc); is {
			return a.MAC, true
		}
	}
	return mac, false
}

// withoutCopies takes from rules what sends a copy to the controller, behind the first output, and reports whether any did.
func withoutCopies(rules []flow.Rule) (copied bool) {
	for i, r := range rules {
		out := slices.IndexFunc(r.Actions, func(a ofproto.Action) bool { return a.Type() == ofproto.ActionOutput })
		if out >= 0 && out < len(r.Actions)-1 {
			rules[i].Actions, copied = r.Actions[:out+1:out+1], true
		}
	}
	return copied
}
