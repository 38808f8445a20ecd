package rtmp

import (
	"fmt"
	"strings"
)

// Accept serves the commands of a fresh connection up to the one that says what it is for, and returns that request. It
// tells the client that chunks of chunkSize bytes follow. The caller answers with Grant or Refuse.
func Accept(c *Conn, chunkSize int) (Request, error) {
	var r Request
	for range maxCommands {
		m, err := c.Next()
		if err != nil {
			return r, err
		}
		if !IsCommand(m) {
			continue
		}
		cmd, err := ParseCommand(m)
		if err != nil {
			return r, err
		}
		switch cmd.Name {
		case "connect":
			err = r.connected(c, cmd, chunkSize)
		case "createStream":
			err = send(c, 0, Command{Name: "_result", Transaction: cmd.Transaction, Args: []Value{float64(defaultStreamID)}})
		case "getStreamLength":
			err = send(c, 0, Command{Name: "_result", Transaction: cmd.Transaction, Args: []Value{0.0}})
		case "releaseStream", "FCPublish", "_checkbw":
			err = send(c, 0, Command{Name: "_result", Transaction: cmd.Transaction, Args: []Value{Undefined{}}})
		case "FCSubscribe":
			s := Status("status", "NetStream.Play.Start", "Subscribed to "+cmd.Text(0))
			s.Name = "onFCSubscribe"
			err = send(c, 0, s)
		case "play", "publish":
			r.Publish, r.StreamID, r.Key = cmd.Name == "publish", m.StreamID, cmd.Text(0)
			return r, nil
		}
		if err != nil {
			return r, err
		}
	}
	return r, fmt.Errorf("rtmp: %d commands: %w", maxCommands, ErrNoRequest)
}

func (r *Request) connected(c *Conn, cmd Command, chunkSize int) error {
	o, _ := cmd.Object.(Object)
	r.App, r.TcURL, r.FlashVer = strings.Trim(o.String("app"), "/"), o.String("tcUrl"), o.String("flashVer")
	r.Connect = o
	encoding, _ := o.Get("objectEncoding").(float64)
	result, err := Command{
		Name: "_result", Transaction: cmd.Transaction,
		Object: Object{{"fmsVer", "FMS/3,0,1,123"}, {"capabilities", 31.0}},
		Args: []Value{Object{
			{"level", "status"}, {"code", "NetConnection.Connect.Success"}, {"description", "Connection succeeded."},
			{"objectEncoding", encoding},
		}},
	}.Message(0)
	if err != nil {
		return err
	}
	return c.Write(
		Control(TypeWindowAckSize, DefaultWindow),
		setPeerBandwidth(DefaultWindow),
		Control(TypeSetChunkSize, uint32(chunkSize)),
		result,
	)
}

func send(c *Conn, streamID uint32, cmds ...Command) error {
	ms, err := messages(streamID, cmds...)
	if err != nil {
		return err
	}
	return c.Write(ms...)
}

func messages(streamID uint32, cmds ...Command) ([]Message, error) {
	var ms []Message
	for _, cmd := range cmds {
		m, err := cmd.Message(streamID)
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, nil
}

// Grant returns the messages that answer a request with yes.
func Grant(r Request) ([]Message, error) {
	ms := []Message{UserControl(EventStreamBegin, r.StreamID)}
	name, _ := SplitArgs(r.Key)
	status := []Command{Status("status", "NetStream.Publish.Start", name+" is now published.")}
	if !r.Publish {
		status = []Command{
			Status("status", "NetStream.Play.Reset", "Playing and resetting "+name+"."),
			Status("status", "NetStream.Play.Start", "Started playing "+name+"."),
		}
	}
	more, err := messages(r.StreamID, status...)
	ms = append(ms, more...)
	if err != nil || r.Publish {
		return ms, err
	}
	// Leave to take samples. Flash wanted it; players still do without, but mplayer does not recognise a stream whose
	// first data message is the metadata of an nginx-rtmp upstream.
	access, err := AppendValue(nil, "|RtmpSampleAccess")
	for range 2 {
		if err == nil {
			access, err = AppendValue(access, true)
		}
	}
	return append(ms, Message{Type: TypeDataAMF0, StreamID: r.StreamID, ChunkStream: chunkStreamData, Payload: access}), err
}

// Refuse answers a request with no. The code is, for example, "NetStream.Publish.BadName".
func Refuse(c *Conn, r Request, code, description string) error {
	return send(c, r.StreamID, Status("error", code, description))
}

// End returns the messages that tell a player that its stream is over.
func End(r Request) ([]Message, error) {
	name, _ := SplitArgs(r.Key)
	ms, err := messages(r.StreamID, Status("status", "NetStream.Play.Stop", "Stopped playing "+name+"."))
	return append(ms, UserControl(EventStreamEOF, r.StreamID)), err
}

// IsEnd reports whether a command of a client ends what it asked for.
func IsEnd(m Message) bool {
	if !IsCommand(m) {
		return false
	}
	cmd, err := ParseCommand(m)
	if err != nil {
		return false
	}
	switch cmd.Name {
	case "deleteStream", "closeStream", "FCUnpublish":
		return true
	}
	return false
}

// Refusal returns what a message that comes amid a stream says against it: an error status, or the stream's end. It is
// nil for every other message.
func Refusal(m Message) error {
	if !IsCommand(m) {
		return nil
	}
	cmd, err := ParseCommand(m)
	if err != nil {
		return err
	}
	if info := cmd.Info(); cmd.Name == "onStatus" && info.String("code") == "NetStream.Play.Stop" {
		return &StatusError{Code: info.String("code"), Description: info.String("description")}
	}
	return cmd.refusal()
}
