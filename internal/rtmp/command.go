package rtmp

import (
	"errors"
	"fmt"
)

// ErrCommand says that a message is no well-formed command.
var ErrCommand = errors.New("malformed command")

// A Command is a command message (§7.1.1, §7.2): a name, a number that its answer repeats, an object or null, and
// arguments.
type Command struct {
	Name        string
	Transaction float64
	Object      Value
	Args        []Value
}

// chunkStreamCommand carries commands, and chunkStreamControl protocol control messages, as everybody does it.
const (
	chunkStreamControl = 2
	chunkStreamCommand = 3
	chunkStreamData    = 5
)

// IsCommand reports whether m is a command message of either encoding.
func IsCommand(m Message) bool { return m.Type == TypeCommandAMF0 || m.Type == TypeCommandAMF3 }

// ParseCommand reads a command message. The AMF3 form (type 17) is read when its values are AMF0 after one leading byte,
// which is how it is used in practice.
func ParseCommand(m Message) (Command, error) {
	p := m.Payload
	if m.Type == TypeCommandAMF3 && len(p) > 0 {
		p = p[1:]
	}
	vs, err := DecodeValues(p)
	if err != nil {
		return Command{}, fmt.Errorf("rtmp: command: %w", err)
	}
	var c Command
	ok := false
	if len(vs) > 0 {
		c.Name, ok = vs[0].(string)
	}
	if len(vs) > 1 {
		c.Transaction, _ = vs[1].(float64)
	}
	if !ok {
		return Command{}, fmt.Errorf("rtmp: command without a name: %w", ErrCommand)
	}
	if len(vs) > 2 {
		c.Object, c.Args = vs[2], vs[3:]
	}
	return c, nil
}

// Message encodes c in AMF0 for the given message stream.
func (c Command) Message(streamID uint32) (Message, error) {
	p, err := AppendValue(nil, c.Name)
	if err == nil {
		p, err = AppendValue(p, c.Transaction)
	}
	for _, v := range append([]Value{c.Object}, c.Args...) {
		if err == nil {
			p, err = AppendValue(p, v)
		}
	}
	if err != nil {
		return Message{}, fmt.Errorf("rtmp: command %s: %w", c.Name, err)
	}
	return Message{Type: TypeCommandAMF0, StreamID: streamID, ChunkStream: chunkStreamCommand, Payload: p}, nil
}

// Text returns the i-th argument as a string, or "".
func (c Command) Text(i int) string {
	if i >= len(c.Args) {
		return ""
	}
	s, _ := c.Args[i].(string)
	return s
}

// Number returns the i-th argument as a number, or 0.
func (c Command) Number(i int) float64 {
	if i >= len(c.Args) {
		return 0
	}
	f, _ := c.Args[i].(float64)
	return f
}

// Info returns the first argument that is an object: the information object of a status.
func (c Command) Info() Object {
	for _, v := range c.Args {
		switch v := v.(type) {
		case Object:
			return v
		case ECMAArray:
			return Object(v)
		}
	}
	return nil
}

// A StatusError is a refusal by the other end: an _error, or an onStatus of level "error".
type StatusError struct {
	Code        string // "NetStream.Play.StreamNotFound"
	Description string
}

// Error returns the code and the description.
func (e *StatusError) Error() string {
	if e.Description == "" {
		return "rtmp: refused: " + e.Code
	}
	return fmt.Sprintf("rtmp: refused: %s: %s", e.Code, e.Description)
}

// refusal returns c as a StatusError, or nil when it is none.
func (c Command) refusal() error {
	info := c.Info()
	if c.Name == "_error" || c.Name == "onStatus" && info.String("level") == "error" {
		return &StatusError{Code: info.String("code"), Description: info.String("description")}
	}
	return nil
}

// Status returns an onStatus command (§7.2.2).
func Status(level, code, description string) Command {
	return Command{Name: "onStatus", Args: []Value{Object{
		{"level", level}, {"code", code}, {"description", description},
	}}}
}
