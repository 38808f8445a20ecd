package ofproto

import "encoding/json"

// actionList marshals as an array of the actions' texts.
type actionList []Action

// MarshalJSON implements json.Marshaler.
func (l actionList) MarshalJSON() ([]byte, error) {
	texts := make([]string, len(l))
	for i, a := range l {
		texts[i] = a.String()
	}
	return json.Marshal(texts)
}

// MarshalJSON writes the actions as text.
func (m *FlowMod) MarshalJSON() ([]byte, error) {
	type plain FlowMod // without this method
	return json.Marshal(struct {
		*plain
		Actions actionList `json:"actions"` // hides plain's
	}{(*plain)(m), m.Actions})
}

// MarshalJSON writes the actions as text.
func (m *PacketOut) MarshalJSON() ([]byte, error) {
	type plain PacketOut
	return json.Marshal(struct {
		*plain
		Actions actionList `json:"actions"`
	}{(*plain)(m), m.Actions})
}

// MarshalJSON writes the actions as text.
func (f FlowStat) MarshalJSON() ([]byte, error) {
	type plain FlowStat
	return json.Marshal(struct {
		*plain
		Actions actionList `json:"actions"`
	}{(*plain)(&f), f.Actions})
}

// MarshalJSON adds the kind of the body.
func (m *StatsRequest) MarshalJSON() ([]byte, error) {
	return marshalStats(m.Flags, m.Body)
}

// MarshalJSON adds the kind of the body.
func (m *StatsReply) MarshalJSON() ([]byte, error) {
	return marshalStats(m.Flags, m.Body)
}

func marshalStats(flags StatsFlags, body interface{ Kind() StatsKind }) ([]byte, error) {
	var kind *StatsKind
	if body != nil {
		k := body.Kind()
		kind = &k
	}
	return json.Marshal(struct {
		Kind  *StatsKind `json:"kind"`
		Flags StatsFlags `json:"flags"`
		Body  any        `json:"body"`
	}{kind, flags, body})
}
