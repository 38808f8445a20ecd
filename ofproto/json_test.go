package ofproto

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The JSON of every example is as testdata/messages.json says, one object a line.
func TestJSON(t *testing.T) {
	const golden = "testdata/messages.json"
	var text strings.Builder
	for _, wire := range examples(t) {
		_, m, err := Decode(wire)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("%x: %v", wire, err)
		}
		text.Write(append(b, '\n'))
	}
	if *update {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	compareLines(t, golden, text.String(), string(want))
}

// What stands in JSON as text reads back.
func TestTextUnmarshals(t *testing.T) {
	type values struct {
		MAC   MAC
		IPv4  IPv4
		Port  Port
		Match Match
		Data  Bytes
	}
	want := `{"MAC":"02:00:00:00:00:0a","IPv4":"10.0.0.1","Port":"LOCAL","Match":"tcp,tp_dst=1935","Data":"00ff"}`
	var v values
	if err := json.Unmarshal([]byte(want), &v); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(v); err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	for _, bad := range []string{`{"MAC":"x"}`, `{"IPv4":"10.0.0"}`, `{"Port":"eth0"}`, `{"Match":"tpc"}`, `{"Data":"0"}`} {
		before := v
		if err := json.Unmarshal([]byte(bad), &v); err == nil {
			t.Errorf("%s: %+v", bad, v)
		}
		if v.MAC != before.MAC || v.IPv4 != before.IPv4 || v.Port != before.Port || v.Match != before.Match || v.Data.String() != before.Data.String() {
			t.Errorf("%s changed the value to %+v", bad, v)
		}
	}
}
