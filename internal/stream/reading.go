package stream

import (
	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// Limits of a Reading. A player's request follows its handshake within 4 KiB; a publisher's too.
const (
	readLimit = 32 << 10 // bytes of the connection after which it is given up
	heldLimit = 32       // segments that arrived before one that is missing
)

// An Intent is what a client wants of a service, as RTMP tells it.
type Intent struct {
	App, Key string // without query arguments, which may hold tokens
	Publish  bool   // else it plays
}

// A Reading follows what a client sends from its first byte until it is clear what it wants. It sees copies of packets,
// so they may be missing, repeated or out of order; nothing waits for it. Make one with NewReading.
type Reading struct {
	next    uint32 // sequence number of the next byte
	total   int
	held    map[uint32][]byte
	sniffer *rtmp.Sniffer
	app     string
	intent  *Intent
	served  bool // see Served
	done    bool
}

// NewReading follows a connection whose SYN had this sequence number.
func NewReading(isn uint32) *Reading {
	r := &Reading{next: isn + 1, held: make(map[uint32][]byte)}
	r.sniffer = rtmp.NewSniffer(r.message)
	return r
}

// Segment takes one segment's payload and returns the intent, nil while it is not known. It reports whether there is nothing
// more to learn: it is known, and of a publisher whether he was accepted; or the connection is not plain RTMP, or it cannot be
// followed.
func (r *Reading) Segment(seq uint32, payload []byte) (intent *Intent, done bool) {
	if r.done || len(payload) == 0 {
		return r.intent, r.done
	}
	switch ahead := int32(seq - r.next); {
	case ahead > 0:
		if len(r.held) >= heldLimit {
			r.done, r.served = true, r.intent != nil
			return r.intent, true
		}
		if len(payload) > len(r.held[seq]) {
			r.held[seq] = append([]byte(nil), payload...)
		}
		return r.intent, false
	case ahead < 0: // repeated, perhaps with something new at its end
		if int(-ahead) >= len(payload) {
			return r.intent, false
		}
		payload = payload[-ahead:]
	}
	r.feed(payload)
	for r.fill() {
	}
	return r.intent, r.done
}

// fill feeds a held segment that is due, and reports whether there was one. It need not begin where the last one ended: what
// is sent again may be cut in other pieces.
func (r *Reading) fill() bool {
	for seq, p := range r.held {
		behind := int32(r.next - seq)
		if r.done || behind < 0 {
			continue
		}
		delete(r.held, seq)
		if int(behind) < len(p) {
			r.feed(p[behind:])
			return true
		}
	}
	return false
}

func (r *Reading) feed(p []byte) {
	r.next += uint32(len(p))
	r.total += len(p)
	_, err := r.sniffer.Write(p)
	long := r.total > readLimit
	r.done = r.done || err != nil || long
	r.served = r.served || long && r.intent != nil
}

// Served reports whether a publisher sends his stream, which he does not before the server has accepted it.
func (r *Reading) Served() bool { return r.served }

// message looks for the commands that name application and stream.
func (r *Reading) message(m rtmp.Message) {
	if r.done {
		return
	}
	if r.intent != nil { // a publisher's, who waits for leave
		switch m.Type {
		case rtmp.TypeAudio, rtmp.TypeVideo, rtmp.TypeDataAMF0, rtmp.TypeDataAMF3, rtmp.TypeAggregate:
			r.done, r.served = true, true
		}
		return
	}
	if !rtmp.IsCommand(m) {
		return
	}
	c, err := rtmp.ParseCommand(m)
	if err != nil {
		return
	}
	switch c.Name {
	case "connect":
		if o, ok := c.Object.(rtmp.Object); ok {
			r.app, _ = rtmp.SplitArgs(o.String("app"))
		}
	case "play", "publish":
		key, _ := rtmp.SplitArgs(c.Text(0))
		r.intent = &Intent{App: r.app, Key: key, Publish: c.Name == "publish"}
		r.done = !r.intent.Publish
	}
}
