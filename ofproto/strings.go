package ofproto

import (
	"bytes"
	"fmt"
)

// cutString reads a fixed-size string field: the text up to the first NUL, and what follows that NUL if it is not all
// zero. Some switches leave scraps of memory there.
func cutString(field []byte) (text, tail string) {
	i := bytes.IndexByte(field, 0)
	if i < 0 {
		return string(field), ""
	}
	if rest := field[i+1:]; len(bytes.Trim(rest, "\x00")) > 0 {
		tail = string(rest)
	}
	return string(field[:i]), tail
}

// appendString writes a fixed-size string field of size bytes. The tail is written only behind the text it came with,
// that is if both fill the field exactly; else the rest is zero.
func appendString(dst []byte, text, tail string, size int) ([]byte, error) {
	if len(text) > size {
		return dst, fmt.Errorf("ofproto: string of %d bytes, %d at most: %w", len(text), size, ErrTooLong)
	}
	dst = append(dst, text...)
	if len(text)+1+len(tail) == size {
		return append(append(dst, 0), tail...), nil
	}
	return append(dst, make([]byte, size-len(text))...), nil
}
