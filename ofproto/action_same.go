package ofproto

import "bytes"

// SameAction reports whether two actions do the same. Bytes in padding make no difference, nor does the length for the
// controller of an Output elsewhere; vendors' and unknown actions are the same if their bytes are.
func SameAction(a, b Action) bool {
	a, b = plainAction(a), plainAction(b)
	switch x := a.(type) {
	case VendorAction:
		y, ok := b.(VendorAction)
		return ok && x.Vendor == y.Vendor && bytes.Equal(x.Data, y.Data)
	case RawAction:
		y, ok := b.(RawAction)
		return ok && x.ActionType == y.ActionType && bytes.Equal(x.Data, y.Data)
	}
	return a == b
}

// plainAction clears what an action carries without a meaning.
func plainAction(a Action) Action {
	switch a := a.(type) {
	case Output:
		if a.Port != PortController {
			a.MaxLen = 0
		}
		return a
	case SetVLANVID:
		return SetVLANVID{VID: a.VID}
	case SetVLANPCP:
		return SetVLANPCP{PCP: a.PCP}
	case StripVLAN:
		return StripVLAN{}
	case SetDLSrc:
		return SetDLSrc{MAC: a.MAC}
	case SetDLDst:
		return SetDLDst{MAC: a.MAC}
	case SetNWTOS:
		return SetNWTOS{TOS: a.TOS}
	case SetTPSrc:
		return SetTPSrc{Port: a.Port}
	case SetTPDst:
		return SetTPDst{Port: a.Port}
	case Enqueue:
		return Enqueue{Port: a.Port, QueueID: a.QueueID}
	}
	return a
}
