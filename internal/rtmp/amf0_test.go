package rtmp

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestValues(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want Value
	}{
		{"number", "00 3ff0000000000000", 1.0},
		{"true", "01 01", true},
		{"string", "02 0003 616263", "abc"},
		{"object", "03 0001 61 00 4000000000000000 0001 62 05 0000 09", Object{{"a", 2.0}, {"b", nil}}},
		{"empty object", "03 0000 09", Object{}},
		{"null", "05", nil},
		{"undefined", "06", Undefined{}},
		{"reference", "07 0102", Reference(0x102)},
		{"associative array", "08 00000001 0001 61 01 00 0000 09", ECMAArray{{"a", false}}},
		{"array", "0a 00000002 05 02 0001 78", StrictArray{nil, "x"}},
		{"date", "0b 3ff0000000000000 0000", Date{1, 0}},
		{"XML", "0f 00000004 3c612f3e", XML("<a/>")},
		{"typed object", "10 0001 43 0001 61 05 0000 09", TypedObject{"C", Object{{"a", nil}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.in)
			got, err := DecodeValues(b)
			if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], tt.want) {
				t.Errorf("decoded %#v, error %v", got, err)
			}
			back, err := AppendValue(nil, tt.want)
			if err != nil || !bytes.Equal(back, b) {
				t.Errorf("encoded % x, error %v", back, err)
			}
			for n := 1; n < len(b); n++ {
				if _, err := DecodeValues(b[:n]); !errors.Is(err, ErrAMFShort) {
					t.Errorf("cut at %d: error %v", n, err)
				}
			}
		})
	}
}

func TestValuesOutOfBounds(t *testing.T) {
	tests := []struct {
		name string
		in   string
		err  error
	}{
		{"unknown marker", "11", ErrAMFType},
		{"array longer than its input", "0a ffffffff 05", ErrAMFShort},
		{"string longer than its input", "0c ffffffff 61", ErrAMFShort},
		{"nested for ever", strings.Repeat("0a00000001", 1000), ErrAMFDepth},
		{"objects nested for ever", strings.Repeat("03000161", 1000), ErrAMFDepth},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := DecodeValues(unhex(t, tt.in)); !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
		})
	}
	if _, err := AppendValue(nil, Object{{strings.Repeat("x", 65536), nil}}); !errors.Is(err, ErrAMFLong) {
		t.Errorf("long name: error %v", err)
	}
	if _, err := AppendValue(nil, int(1)); !errors.Is(err, ErrAMFType) {
		t.Errorf("an int: error %v", err)
	}
	long := strings.Repeat("x", 65536)
	if b, err := AppendValue(nil, long); err != nil || b[0] != markLongString {
		t.Errorf("long string: marker %#x, error %v", b[0], err)
	}
}

// FuzzDecodeValues checks that what can be decoded can be encoded, and comes back as the same bytes from then on.
func FuzzDecodeValues(f *testing.F) {
	f.Add(unhex(f, "02 0007 636f6e6e656374 00 3ff0000000000000 03 0003 617070 02 0004 6c697665 0000 09"))
	f.Add(unhex(f, "08 00000001 0001 61 01 00 0000 09 0a 00000002 05 02 0001 78 10 0001 43 0000 09"))
	f.Fuzz(func(t *testing.T, b []byte) {
		vs, err := DecodeValues(b)
		if err != nil {
			return
		}
		encode := func(vs []Value) []byte {
			var out []byte
			for _, v := range vs {
				if out, err = AppendValue(out, v); err != nil {
					t.Fatal(err)
				}
			}
			return out
		}
		once := encode(vs)
		again, err := DecodeValues(once)
		if err != nil {
			t.Fatal(err)
		}
		if twice := encode(again); !bytes.Equal(once, twice) {
			t.Fatalf("% x, then % x", once, twice)
		}
	})
}
