package rtmp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// pair shakes hands over a pipe and returns both ends.
func pair(t *testing.T) (client, server *Conn) {
	t.Helper()
	a, b := net.Pipe()
	deadline := time.Now().Add(5 * time.Second)
	for _, c := range []net.Conn{a, b} {
		_ = c.SetDeadline(deadline)
		t.Cleanup(func() { c.Close() })
	}
	random := strings.NewReader(strings.Repeat("r", 2*handshakeBlock))
	done := make(chan []byte, 1)
	go func() {
		c2, err := ClientHandshake(a, strings.NewReader(strings.Repeat("c", handshakeBlock)), 7)
		if err != nil {
			t.Error(err)
		}
		done <- c2
		if _, err := a.Write(c2); err != nil { // a pipe has no buffer: the server waits for C2
			t.Error(err)
		}
	}()
	if err := ServerHandshake(b, random, 9); err != nil {
		t.Fatal(err)
	}
	if c2 := <-done; len(c2) != handshakeBlock || c2[100] != 'r' || !bytes.Equal(c2[:4], []byte{0, 0, 0, 9}) {
		t.Errorf("C2 does not echo S1: % x", c2[:16])
	}
	return NewConn(a, nil), NewConn(b, nil)
}

func TestOpenAndAccept(t *testing.T) {
	for _, publish := range []bool{false, true} {
		client, server := pair(t)
		want := Request{
			Publish: publish, App: "live", Key: "a?token=x", TcURL: "rtmp://h/live", FlashVer: "test",
			Connect: Object{{"mark", StrictArray{"one"}}},
		}
		opened := make(chan error, 1)
		asked := want
		go func() { opened <- Open(client, &asked, 4096) }()
		got, err := Accept(server, 60000)
		if err != nil {
			t.Fatal(err)
		}
		if got.Publish != publish || got.App != want.App || got.Key != want.Key || got.TcURL != want.TcURL ||
			got.FlashVer != want.FlashVer || got.StreamID != 1 || got.Connect.Get("mark").(StrictArray)[0] != "one" {
			t.Errorf("request %+v", got)
		}
		ms, err := Grant(got)
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Write(ms...); err != nil {
			t.Fatal(err)
		}
		if err := <-opened; err != nil || asked.StreamID != 1 {
			t.Fatalf("stream %d, error %v", asked.StreamID, err)
		}
		frame := Message{Type: TypeVideo, StreamID: 1, ChunkStream: 7, Timestamp: 5, Payload: bytes.Repeat([]byte{0x17}, 100_000)}
		from, to := server, client
		if publish {
			from, to = client, server
		}
		go func() {
			if err := from.Write(frame); err != nil {
				t.Error(err)
			}
		}()
		for {
			m, err := to.Next()
			if err != nil {
				t.Fatal(err)
			}
			if m.Type == TypeVideo {
				if !bytes.Equal(m.Payload, frame.Payload) || m.Timestamp != 5 {
					t.Error("another frame than was sent")
				}
				break
			}
		}
	}
}

func TestRefuse(t *testing.T) {
	client, server := pair(t)
	opened := make(chan error, 1)
	go func() { opened <- Open(client, &Request{App: "live", Key: "a"}, 4096) }()
	r, err := Accept(server, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if err := Refuse(server, r, "NetStream.Play.StreamNotFound", "no such stream"); err != nil {
		t.Fatal(err)
	}
	var status *StatusError
	if err := <-opened; !errors.As(err, &status) || status.Code != "NetStream.Play.StreamNotFound" {
		t.Errorf("error %v", err)
	}
}

// script is an io.ReadWriter that says what it was given and keeps what it is told.
type script struct {
	io.Reader
	bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)  { return s.Reader.Read(p) }
func (s *script) Write(p []byte) (int, error) { return s.Buffer.Write(p) }

// answers runs a Conn over what the other end sends and returns the messages that it sends back by itself.
func answers(t *testing.T, ms ...Message) []Message {
	t.Helper()
	var in []byte
	for _, m := range ms {
		in = AppendMessage(in, m, DefaultChunkSize)
	}
	s := &script{Reader: bytes.NewReader(in)}
	c := NewConn(s, nil)
	for {
		if _, err := c.ReadBatch(); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
	}
	var r ChunkReader
	out, err := feedAll(&r, s.Bytes(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestConnKeepsItsPromises(t *testing.T) {
	if out := answers(t, UserControl(EventPingRequest, 77)); len(out) != 1 {
		t.Errorf("ping: %v", out)
	} else if event, v, ok := ParseUserControl(out[0]); !ok || event != EventPingResponse || v != 77 {
		t.Errorf("ping: event %d, value %d", event, v)
	}
	data := Message{Type: TypeVideo, ChunkStream: 7, Payload: make([]byte, 20_000)}
	out := answers(t, Control(TypeWindowAckSize, 10_000), data)
	if len(out) < 2 || out[0].Type != TypeAcknowledgement {
		t.Fatalf("acknowledgements: %v", out)
	}
	if out := answers(t, data); len(out) != 0 {
		t.Errorf("unasked: %v", out)
	}
}

// TestOpenFollowsTheStreamNumber plays against a server whose first stream is not number 1.
func TestOpenFollowsTheStreamNumber(t *testing.T) {
	result, err := Command{Name: "_result", Transaction: 2, Args: []Value{5.0}}.Message(0)
	if err != nil {
		t.Fatal(err)
	}
	wrong, _ := Status("error", "NetStream.Play.Failed", "no such stream").Message(1)
	right, _ := Status("status", "NetStream.Play.Start", "").Message(5)
	var in []byte
	for _, m := range []Message{result, wrong, right} {
		in = AppendMessage(in, m, DefaultChunkSize)
	}
	s := &script{Reader: bytes.NewReader(in)}
	r := Request{App: "live", Key: "a"}
	if err := Open(NewConn(s, nil), &r, 4096); err != nil || r.StreamID != 5 {
		t.Fatalf("stream %d, error %v", r.StreamID, err)
	}
	var reader ChunkReader
	sent, err := feedAll(&reader, s.Bytes(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	var plays []uint32
	for _, m := range sent {
		if cmd, err := ParseCommand(m); IsCommand(m) && err == nil && cmd.Name == "play" {
			plays = append(plays, m.StreamID)
		}
	}
	if len(plays) != 2 || plays[1] != 5 {
		t.Errorf("played on streams %v", plays)
	}
}

func TestParseURL(t *testing.T) {
	tests := []struct {
		in   string
		want URL
		err  error
	}{
		{in: "rtmp://10.0.0.2/live", want: URL{"10.0.0.2", "1935", "live"}},
		{in: "rtmp://10.0.0.2:1936/live/b/", want: URL{"10.0.0.2", "1936", "live/b"}},
		{in: "rtmp://[::1]/live", want: URL{"[::1]", "1935", "live"}},
		{in: "rtmp://[::1]:19/live", want: URL{"[::1]", "19", "live"}},
		{in: "rtmp://h", want: URL{"h", "1935", ""}},
		{in: "http://h/live", err: ErrURL},
		{in: "rtmp:///live", err: ErrURL},
		{in: "rtmp://h:x/live", err: ErrURL},
		{in: "rtmp://h:99999/live", err: ErrURL},
		{in: "rtmp://h:0/live", err: ErrURL},
		{in: "rtmp://h:/live", err: ErrURL},
	}
	for _, tt := range tests {
		got, err := ParseURL(tt.in)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %+v, error %v", tt.in, got, err)
		}
	}
}

func TestRoles(t *testing.T) {
	tests := []struct {
		name string
		typ  uint8
		in   string
		want Role
	}{
		{"AVC sequence header", TypeVideo, "17 00 000000 01", RoleConfig},
		{"AVC keyframe", TypeVideo, "17 01 000000 aa", RoleKey},
		{"AVC frame", TypeVideo, "27 01 000000 aa", RoleFrame},
		{"AVC end of sequence", TypeVideo, "17 02 000000", RoleOther},
		{"H.263 keyframe", TypeVideo, "12 00 000000", RoleKey},
		{"enhanced HEVC header", TypeVideo, "90 68766331 01", RoleConfig},
		{"enhanced HEVC keyframe", TypeVideo, "93 68766331 01", RoleKey},
		{"enhanced AV1 frame", TypeVideo, "a1 61763031 01", RoleFrame},
		{"enhanced multitrack header", TypeVideo, "96 00 68766331 01 01", RoleConfig},
		{"enhanced multitrack keyframe", TypeVideo, "96 01 68766331 01 01", RoleKey},
		{"AAC header", TypeAudio, "af 00 1210", RoleConfig},
		{"AAC", TypeAudio, "af 01 21", RoleAudio},
		{"MP3", TypeAudio, "2f fffb", RoleAudio},
		{"enhanced Opus header", TypeAudio, "90 4f707573 01", RoleConfig},
		{"enhanced Opus", TypeAudio, "91 4f707573 01", RoleAudio},
		{"metadata", TypeDataAMF0, "02 000a 6f6e4d65746144617461 03 0000 09", RoleMetadata},
		{"published metadata", TypeDataAMF0, "02 000d 40736574446174614672616d65 02 000a 6f6e4d65746144617461 03 0000 09", RoleMetadata},
		{"cue point", TypeDataAMF0, "02 0001 61", RoleOther},
		{"empty", TypeVideo, "", RoleOther},
	}
	for _, tt := range tests {
		if got := RoleOf(Message{Type: tt.typ, Payload: unhex(t, tt.in)}); got != tt.want {
			t.Errorf("%s: role %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestSplitAggregate(t *testing.T) {
	b := unhex(t, "08 000002 000064 00 000000 af01 0000000d  09 000001 000070 00 000000 27 0000000c  09 0000ff")
	got := SplitAggregate(Message{Type: TypeAggregate, Timestamp: 1000, StreamID: 1, Payload: b})
	if len(got) != 2 || got[0].Timestamp != 1000 || got[1].Timestamp != 1012 || got[1].Type != TypeVideo || len(got[0].Payload) != 2 {
		t.Errorf("%+v", got)
	}
}
