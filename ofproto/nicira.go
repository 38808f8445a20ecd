package ofproto

// newVendorMessage returns an empty message for a VENDOR body: a type of its own where there is one.
func newVendorMessage(body []byte) Message {
	return new(Vendor)
}
