package flow

// A Table is the rules of one switch. Nil and empty differ where a table was read from a switch: nil is not known.
type Table map[Key]Rule

// NewTable builds a table; of two rules of one key the later stays.
func NewTable(rules ...Rule) Table {
	t := make(Table, len(rules))
	for _, r := range rules {
		t[r.Key()] = r
	}
	return t
}

// A Change is what must be sent to make one table into another.
type Change struct {
	Add    []Rule // absent, or present with another action, cookie or timeout: an add replaces
	Delete []Key
}

// Diff says what must be sent to a switch that has `have` for it to have `want`. Rules that are not ours are neither
// deleted nor counted, but one that stands in the place of a wish, by match and priority, is replaced. The order within
// the answer is not defined: no two keys of it depend on each other.
func Diff(have, want Table) (c Change) {
	for k, w := range want {
		if h, ok := have[k]; !ok || !w.Same(h) {
			c.Add = append(c.Add, w)
		}
	}
	for k, h := range have {
		if _, wanted := want[k]; !wanted && h.Cookie.Ours() {
			c.Delete = append(c.Delete, k)
		}
	}
	return c
}
