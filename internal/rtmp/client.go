package rtmp

import "fmt"

// Open asks a server for a stream over a fresh connection and returns once the server has agreed. r needs App, Key and
// TcURL; StreamID is filled in. The chunks that this end sends from then on have chunkSize bytes. A refusal is a
// *StatusError.
//
// All commands go out in one write: a server answers them in order anyway, and on a path of 400 ms each way waiting for
// each answer would put the first frame off by 1.6 seconds. Servers number their first stream 1; should one not, the
// last command is repeated on its stream.
func Open(c *Conn, r *Request, chunkSize int) error {
	const connectID, createID, requestID = 1, 2, 5
	connect := Object{{"app", r.App}, {"flashVer", r.FlashVer}, {"tcUrl", r.TcURL}}
	if r.Publish {
		connect = append(connect, Property{"type", "nonprivate"})
	} else {
		connect = append(connect, Object{{"fpad", false}, {"capabilities", 15.0}, {"audioCodecs", 4071.0},
			{"videoCodecs", 252.0}, {"videoFunction", 1.0}}...)
	}
	// Enhanced RTMP, "FourCC list": any codec will do, a relay passes all of them on.
	connect = append(connect, Property{"fourCcList", StrictArray{"*"}})
	connect = append(connect, r.Connect...)

	open := []Command{{Name: "connect", Transaction: connectID, Object: connect}}
	if r.Publish {
		open = append(open, Command{Name: "releaseStream", Transaction: 3, Args: []Value{r.Key}},
			Command{Name: "FCPublish", Transaction: 4, Args: []Value{r.Key}})
	}
	open = append(open, Command{Name: "createStream", Transaction: createID})
	ms, err := messages(0, open...)
	if err != nil {
		return err
	}
	r.StreamID = defaultStreamID
	request, err := r.command(requestID)
	if err != nil {
		return err
	}
	first := []Message{Control(TypeSetChunkSize, uint32(chunkSize)), Control(TypeWindowAckSize, DefaultWindow)}
	if err := c.Write(append(append(first, ms...), request...)...); err != nil {
		return err
	}
	for range maxCommands {
		m, err := c.Next()
		if err != nil {
			return err
		}
		if !IsCommand(m) {
			if m.Type == TypeAudio || m.Type == TypeVideo {
				c.next-- // a server that says nothing and sends: so be it
				return nil
			}
			continue
		}
		cmd, err := ParseCommand(m)
		if err != nil {
			return err
		}
		switch {
		case cmd.Name == "_result" && cmd.Transaction == createID:
			if id := uint32(cmd.Number(0)); id != r.StreamID {
				r.StreamID = id
				if request, err = r.command(requestID); err != nil {
					return err
				}
				if err := c.Write(request...); err != nil {
					return err
				}
			}
		case cmd.Name == "_error" && cmd.Transaction != connectID && cmd.Transaction != createID:
			// releaseStream and FCPublish may be unknown to a server.
		case cmd.Name == "onStatus" && m.StreamID != r.StreamID && m.StreamID != 0:
			// The answer to what was asked before the stream's number was known.
		case cmd.refusal() != nil:
			return cmd.refusal()
		case cmd.Name == "onStatus":
			switch cmd.Info().String("code") {
			case "NetStream.Play.Start", "NetStream.Publish.Start":
				return nil
			}
		}
	}
	return fmt.Errorf("rtmp: %d messages without an answer: %w", maxCommands, ErrNoRequest)
}

// command returns the messages of play or publish.
func (r *Request) command(transaction float64) ([]Message, error) {
	if r.Publish {
		return messages(r.StreamID, Command{Name: "publish", Transaction: transaction, Args: []Value{r.Key, "live"}})
	}
	ms, err := messages(r.StreamID, Command{Name: "play", Transaction: transaction, Args: []Value{r.Key, -2000.0}})
	if err != nil {
		return nil, err
	}
	buffer := UserControl(EventSetBufferLength, r.StreamID)
	buffer.Payload = append(buffer.Payload, 0, 0, 0, 100) // milliseconds
	return append(ms, buffer), nil
}
