package rtmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// A Value is one AMF0 value ("Action Message Format -- AMF 0", Adobe 2007):
//
//	float64     number           Object       anonymous object
//	bool        boolean          TypedObject  object with a class name
//	string      string, long     ECMAArray    associative array
//	nil         null             StrictArray  array
//	Undefined   undefined        Date         date
//	Reference   reference        XML          XML document
type Value any

type (
	// Object is an anonymous object; its properties keep their order.
	Object []Property
	// ECMAArray is an associative array, the form of onMetaData.
	ECMAArray []Property
	// StrictArray is an array of values.
	StrictArray []Value
	// Undefined is the undefined value.
	Undefined struct{}
	// Reference points at an earlier complex value of the same message; it is kept, not followed.
	Reference uint16
	// XML is an XML document in its serialized form.
	XML string
	// Property is one name and its value.
	Property struct {
		Name  string
		Value Value
	}
	// TypedObject is an object of a registered class.
	TypedObject struct {
		Class      string
		Properties Object
	}
	// Date is a point in time.
	Date struct {
		Milliseconds float64 // since 1970, UTC
		Zone         int16   // reserved, should be zero
	}
)

// Errors of AMF0.
var (
	ErrAMFShort = errors.New("value cut short")
	ErrAMFDepth = errors.New("nested too deeply")
	ErrAMFType  = errors.New("type not known")
	ErrAMFLong  = errors.New("string too long")
)

const maxAMFDepth = 16

const (
	markNumber      = 0x00
	markBoolean     = 0x01
	markString      = 0x02
	markObject      = 0x03
	markNull        = 0x05
	markUndefined   = 0x06
	markReference   = 0x07
	markECMAArray   = 0x08
	markObjectEnd   = 0x09
	markStrictArray = 0x0a
	markDate        = 0x0b
	markLongString  = 0x0c
	markXML         = 0x0f
	markTypedObject = 0x10
)

// Get returns the value of the first property of that name, or nil.
func (o Object) Get(name string) Value {
	for _, p := range o {
		if p.Name == name {
			return p.Value
		}
	}
	return nil
}

// String returns the string property of that name, or "".
func (o Object) String(name string) string {
	s, _ := o.Get(name).(string)
	return s
}

// AppendValue appends v in AMF0. It fails on Go types that are no Value, and on names over 65,535 bytes.
func AppendValue(dst []byte, v Value) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, markNull), nil
	case float64:
		return binary.BigEndian.AppendUint64(append(dst, markNumber), math.Float64bits(v)), nil
	case bool:
		if v {
			return append(dst, markBoolean, 1), nil
		}
		return append(dst, markBoolean, 0), nil
	case string:
		if len(v) > math.MaxUint16 {
			return appendLong(dst, markLongString, v), nil
		}
		return appendName(append(dst, markString), v)
	case XML:
		return appendLong(dst, markXML, string(v)), nil
	case Undefined:
		return append(dst, markUndefined), nil
	case Reference:
		return binary.BigEndian.AppendUint16(append(dst, markReference), uint16(v)), nil
	case Date:
		dst = binary.BigEndian.AppendUint64(append(dst, markDate), math.Float64bits(v.Milliseconds))
		return binary.BigEndian.AppendUint16(dst, uint16(v.Zone)), nil
	case Object:
		return appendProperties(append(dst, markObject), v)
	case ECMAArray:
		return appendProperties(binary.BigEndian.AppendUint32(append(dst, markECMAArray), uint32(len(v))), Object(v))
	case TypedObject:
		dst, err := appendName(append(dst, markTypedObject), v.Class)
		if err != nil {
			return nil, err
		}
		return appendProperties(dst, v.Properties)
	case StrictArray:
		dst = binary.BigEndian.AppendUint32(append(dst, markStrictArray), uint32(len(v)))
		var err error
		for _, e := range v {
			if dst, err = AppendValue(dst, e); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	return nil, fmt.Errorf("rtmp: encode AMF0: %T: %w", v, ErrAMFType)
}

func appendName(dst []byte, s string) ([]byte, error) {
	if len(s) > math.MaxUint16 {
		return nil, fmt.Errorf("rtmp: encode AMF0: %d bytes: %w", len(s), ErrAMFLong)
	}
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...), nil
}

func appendLong(dst []byte, mark byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(append(dst, mark), uint32(len(s))), s...)
}

func appendProperties(dst []byte, o Object) ([]byte, error) {
	var err error
	for _, p := range o {
		if dst, err = appendName(dst, p.Name); err != nil {
			return nil, err
		}
		if dst, err = AppendValue(dst, p.Value); err != nil {
			return nil, err
		}
	}
	return append(dst, 0, 0, markObjectEnd), nil
}

// DecodeValues reads all values in b.
func DecodeValues(b []byte) ([]Value, error) {
	d := amfDecoder{b: b}
	var vs []Value
	for d.at < len(b) {
		v, err := d.value(0)
		if err != nil {
			return vs, fmt.Errorf("rtmp: decode AMF0 at byte %d: %w", d.at, err)
		}
		vs = append(vs, v)
	}
	return vs, nil
}

// amfDecoder is a cursor; every length is checked before at moves.
type amfDecoder struct {
	b  []byte
	at int
}

func (d *amfDecoder) take(n int) ([]byte, error) {
	if n < 0 || n > len(d.b)-d.at {
		return nil, ErrAMFShort
	}
	p := d.b[d.at : d.at+n]
	d.at += n
	return p, nil
}

func (d *amfDecoder) uint(n int) (uint64, error) {
	p, err := d.take(n)
	var v uint64
	for _, c := range p {
		v = v<<8 | uint64(c)
	}
	return v, err
}

func (d *amfDecoder) text(lengthBytes int) (string, error) {
	n, err := d.uint(lengthBytes)
	if err != nil {
		return "", err
	}
	p, err := d.take(int(n))
	return string(p), err
}

func (d *amfDecoder) number() (float64, error) {
	v, err := d.uint(8)
	return math.Float64frombits(v), err
}

func (d *amfDecoder) value(depth int) (Value, error) {
	if depth > maxAMFDepth {
		return nil, ErrAMFDepth
	}
	mark, err := d.uint(1)
	if err != nil {
		return nil, err
	}
	switch mark {
	case markNumber:
		return d.number()
	case markBoolean:
		v, err := d.uint(1)
		return v != 0, err
	case markString:
		return d.text(2)
	case markLongString:
		return d.text(4)
	case markXML:
		s, err := d.text(4)
		return XML(s), err
	case markNull:
		return nil, nil
	case markUndefined:
		return Undefined{}, nil
	case markReference:
		v, err := d.uint(2)
		return Reference(v), err
	case markDate:
		ms, err := d.number()
		if err != nil {
			return nil, err
		}
		zone, err := d.uint(2)
		return Date{ms, int16(zone)}, err
	case markObject:
		return d.properties(depth)
	case markECMAArray:
		if _, err := d.take(4); err != nil { // the count is a hint, often wrong; the end mark decides
			return nil, err
		}
		o, err := d.properties(depth)
		return ECMAArray(o), err
	case markTypedObject:
		class, err := d.text(2)
		if err != nil {
			return nil, err
		}
		o, err := d.properties(depth)
		return TypedObject{class, o}, err
	case markStrictArray:
		n, err := d.uint(4)
		if err != nil {
			return nil, err
		}
		a := StrictArray{}
		for range n { // each element takes a byte at least, so a false count ends at the input's end
			v, err := d.value(depth + 1)
			if err != nil {
				return nil, err
			}
			a = append(a, v)
		}
		return a, nil
	}
	return nil, fmt.Errorf("marker %#02x: %w", mark, ErrAMFType)
}

func (d *amfDecoder) properties(depth int) (Object, error) {
	o := Object{}
	for {
		name, err := d.text(2)
		if err != nil {
			return nil, err
		}
		if name == "" && d.at < len(d.b) && d.b[d.at] == markObjectEnd {
			d.at++
			return o, nil
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o = append(o, Property{name, v})
	}
}
