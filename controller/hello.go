package controller

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// maxHello is the longest HELLO that is waited for. Its elements are a bitmap of versions, of a few bytes.
const maxHello = 1024

// errNoHello says that a connection's first bytes begin no HELLO of any version.
var errNoHello = errors.New("not OpenFlow")

// A helloConn is a connection whose first bytes are looked at as they come: what cannot become a HELLO is an error at once.
// Otherwise somebody else's bytes, taken for a header, could name a length that is waited for until the handshake's deadline.
// The deadline is put off by as long as the daemon was not there to read.
type helloConn struct {
	net.Conn
	head []byte           // the first header, as far as it has come
	more func() time.Time // asked where the deadline has passed: another one, or the zero time
}

func (c *helloConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		until := c.more()
		if until.IsZero() {
			break
		}
		_ = c.Conn.SetReadDeadline(until)
		n, err = c.Conn.Read(p)
	}
	if missing := ofproto.HeaderLen - len(c.head); missing > 0 && n > 0 {
		c.head = append(c.head, p[:min(n, missing)]...)
		if bad := checkHello(c.head, p[:n]); bad != nil {
			return 0, bad
		}
	}
	return n, err
}

// checkHello judges the first bytes of a header: version, type and length (§5.1). said is what came with them, for the error.
func checkHello(head, said []byte) error {
	switch {
	case len(head) >= 2 && head[0] == 0x16 && head[1] == 3: // a TLS record of a handshake, RFC 8446 §5.1
		return fmt.Errorf("%w: begins as TLS does, and TLS is not spoken on this port", errNoHello)
	case len(head) >= 2 && head[1] != byte(ofproto.TypeHello):
		line, _, _ := bytes.Cut(said, []byte("\r\n"))
		return fmt.Errorf("%w: HELLO must come first, and not %s", errNoHello, strconv.Quote(string(line[:min(len(line), 40)])))
	case len(head) >= 4 && int(head[2])<<8|int(head[3]) > maxHello:
		return fmt.Errorf("%w: a HELLO of %d bytes", errNoHello, int(head[2])<<8|int(head[3]))
	}
	return nil
}
