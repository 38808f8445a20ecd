// Package flow knows what a flow table of ours looks like: rules with named priorities and speaking cookies, and
// tables of them.
package flow

import "fmt"

// A Cookie says of a rule that it is ours, what it is for and whom it belongs to, so that after a restart everything can be
// told from the switch's own table:
//
//	bits 63..48  tag, 0x0f1e
//	bits 47..40  kind
//	bits 39..32  0
//	bits 31..0   owner: a number of the owner's choice, 0 where a rule has none
type Cookie uint64

const tag = 0x0f1e

// NewCookie packs a kind and an owner.
func NewCookie(k Kind, owner uint32) Cookie {
	return Cookie(tag<<48 | uint64(k)<<40 | uint64(owner))
}

// Ours reports whether the cookie carries the project's tag. Rules of other cookies are never touched.
func (c Cookie) Ours() bool { return c>>48 == tag }

// Kind says what the rule is for; KindForeign where the cookie is not ours.
func (c Cookie) Kind() Kind {
	if !c.Ours() {
		return KindForeign
	}
	return Kind(c >> 40)
}

// Owner is the number NewCookie was given.
func (c Cookie) Owner() uint32 { return uint32(c) }

// String writes the cookie as ovs-ofctl does.
func (c Cookie) String() string { return fmt.Sprintf("0x%x", uint64(c)) }

// A Kind is what a rule is for. The numbers are on the wire: they must not change.
type Kind uint8

// The kinds of rules; ARCHITECTURE.md has the whole table.
const (
	KindForeign  Kind = iota // not ours
	KindMiss                 // table miss -> controller
	KindLLDP                 // discovery -> controller
	KindARP                  // ARP -> controller
	KindService              // new connections to a service -> controller
	KindProbe                // answers to a peer probe -> controller
	KindHandsOff             // a peer's own connection to a service, along the normal path
	KindSession              // one viewer's or publisher's connection, one direction
	KindPair                 // other traffic between two hosts
	KindQuench               // drops what floods in by one port, for a second
)

var kindNames = [...]string{"foreign", "miss", "lldp", "arp", "service", "probe", "hands-off", "session", "pair", "quench"}

// Passing reports whether rules of the kind come and go by themselves: they are not wished for one by one.
func (k Kind) Passing() bool { return k == KindPair || k == KindQuench }

// String is the kind's name in logs and metric labels.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}
