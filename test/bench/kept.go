package main

import (
	"encoding/binary"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// kept is the rules of the load, for when the controller asks for them: it would take rules that a switch does not tell of for
// lost, and send them again; and what it does with their counters is part of its work. Each is as in a reply to such a question,
// struct ofp_flow_stats of OpenFlow 1.0.0 §5.3.5, and has carried nothing. The load deletes none.
type kept []byte

// add keeps the rule of a FLOW_MOD.
func (k *kept) add(message []byte) {
	mod, entry := message[ofproto.HeaderLen:], *k
	const actions = 64 // of a flow mod's body
	entry = binary.BigEndian.AppendUint16(entry, uint16(flowStat+len(mod)-actions))
	entry = append(entry, 0, 0)               // table
	entry = append(entry, mod[:40]...)        // match
	entry = append(entry, make([]byte, 8)...) // duration
	entry = append(entry, mod[54:56]...)      // priority
	entry = append(entry, mod[50:54]...)      // timeouts
	entry = append(entry, make([]byte, 6)...)
	entry = append(entry, mod[40:48]...)       // cookie
	entry = append(entry, make([]byte, 16)...) // counters
	*k = append(entry, mod[actions:]...)
}

const (
	flowStat   = 88                          // an entry without its actions
	statsReply = ofproto.HeaderLen + 4       // and then the entries
	maxEntries = ofproto.MaxLen - statsReply // bytes of entries in one reply
)

// appendReplies adds to out the replies to a question for flow entries, each of which says that more follow.
func (k kept) appendReplies(out []byte, xid []byte) []byte {
	for rest := []byte(k); len(rest) > 0; {
		n := 0
		for n < len(rest) && n+entryLen(rest[n:]) <= maxEntries {
			n += entryLen(rest[n:])
		}
		out = append(out, ofproto.Version, byte(ofproto.TypeStatsReply))
		out = binary.BigEndian.AppendUint16(out, uint16(statsReply+n))
		out = append(out, xid...)
		out = binary.BigEndian.AppendUint16(out, uint16(ofproto.StatsFlow))
		out = binary.BigEndian.AppendUint16(out, uint16(ofproto.StatsMore))
		out = append(out, rest[:n]...)
		rest = rest[n:]
	}
	return out
}

func entryLen(entry []byte) int { return int(binary.BigEndian.Uint16(entry)) }
