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

// Nicira's messages all have the type VENDOR; their objects begin with the name that Open vSwitch gives them.

// MarshalJSON adds the message's name.
func (m *RoleRequest) MarshalJSON() ([]byte, error) {
	type plain RoleRequest
	return marshalNicira(m, (*plain)(m))
}

// MarshalJSON adds the message's name.
func (m *RoleReply) MarshalJSON() ([]byte, error) {
	type plain RoleReply
	return marshalNicira(m, (*plain)(m))
}

// MarshalJSON adds the message's name.
func (m *SetFlowFormat) MarshalJSON() ([]byte, error) {
	type plain SetFlowFormat
	return marshalNicira(m, (*plain)(m))
}

// MarshalJSON adds the message's name.
func (m *FlowModTableID) MarshalJSON() ([]byte, error) {
	type plain FlowModTableID
	return marshalNicira(m, (*plain)(m))
}

// MarshalJSON adds the message's name.
func (m *SetPacketInFormat) MarshalJSON() ([]byte, error) {
	type plain SetPacketInFormat
	return marshalNicira(m, (*plain)(m))
}

// MarshalJSON adds the message's name.
func (m *SetAsyncConfig) MarshalJSON() ([]byte, error) {
	type plain SetAsyncConfig
	return marshalNicira(m, (*plain)(m))
}

// MarshalJSON adds the message's name.
func (m *SetControllerID) MarshalJSON() ([]byte, error) {
	type plain SetControllerID
	return marshalNicira(m, (*plain)(m))
}

// marshalNicira puts the name of m before the fields of the same value without methods.
func marshalNicira(m Message, plain any) ([]byte, error) {
	fields, err := json.Marshal(plain)
	if err != nil {
		return nil, err
	}
	name, _ := formatVendor(m)
	return append([]byte(`{"name":"`+name+`",`), fields[1:]...), nil
}
