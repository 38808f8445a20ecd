package flow

// A Table is some rules of one switch.
type Table map[Key]Rule

// NewTable builds a table; of two rules of one key the later stays.
func NewTable(rules ...Rule) Table {
	t := make(Table, len(rules))
	for _, r := range rules {
		t[r.Key()] = r
	}
	return t
}
