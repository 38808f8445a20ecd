package relay

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// openTimeout bounds the handshake and commands of a connection that we make.
const openTimeout = 5 * time.Second

// open calls a server and gets it to agree to req. The connection is closed when ctx ends.
func open(ctx context.Context, target rtmp.URL, req *rtmp.Request, o Options) (*receiver, *rtmp.Conn, error) {
	c, err := dial(ctx, target.Address(), o.DSCP)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // unblocks what is under way
	defer stop()
	_ = c.SetDeadline(time.Now().Add(openTimeout))
	in := newReceiver(c)
	c2, err := rtmp.ClientHandshake(in, rand.Reader, uint32(time.Now().UnixMilli()))
	if err == nil {
		conn := rtmp.NewConn(in, c2)
		conn.SetReadBuffer(receiveBuffer)
		if err = rtmp.Open(conn, req, o.ChunkSize); err == nil && ctx.Err() == nil {
			_ = c.SetDeadline(time.Time{})
			in.opening = false
			return in, conn, nil
		}
	}
	_ = c.Close()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return nil, nil, err
}

// sleep waits and reports whether ctx still stands.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
