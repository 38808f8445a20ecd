package ofproto

import "fmt"

// A QueueGetConfigRequest asks for the queues of a port: struct ofp_queue_get_config_request, OpenFlow 1.0.0 §5.3.4.
type QueueGetConfigRequest struct {
	Port Port `json:"port"` // a physical port

	pad [2]byte
}

// Type returns TypeQueueGetConfigRequest.
func (*QueueGetConfigRequest) Type() Type { return TypeQueueGetConfigRequest }

// AppendBody implements Message.
func (m *QueueGetConfigRequest) AppendBody(dst []byte) ([]byte, error) {
	return append(be.AppendUint16(dst, uint16(m.Port)), m.pad[:]...), nil
}

// DecodeBody implements Message.
func (m *QueueGetConfigRequest) DecodeBody(body []byte) error {
	if err := exactly(TypeQueueGetConfigRequest, body, 4); err != nil {
		return err
	}
	*m = QueueGetConfigRequest{Port(be.Uint16(body)), [2]byte(body[2:])}
	return nil
}

// A QueueGetConfigReply lists the queues of a port: struct ofp_queue_get_config_reply, OpenFlow 1.0.0 §5.3.4.
type QueueGetConfigReply struct {
	Port   Port          `json:"port"`
	Queues []PacketQueue `json:"queues"`

	pad [6]byte
}

// A PacketQueue describes a queue: struct ofp_packet_queue, OpenFlow 1.0.0 §5.2.2.
type PacketQueue struct {
	ID         uint32          `json:"queue_id"`
	Properties []QueueProperty `json:"properties"`

	pad [2]byte
}

// A QueuePropertyType says what a QueueProperty is: enum ofp_queue_properties, OpenFlow 1.0.0 §5.2.2.
type QueuePropertyType uint16

// The queue properties (OFPQT_*).
const (
	QueueNone    QueuePropertyType = iota // no property
	QueueMinRate                          // a guaranteed rate
)

// A QueueProperty is a property of a queue: struct ofp_queue_prop_header or ofp_queue_prop_min_rate, OpenFlow 1.0.0 §5.2.2.
type QueueProperty struct {
	Type QueuePropertyType `json:"type"`
	Rate uint16            `json:"rate"`           // QueueMinRate: in tenths of a percent; above 1000 for disabled
	Data Bytes             `json:"data,omitempty"` // of any other type: what follows the header

	pad     [4]byte // of the header
	ratePad [6]byte
}

const (
	queueReplyLen   = 8
	packetQueueLen  = 8
	propertyLen     = 8
	minRatePropsLen = 16
)

// Type returns TypeQueueGetConfigReply.
func (*QueueGetConfigReply) Type() Type { return TypeQueueGetConfigReply }

// AppendBody implements Message.
func (m *QueueGetConfigReply) AppendBody(dst []byte) ([]byte, error) {
	out := append(be.AppendUint16(dst, uint16(m.Port)), m.pad[:]...)
	for i := range m.Queues {
		q := &m.Queues[i]
		start := len(out)
		out = be.AppendUint32(out, q.ID)
		out = append(out, 0, 0, q.pad[0], q.pad[1])
		for k := range q.Properties {
			out = q.Properties[k].appendTo(out)
		}
		n := len(out) - start
		if n > MaxLen {
			return dst, fmt.Errorf("ofproto: encode QUEUE_GET_CONFIG_REPLY: queue of %d bytes: %w", n, ErrTooLong)
		}
		be.PutUint16(out[start+4:], uint16(n))
	}
	return out, nil
}

func (p *QueueProperty) appendTo(dst []byte) []byte {
	n := propertyLen + len(p.Data)
	if p.Type == QueueMinRate {
		n = minRatePropsLen
	}
	dst = be.AppendUint16(dst, uint16(p.Type))
	dst = be.AppendUint16(dst, uint16(n))
	dst = append(dst, p.pad[:]...)
	if p.Type == QueueMinRate {
		return append(be.AppendUint16(dst, p.Rate), p.ratePad[:]...)
	}
	return append(dst, p.Data...)
}

// DecodeBody implements Message.
func (m *QueueGetConfigReply) DecodeBody(body []byte) error {
	const t = TypeQueueGetConfigReply
	if err := atLeast(t, body, queueReplyLen); err != nil {
		return err
	}
	reply := QueueGetConfigReply{Port: Port(be.Uint16(body)), Queues: []PacketQueue{}, pad: [6]byte(body[2:])}
	for at := queueReplyLen; at < len(body); {
		left := len(body) - at
		if left < packetQueueLen {
			return bad(t, at, ErrShort, "%d bytes left of a queue", left)
		}
		n := int(be.Uint16(body[at+4:]))
		switch {
		case n < packetQueueLen:
			return bad(t, at, ErrShort, "queue length %d", n)
		case n > left:
			return bad(t, at, ErrShort, "queue length %d in %d bytes", n, left)
		}
		q := PacketQueue{ID: be.Uint32(body[at:]), pad: [2]byte(body[at+6:])}
		var err error
		if q.Properties, err = queueProperties(body, at+packetQueueLen, at+n); err != nil {
			return err
		}
		reply.Queues = append(reply.Queues, q)
		at += n
	}
	*m = reply
	return nil
}

// queueProperties reads the properties in body[from:to].
func queueProperties(body []byte, from, to int) ([]QueueProperty, error) {
	const t = TypeQueueGetConfigReply
	props := []QueueProperty{}
	for at := from; at < to; {
		left := to - at
		if left < propertyLen {
			return nil, bad(t, at, ErrShort, "%d bytes left of a queue property", left)
		}
		kind, n := QueuePropertyType(be.Uint16(body[at:])), int(be.Uint16(body[at+2:]))
		switch {
		case n < propertyLen:
			return nil, bad(t, at, ErrShort, "queue property length %d", n)
		case n > left:
			return nil, bad(t, at, ErrShort, "queue property length %d in %d bytes", n, left)
		case kind == QueueNone && n != propertyLen, kind == QueueMinRate && n != minRatePropsLen:
			return nil, bad(t, at, ErrLength, "queue property length %d for type %d", n, kind)
		case n%8 != 0:
			return nil, bad(t, at, ErrLength, "queue property length %d, not a multiple of 8", n)
		}
		b := body[at : at+n : at+n]
		p := QueueProperty{Type: kind, pad: [4]byte(b[4:])}
		switch kind {
		case QueueNone:
		case QueueMinRate:
			p.Rate, p.ratePad = be.Uint16(b[8:]), [6]byte(b[10:])
		default:
			p.Data = b[propertyLen:]
		}
		props = append(props, p)
		at += n
	}
	return props, nil
}
