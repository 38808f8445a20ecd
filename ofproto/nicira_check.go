package ofproto

// Nicira's messages, actions and statistics without a type here stay opaque, but their lengths are part of what keeps
// a message in shape, so they are checked as Open vSwitch checks them: layouts from its nicira-ext.h.

const (
	niciraFlowMod             niciraSubtype = 13
	niciraFlowRemoved         niciraSubtype = 14
	niciraPacketIn            niciraSubtype = 17
	niciraFlowMonitorCancel   niciraSubtype = 21
	niciraFlowMonitorPaused   niciraSubtype = 22
	niciraFlowMonitorResumed  niciraSubtype = 23
	niciraPacketIn2           niciraSubtype = 30
	niciraFlowStats           niciraSubtype = 0 // of statistics, which count for themselves
	niciraAggregateStats      niciraSubtype = 1
	niciraStatsHeaderLen                    = statsHeaderLen + 12 // vendor, subtype and four bytes of padding
	niciraFlowStatLen                       = 48
	niciraFlowStatsRequestLen               = 8
)

// checkNicira checks the lengths in the body of a Nicira VENDOR message.
func checkNicira(body []byte) error {
	const t = TypeVendor
	if err := atLeast(t, body, niciraHeaderLen); err != nil {
		return err
	}
	switch niciraSubtype(be.Uint32(body[4:])) {
	case niciraFlowMod: // struct nx_flow_mod, its match, actions
		at, err := niciraMatch(t, body, niciraHeaderLen, niciraHeaderLen+24, 32)
		if err == nil {
			_, err = actionsAt(t, body, at, len(body))
		}
		return err
	case niciraFlowRemoved: // struct nx_flow_removed, its match
		_, err := niciraMatch(t, body, niciraHeaderLen, niciraHeaderLen+22, 40)
		return err
	case niciraPacketIn: // struct nx_packet_in, its match, two bytes, the packet
		at, err := niciraMatch(t, body, niciraHeaderLen, niciraHeaderLen+16, 24)
		if err == nil {
			err = atLeast(t, body, at+2)
		}
		return err
	case niciraFlowMonitorCancel:
		return exactly(t, body, niciraHeaderLen+4)
	case niciraFlowMonitorPaused, niciraFlowMonitorResumed:
		return exactly(t, body, niciraHeaderLen)
	case niciraPacketIn2:
		if err := atLeast(t, body, niciraHeaderLen+8); err != nil { // a packet, at least
			return err
		}
		return niciraProperties(t, body, niciraHeaderLen)
	}
	return nil
}

// checkNiciraStats checks the lengths in the body of a Nicira vendor statistics message.
func checkNiciraStats(t Type, body []byte) error {
	if err := atLeast(t, body, niciraStatsHeaderLen); err != nil {
		return err
	}
	const from = niciraStatsHeaderLen
	kind := niciraSubtype(be.Uint32(body[statsHeaderLen+4:]))
	switch {
	case kind != niciraFlowStats && kind != niciraAggregateStats:
		return nil
	case t == TypeStatsRequest:
		at, err := niciraMatch(t, body, from, from+2, niciraFlowStatsRequestLen)
		if err == nil {
			err = exactly(t, body, at)
		}
		return err
	case kind == niciraAggregateStats:
		return exactly(t, body, from+24)
	}
	for at := from; at < len(body); {
		left := len(body) - at
		if left < niciraFlowStatLen {
			return bad(t, at, ErrShort, "%d bytes left of a flow entry", left)
		}
		n := int(be.Uint16(body[at:]))
		if n < niciraFlowStatLen || n > left {
			return bad(t, at, ErrShort, "flow entry length %d in %d bytes", n, left)
		}
		entry := body[:at+n]
		actions, err := niciraMatch(t, entry, at, at+18, niciraFlowStatLen)
		if err != nil {
			return err
		}
		if _, err := actionsAt(t, entry, actions, len(entry)); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// niciraMatch checks a struct of size bytes at body[from:] and the extensible match behind it, whose length without its
// padding to 8 bytes is in the two bytes at lengthAt. It returns where they end.
func niciraMatch(t Type, body []byte, from, lengthAt, size int) (end int, err error) {
	if err := atLeast(t, body, from+size); err != nil {
		return 0, err
	}
	n := int(be.Uint16(body[lengthAt:]))
	at := from + size
	end = at + (n+7)&^7
	if end > len(body) {
		return 0, bad(t, lengthAt, ErrLength, "match of %d bytes in %d bytes", n, len(body)-at)
	}
	for fields := body[at : at+n]; len(fields) > 0; {
		// Each field has a header of four bytes, the last of them the length of what follows it.
		if len(fields) < 4 || len(fields) < 4+int(fields[3]) {
			return 0, bad(t, at+n-len(fields), ErrShort, "%d bytes left of a match field", len(fields))
		}
		fields = fields[4+int(fields[3]):]
	}
	return end, nil
}

// niciraProperties checks a list of properties to the end of the body: type, length without padding, padded to 8 bytes.
func niciraProperties(t Type, body []byte, at int) error {
	for at < len(body) {
		left := len(body) - at
		if left < 4 {
			return bad(t, at, ErrShort, "%d bytes left of a property", left)
		}
		n := int(be.Uint16(body[at+2:]))
		if n < 4 || (n+7)&^7 > left {
			return bad(t, at, ErrLength, "property length %d in %d bytes", n, left)
		}
		at += (n + 7) &^ 7
	}
	return nil
}

// niciraActionLens are the lengths of Nicira's actions by subtype (NXAST_*), from 1 on. Negative ones are the least of
// actions that come in several lengths; 0 stands for actions that are long gone.
var niciraActionLens = [...]int{
	1: 16, 2: 16, // resubmit, set_tunnel
	4: 16, 5: 16, 6: -24, 7: 24, // set_queue, pop_queue, reg_move, reg_load
	8: -16, 9: 24, 10: 32, // note, set_tunnel64, multipath
	12: -32, 13: -32, 14: 16, 15: 24, // bundle, bundle_load, resubmit_table, output_reg
	16: -32, 17: 16, 18: 16, 19: 16, // learn, exit, dec_ttl, fin_timeout
	20: 16, 21: -16, 22: 32, 23: 16, // controller, dec_ttl_cnt_ids, write_metadata, push_mpls
	24: 16, 25: 16, 26: 16, 27: 24, 28: 24, // pop_mpls, set_mpls_ttl, dec_mpls_ttl, stack_push, stack_pop
	29: 24, 30: 16, 31: 16, 32: 24, // sample, set_mpls_label, set_mpls_tc, output_reg2
	34: 16, 35: -24, 38: 32, // conjunction, ct, sample2
}

// checkNiciraAction checks the length of a Nicira action that fills b.
func checkNiciraAction(t Type, at int, b []byte) error {
	if len(b) < 16 {
		return bad(t, at, ErrShort, "Nicira action without a subtype")
	}
	s := int(be.Uint16(b[8:]))
	if s >= len(niciraActionLens) {
		return nil
	}
	want := niciraActionLens[s]
	if want > 0 && len(b) != want || want < 0 && len(b) < -want {
		return bad(t, at, ErrLength, "action length %d for Nicira's action %d", len(b), s)
	}
	return nil
}
