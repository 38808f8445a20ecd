package packet

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// LLDPMulticast is the nearest-bridge group address, IEEE 802.1AB §7.1: no bridge forwards it.
var LLDPMulticast = [6]byte{0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e}

// Errors of ParseLLDP.
var (
	ErrNotLLDP = errors.New("packet: not LLDP")
	// ErrLLDPForeign is well-formed LLDP of somebody else, such as a server's or another controller's.
	ErrLLDPForeign = errors.New("packet: LLDP of another sender")
	// ErrLLDPForged claims to be ours, and its digest is not made with our key.
	ErrLLDPForged = errors.New("packet: LLDP digest does not match")
)

// An LLDP is a discovery frame of ours, IEEE 802.1AB: sent out of a port of a switch, it tells the switch that receives
// it where it came from.
//
// Chassis id and port id are of the subtype "locally assigned", as "dpid:%016x" and the port in decimal, so that other
// tools can show them. An organizationally specific TLV carries nonce, timestamp and a digest: HMAC-SHA256, truncated to
// 128 bits, of the whole LLDPDU before the digest. Without the key nobody can draw a link that is not there; telling a
// replay is the caller's part, by the nonce.
type LLDP struct {
	Src       [6]byte // of the frame, by custom the port's own
	DPID      uint64
	Port      uint16
	TTL       uint16 // seconds
	Nonce     uint64
	Timestamp int64 // nanoseconds, of the sender's own clock
}

// TLV types and subtypes, IEEE 802.1AB §8.4.
const (
	tlvEnd       = 0
	tlvChassis   = 1
	tlvPort      = 2
	tlvTTL       = 3
	tlvOrg       = 127
	localSubtype = 7 // "locally assigned", in chassis id and port id alike
)

const (
	chassisPrefix = "dpid:"
	orgDigestLen  = 16
	orgLen        = 4 + 8 + 8 + orgDigestLen // identifier and subtype, nonce, timestamp, digest
	digestContext = "ofctl-live LLDP 1"
)

// orgID is a locally administered organization identifier, which IEEE gives to nobody, and the subtype 1.
var orgID = [4]byte{0x02, 'o', 'f', 1}

// AppendLLDP appends l as a whole frame with a digest under key.
func AppendLLDP(dst []byte, l LLDP, key []byte) []byte {
	start := len(dst)
	dst = appendEthernet(dst, LLDPMulticast, l.Src, 0, TypeLLDP)
	pdu := len(dst)
	dst = appendTLV(dst, tlvChassis, append([]byte{localSubtype}, fmt.Sprintf("%s%016x", chassisPrefix, l.DPID)...))
	dst = appendTLV(dst, tlvPort, strconv.AppendUint([]byte{localSubtype}, uint64(l.Port), 10))
	dst = appendTLV(dst, tlvTTL, binary.BigEndian.AppendUint16(nil, l.TTL))
	dst = binary.BigEndian.AppendUint16(dst, tlvOrg<<9|orgLen)
	dst = append(dst, orgID[:]...)
	dst = binary.BigEndian.AppendUint64(dst, l.Nonce)
	dst = binary.BigEndian.AppendUint64(dst, uint64(l.Timestamp))
	dst = append(dst, lldpDigest(key, dst[pdu:])...)
	dst = appendTLV(dst, tlvEnd, nil)
	return pad(dst, start)
}

// ParseLLDP reads a frame that AppendLLDP built under the same key. Everything it returns is covered by the digest,
// which is compared in constant time; the frame's source address alone is not.
//
// It returns ErrNotLLDP, ErrLLDPForeign or ErrLLDPForged, possibly wrapped.
func ParseLLDP(frame, key []byte) (LLDP, error) {
	if len(frame) < ethernetLen || binary.BigEndian.Uint16(frame[12:]) != TypeLLDP {
		return LLDP{}, ErrNotLLDP
	}
	var l LLDP
	copy(l.Src[:], frame[6:12])
	pdu := frame[ethernetLen:]
	at := 0
	for i, read := range []func(*LLDP, []byte) error{readChassis, readPort, readTTL} { // the order is mandatory
		typ, value, next, err := nextTLV(pdu, at)
		if err != nil {
			return LLDP{}, err
		}
		if typ != tlvChassis+i {
			return LLDP{}, fmt.Errorf("%w: TLV %d is of type %d", ErrNotLLDP, i+1, typ)
		}
		if err := read(&l, value); err != nil {
			return LLDP{}, err
		}
		at = next
	}
	// Ours comes right behind, so that no other TLV can stand inside what the digest covers.
	typ, value, next, err := nextTLV(pdu, at)
	if err != nil {
		return LLDP{}, err
	}
	if typ != tlvOrg || len(value) != orgLen || [4]byte(value) != orgID {
		return LLDP{}, ErrLLDPForeign
	}
	l.Nonce = binary.BigEndian.Uint64(value[4:])
	l.Timestamp = int64(binary.BigEndian.Uint64(value[12:]))
	if !hmac.Equal(value[20:], lldpDigest(key, pdu[:next-orgDigestLen])) {
		return LLDP{}, ErrLLDPForged
	}
	return l, nil
}

func appendTLV(dst []byte, typ uint16, value []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, typ<<9|uint16(len(value)))
	return append(dst, value...)
}

func nextTLV(pdu []byte, at int) (typ int, value []byte, next int, err error) {
	if len(pdu) < at+2 {
		return 0, nil, 0, fmt.Errorf("%w: cut short at byte %d", ErrNotLLDP, at)
	}
	head := int(binary.BigEndian.Uint16(pdu[at:]))
	next = at + 2 + head&0x1ff
	if next > len(pdu) {
		return 0, nil, 0, fmt.Errorf("%w: TLV at byte %d longer than the frame", ErrNotLLDP, at)
	}
	return head >> 9, pdu[at+2 : next], next, nil
}

func readChassis(l *LLDP, v []byte) error {
	const want = 1 + len(chassisPrefix) + 16
	if len(v) != want || v[0] != localSubtype || string(v[1:1+len(chassisPrefix)]) != chassisPrefix {
		return ErrLLDPForeign
	}
	var dpid [8]byte
	if _, err := hex.Decode(dpid[:], v[1+len(chassisPrefix):]); err != nil {
		return ErrLLDPForeign
	}
	l.DPID = binary.BigEndian.Uint64(dpid[:])
	return nil
}

func readPort(l *LLDP, v []byte) error {
	if len(v) < 2 || v[0] != localSubtype {
		return ErrLLDPForeign
	}
	n, err := strconv.ParseUint(string(v[1:]), 10, 16)
	if err != nil {
		return ErrLLDPForeign
	}
	l.Port = uint16(n)
	return nil
}

func readTTL(l *LLDP, v []byte) error {
	if len(v) != 2 { // 802.1AB lets later versions append to it, ours does not
		return ErrLLDPForeign
	}
	l.TTL = binary.BigEndian.Uint16(v)
	return nil
}

func lldpDigest(key, pdu []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(digestContext))
	h.Write(pdu)
	return h.Sum(nil)[:orgDigestLen]
}
