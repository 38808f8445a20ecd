package controller

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// maxEarly bounds what a switch may say of its own accord before it is up, in bytes; a switch under load floods packet-ins from
// its first moment.
const maxEarly = 1 << 20

// errSilent says that the other side closed the connection before it said anything.
var errSilent = errors.New("closed without a word")

// errRefused says that the switch answered a request with an error message.
var errRefused = errors.New("refused by the switch")

// A greeting is a handshake in progress: one request at a time, whatever else arrives kept for later in its order.
type greeting struct {
	conn  *ofproto.Conn
	batch [][]byte
	xid   uint32
	early [][]byte
	bytes int // in early
}

// shakeHands asks a new connection for all that must be known before its switch is up: HELLO, FEATURES, SET_CONFIG, DESC
// statistics, its flow table, BARRIER. It returns the switch and what it said meanwhile. Nothing is kept of one that admit
// refuses.
func (c *Controller) shakeHands(conn *ofproto.Conn, admit func(ofproto.DPID) error, log logrus.FieldLogger) (*datapath, [][]byte, error) {
	g := &greeting{conn: conn}
	if err := g.hello(); err != nil {
		return nil, nil, err
	}
	features := new(ofproto.FeaturesReply)
	if err := g.ask(&ofproto.FeaturesRequest{}, features); err != nil {
		return nil, nil, err
	}
	if err := admit(features.DatapathID); err != nil {
		return nil, nil, fmt.Errorf("datapath %v: %w", features.DatapathID, err)
	}
	config := &ofproto.SetConfig{MissSendLen: 0xffff} // nothing is buffered on the switch, so nothing may be cut
	if err := g.send(config); err != nil {
		return nil, nil, err
	}
	desc := new(ofproto.StatsReply)
	if err := g.ask(&ofproto.StatsRequest{Body: ofproto.DescStatsRequest{}}, desc); errors.Is(err, errRefused) {
		log.WithError(err).Debug("no description") // a name for the log, nothing more
	} else if err != nil {
		return nil, nil, err
	}
	have, err := g.flowTable()
	if err != nil {
		return nil, nil, err
	}
	if err := g.ask(&ofproto.BarrierRequest{}, &ofproto.BarrierReply{}); err != nil {
		return nil, nil, err
	}
	d := c.newDatapath(conn, features, log)
	d.have = have
	d.xid.Store(g.xid)
	if s, ok := desc.Body.(ofproto.DescStats); ok {
		d.software = s.Manufacturer + " " + s.Hardware + " " + s.Software
		d.ovs = s.Manufacturer == "Nicira, Inc." && s.Hardware == "Open vSwitch"
	}
	return d, append(g.early, g.batch...), nil // what came right behind the barrier reply is behind it still
}

// hello exchanges versions. Only OpenFlow 1.0 is spoken: a switch that lists its versions and does not list that one, or
// whose highest is below it, is told so in an error message before the connection closes (§5.4.4, OFPHFC_INCOMPATIBLE).
func (g *greeting) hello() error {
	if err := g.send(&ofproto.Hello{}); err != nil {
		return errSilent // nothing has been heard, and the other side is gone
	}
	frame, err := g.next()
	if err == io.EOF || errors.Is(err, syscall.ECONNRESET) {
		return errSilent
	}
	if errors.Is(err, errNoHello) {
		g.refuse("HELLO must come first")
	}
	if err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	h, m, err := ofproto.Decode(frame)
	if err != nil {
		g.refuse("not an OpenFlow 1.0 HELLO")
		return fmt.Errorf("hello: %w", err)
	}
	hello, ok := m.(*ofproto.Hello)
	if !ok {
		return fmt.Errorf("hello: got %v first", h.Type)
	}
	if !speaksVersion1(h.Version, hello.Body) {
		g.refuse("only OpenFlow 1.0 is spoken here")
		return fmt.Errorf("hello: switch speaks version 0x%02x and not OpenFlow 1.0 (0x01)", h.Version)
	}
	return nil
}

// speaksVersion1 reads a HELLO: by its version bitmap where it has one (OpenFlow 1.3.1 §7.5.1), else a higher version
// stands for all below it.
func speaksVersion1(version uint8, body []byte) bool {
	const elementBitmap = 1
	for len(body) >= 8 {
		n := int(binary.BigEndian.Uint16(body[2:]))
		if n < 4 || n > len(body) {
			break
		}
		if binary.BigEndian.Uint16(body) == elementBitmap && n >= 8 {
			return binary.BigEndian.Uint32(body[4:])&(1<<ofproto.Version) != 0
		}
		body = body[min(len(body), (n+7)&^7):]
	}
	return version >= ofproto.Version
}

func (g *greeting) refuse(why string) {
	_ = g.send(&ofproto.Error{ErrType: ofproto.HelloFailed, Code: ofproto.HelloIncompatible, Data: []byte(why)})
}

func (g *greeting) send(m ofproto.Message) error {
	g.xid++
	if err := g.conn.Write(g.xid, m); err != nil {
		return err
	}
	return g.conn.Flush()
}

// ask sends a request and decodes its answer into reply.
func (g *greeting) ask(request, reply ofproto.Message) error {
	if err := g.send(request); err != nil {
		return fmt.Errorf("%v: %w", request.Type(), err)
	}
	return g.answer(request.Type(), reply)
}

func (g *greeting) answer(request ofproto.Type, reply ofproto.Message) error {
	for {
		frame, err := g.next()
		if err != nil {
			return fmt.Errorf("%v: %w", request, err)
		}
		h, err := ofproto.ParseHeader(frame)
		if err != nil {
			return fmt.Errorf("%v: %w", request, err)
		}
		if h.Version != ofproto.Version { // it agreed to 1.0 in its HELLO and does not keep to it
			g.refuse("only OpenFlow 1.0 is spoken here")
			return fmt.Errorf("%v: answered in version 0x%02x and not OpenFlow 1.0 (0x01)", request, h.Version)
		}
		switch {
		case h.Type == reply.Type() && h.XID == g.xid:
			if _, m, err := ofproto.Decode(frame); err != nil {
				return fmt.Errorf("%v: %w", request, err)
			} else if err := reply.DecodeBody(cloneBody(frame)); err != nil {
				return fmt.Errorf("%v: %w", m.Type(), err)
			}
			return nil
		case h.Type == ofproto.TypeEchoRequest:
			if err := g.echo(h, frame); err != nil {
				return err
			}
		case h.Type == ofproto.TypeError && h.XID == g.xid:
			refusal := new(ofproto.Error)
			if err := refusal.DecodeBody(frame[ofproto.HeaderLen:]); err != nil {
				return fmt.Errorf("%v: %w", request, err)
			}
			return fmt.Errorf("%v: %w: %s", request, errRefused, refusal.Reason())
		case g.bytes+len(frame) <= maxEarly:
			g.early = append(g.early, append([]byte(nil), frame...))
			g.bytes += len(frame)
		}
	}
}

func (g *greeting) echo(h ofproto.Header, frame []byte) error {
	if err := g.conn.Write(h.XID, &ofproto.EchoReply{Data: frame[ofproto.HeaderLen:]}); err != nil {
		return err
	}
	return g.conn.Flush()
}

// flowTable reads what the switch has of ours; the answer may come in parts.
func (g *greeting) flowTable() ([]ofproto.FlowStat, error) {
	request := &ofproto.StatsRequest{Body: ofproto.FlowStatsRequest{
		Match: ofproto.MatchAll, TableID: 0xff, OutPort: ofproto.PortNone,
	}}
	if err := g.send(request); err != nil {
		return nil, err
	}
	var all entries
	for {
		reply := new(ofproto.StatsReply)
		if err := g.answer(request.Type(), reply); err != nil {
			return nil, fmt.Errorf("flow table: %w", err)
		}
		part, ok := reply.Body.(ofproto.FlowStats)
		if !ok {
			return nil, fmt.Errorf("flow table: answer of kind %v", reply.Body.Kind())
		}
		if err := all.add(part); err != nil {
			return nil, err
		}
		if reply.Flags&ofproto.StatsMore == 0 {
			return all.ours, nil
		}
	}
}

// next returns the next whole message.
func (g *greeting) next() ([]byte, error) {
	for len(g.batch) == 0 {
		var err error
		if g.batch, err = g.conn.ReadBatch(); err != nil {
			return nil, err
		}
	}
	frame := g.batch[0]
	g.batch = g.batch[1:]
	return frame, nil
}

func cloneBody(frame []byte) []byte { return append([]byte(nil), frame[ofproto.HeaderLen:]...) }
