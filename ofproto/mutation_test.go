package ofproto

import (
	"bytes"
	"errors"
	"testing"
)

// Every message there is, cut, lengthened and with wrong numbers wherever a length might stand, is refused if and only
// if wellFormed says so, a second reading of the specification's structs that shares nothing with the decoders.
func TestMutations(t *testing.T) {
	all := examples(t)
	for _, frames := range captured(t) {
		all = append(all, frames...)
	}
	refused, accepted := 0, 0
	check := func(wire []byte) {
		h, m, err := Decode(wire)
		if err != nil {
			refused++
			var e *DecodeError
			if !errors.As(err, &e) || e.Offset > len(wire) {
				t.Fatalf("%x: %v", wire, err)
			}
			if wellFormed(wire) && !openVSwitchOnly(wire) {
				t.Errorf("%x: %v", wire, err)
			}
			return
		}
		accepted++
		if !wellFormed(wire) {
			t.Errorf("%x: decoded as %s", wire, Format(h.XID, m))
		}
		if again, err := Append(nil, h.XID, m); err != nil || !bytes.Equal(again, wire) {
			t.Errorf("%x: encoded as %x, %v", wire, again, err)
		}
	}
	for _, wire := range all {
		wire = bytes.Clone(wire)
		check(wire)
		for n := range min(len(wire), 400) {
			check(wire[:n])
			if n >= HeaderLen {
				check(resized(wire, n))
			}
		}
		for _, more := range []int{1, 2, 4, 8, 48} {
			check(append(bytes.Clone(wire), make([]byte, more)...))
			check(resized(wire, len(wire)+more))
		}
		for at := 0; at+1 < min(len(wire), 240); at += 2 {
			was := be.Uint16(wire[at:])
			for _, n := range []uint16{0, 4, 7, 8, 9, 12, 16, 24, 87, 88, 0x7fff, 0xffff} {
				be.PutUint16(wire[at:], n)
				check(wire)
			}
			be.PutUint16(wire[at:], was)
		}
	}
	t.Logf("%d messages accepted, %d refused", accepted, refused)
}

// openVSwitchOnly reports whether a message may be one of Open vSwitch's own or hold such a part, inside of which this
// package checks more lengths than the specification knows: those with Nicira's vendor id or error type.
func openVSwitchOnly(wire []byte) bool {
	return bytes.Contains(wire, []byte{0x23, 0x20}) || bytes.Contains(wire, []byte{0xb0, 0xc2})
}

// resized returns the message cut or filled up with zeros to n bytes, with its length to match.
func resized(wire []byte, n int) []byte {
	out := make([]byte, n)
	copy(out, wire)
	be.PutUint16(out[2:], uint16(n))
	return out
}

// wellFormed reports whether the lengths in a message agree with each other and with OpenFlow 1.0's structs.
func wellFormed(wire []byte) bool {
	if len(wire) < 8 || len(wire) != int(be.Uint16(wire[2:])) {
		return false
	}
	typ, body := wire[1], wire[8:]
	if wire[0] != 1 && (typ != 0 || wire[0] == 0) {
		return false
	}
	switch n := len(body); typ {
	case 1, 4: // error, vendor
		return n >= 4
	case 5, 7, 18, 19: // features request, get config request, barriers
		return n == 0
	case 6: // features reply
		return n >= 24 && (n-24)%48 == 0
	case 8, 9, 20: // get config reply, set config, queue config request
		return n == 4
	case 10: // packet in
		return n >= 10
	case 11: // flow removed
		return n == 80
	case 12: // port status
		return n == 56
	case 13: // packet out
		return n >= 8 && n-8 >= int(be.Uint16(body[6:])) && wellFormedActions(body[8:8+int(be.Uint16(body[6:]))])
	case 14: // flow mod
		return n >= 64 && wellFormedActions(body[64:])
	case 15: // port mod
		return n == 24
	case 16: // statistics request
		if n < 4 {
			return false
		}
		kind := be.Uint16(body)
		size, fixed := map[uint16]int{0: 4, 1: 48, 2: 48, 3: 4, 4: 12, 5: 12}[kind]
		return fixed && n == size || !fixed && (kind != 0xffff || n >= 8)
	case 17: // statistics reply
		return n >= 4 && wellFormedStats(be.Uint16(body), body[4:])
	case 21: // queue config reply
		return n >= 8 && wellFormedList(body[8:], 8, 4, func(queue []byte) bool {
			return wellFormedList(queue[8:], 8, 2, func(property []byte) bool {
				size, fixed := map[uint16]int{0: 8, 1: 16}[be.Uint16(property)]
				return len(property)%8 == 0 && (!fixed || len(property) == size)
			})
		})
	}
	return true
}

func wellFormedStats(kind uint16, b []byte) bool {
	switch n := len(b); kind {
	case 0:
		return n == 3*256+32+256
	case 1:
		return wellFormedList(b, 88, 0, func(entry []byte) bool { return wellFormedActions(entry[88:]) })
	case 2:
		return n == 24
	case 3:
		return n%64 == 0
	case 4:
		return n%104 == 0
	case 5:
		return n%32 == 0
	case 0xffff:
		return n >= 4
	}
	return true
}

func wellFormedActions(b []byte) bool {
	return wellFormedList(b, 8, 2, func(action []byte) bool {
		typ := be.Uint16(action)
		size := 8
		if typ == 4 || typ == 5 || typ == 11 {
			size = 16
		}
		return len(action)%8 == 0 && (typ > 11 || len(action) == size)
	})
}

// wellFormedList reports whether b is a list of elements of at least size bytes, each with its length in the two bytes
// at lengthAt, of which each is well-formed.
func wellFormedList(b []byte, size, lengthAt int, element func([]byte) bool) bool {
	for len(b) > 0 {
		if len(b) < size {
			return false
		}
		n := int(be.Uint16(b[lengthAt:]))
		if n < size || n > len(b) || !element(b[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}
