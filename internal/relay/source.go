package relay

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// minDistinct is the shortest payload, in bytes, that is believed to be unique: silence repeats itself.
const minDistinct = 24

var hashSeed = maphash.MakeSeed()

// A source is one connection that brings a stream: a publisher's, or one to an upstream.
type source struct {
	name string
	stop func()         // ends the connection; called when another source has taken over
	at   netip.AddrPort // of an upstream: where it was reached
	// encodes says that what it brings was never sent by anybody else: a publisher, that there is no use in comparing.
	encodes bool

	// What follows belongs to the splicer.
	offset  uint32 // added to the source's timestamps
	began   time.Time
	first   time.Time // when its first frame came
	setup   *setup
	joined  bool // offset is exact: a message was seen both here and in the window
	settled time.Time
	follows bool // another source brought the stream before
	held    []heldMessage
	heldLen int
}

// heldMessage is a message of a candidate. hash is zero where a message is no mark to join by.
type heldMessage struct {
	rtmp.Message
	role rtmp.Role
	hash uint64
}

func hold(m rtmp.Message) heldMessage {
	h := heldMessage{Message: m, role: rtmp.RoleOf(m)}
	if isFrame(h.role) && len(m.Payload) >= minDistinct {
		h.hash = maphash.Bytes(hashSeed, m.Payload)
	}
	return h
}

// cost is the memory that a message takes, in bytes.
func (h heldMessage) cost() int { return len(h.Payload) + messageCost }

func isFrame(role rtmp.Role) bool {
	return role == rtmp.RoleKey || role == rtmp.RoleFrame || role == rtmp.RoleAudio
}
