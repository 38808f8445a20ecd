package relay

import (
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

// A client is an accepted connection that has said what it wants.
type client struct {
	relay   *Relay
	conn    *receiver
	rtmp    *rtmp.Conn
	request rtmp.Request
	id      streamID
	address netip.Addr
	log     logrus.FieldLogger
}

// serve is one accepted connection's life.
func (r *Relay) serve(c net.Conn, address netip.Addr) {
	log := r.log.WithField("client", c.RemoteAddr().String())
	_ = c.SetDeadline(time.Now().Add(handshakeTimeout))
	in := newReceiver(c)
	if err := rtmp.ServerHandshake(in, rand.Reader, uint32(time.Now().UnixMilli())); err != nil {
		log.WithError(err).Debug("handshake failed")
		return
	}
	conn := rtmp.NewConn(in, nil)
	conn.SetMaxMessage(maxStrangerMessage)
	req, err := rtmp.Accept(conn, r.o.ChunkSize)
	if err != nil {
		log.WithError(err).Debug("no request")
		return
	}
	app, _ := rtmp.SplitArgs(req.App)
	key, _ := rtmp.SplitArgs(req.Key)
	cl := &client{relay: r, conn: in, rtmp: conn, request: req, id: streamID{app, key}, address: address}
	cl.log = log.WithFields(logrus.Fields{"stream": cl.id.String(), "agent": req.FlashVer})
	if key == "" {
		cl.refuse("name", "NetStream.Play.StreamNotFound", "no stream name")
		return
	}
	_ = c.SetDeadline(time.Time{})
	if req.Publish {
		cl.publish()
	} else {
		cl.play()
	}
}

// refuse tells the client no, in RTMP's code and in words.
func (c *client) refuse(reason, code, text string) {
	c.relay.metrics.refused.WithLabelValues(reason).Inc()
	c.log.WithField("reason", reason).Warn("refused: " + text)
	_ = rtmp.Refuse(c.rtmp, c.request, code, text) // it is sent away either way
}

// grant tells the client yes.
func (c *client) grant() error {
	ms, err := rtmp.Grant(c.request)
	if err != nil {
		return err
	}
	return c.rtmp.Write(ms...)
}

// play serves one viewer.
func (c *client) play() {
	r := c.relay
	via := viaOf(c.request)
	if slices.Contains(via, r.mark) {
		c.refuse("loop", "NetStream.Play.Failed", "this stream would come back to where it comes from")
		return
	}
	if !r.reserve() {
		c.refuse("capacity", "NetStream.Play.Failed", "no room for more viewers")
		return
	}
	defer r.unreserve()
	if err := tuneSender(c.conn.Conn); err != nil {
		c.log.WithError(err).Debug("socket options")
	}
	if c.grant() != nil {
		return // it has left
	}
	v := newViewer(r.o, c.conn.Conn, c.rtmp, c.request, via)
	v.past = pastOf(c.request)
	for {
		v.stream = r.stream(c.id)
		if v.stream.addViewer(v) {
			break
		}
	}
	c.log.Info("viewer came")
	began := time.Now()
	v.poke(began)
	err := v.read()
	v.close()
	v.stream.removeViewer(v)
	log := c.log.WithField("seconds", int(time.Since(began).Seconds()))
	if err != nil && !errors.Is(err, net.ErrClosed) {
		log = log.WithField("cause", err.Error())
	}
	log.Info("viewer left")
}

// viaOf returns the marks of the relays behind a client.
func viaOf(req rtmp.Request) []string {
	marks, _ := req.Connect.Get(viaProperty).(rtmp.StrictArray)
	var via []string
	for _, m := range marks {
		if s, ok := m.(string); ok && len(via) < maxVia {
			via = append(via, s)
		}
	}
	return via
}

// pastOf returns how much of the stream a client has missed; zero for nothing.
func pastOf(req rtmp.Request) time.Duration {
	ms, _ := req.Connect.Get(pastProperty).(float64)
	if !(ms > 0) {
		return 0
	}
	return time.Duration(min(ms, maxPast.Seconds()*1000)) * time.Millisecond
}
