package measure

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

var (
	viewer = netip.MustParseAddrPort("10.0.0.3:40000")
	cdn    = netip.MustParseAddrPort("10.0.0.2:1935")
	epoch  = time.Unix(1_700_000_000, 0).UTC()
)

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// A tape writes packets as tcpdump would.
type tape struct {
	t   *testing.T
	out bytes.Buffer
	w   *pcapgo.Writer
}

func newTape(t *testing.T) *tape {
	tp := &tape{t: t}
	tp.w = pcapgo.NewWriter(&tp.out)
	if err := tp.w.WriteFileHeader(262144, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	return tp
}

func (tp *tape) tcp(at time.Duration, src, dst netip.AddrPort, seq uint32, syn bool, payload []byte) {
	tp.t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), Seq: seq, SYN: syn, ACK: !syn}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		tp.t.Fatal(err)
	}
	b := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4},
		ip, tcp, gopacket.Payload(payload))
	if err != nil {
		tp.t.Fatal(err)
	}
	info := gopacket.CaptureInfo{Timestamp: epoch.Add(at), CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}
	if err := tp.w.WritePacket(info, b.Bytes()); err != nil {
		tp.t.Fatal(err)
	}
}

// handshake is what one direction of an RTMP connection begins with.
func handshake() []byte {
	b := make([]byte, 1+2*1536)
	b[0] = 3
	return b
}

// picture is a video message: an AVC frame that holds n, so that it is unique.
func picture(n int, key bool) rtmp.Message {
	p := []byte{0x27, 1, 0, 0, 0}
	if key {
		p[0] = 0x17
	}
	p = binary.BigEndian.AppendUint32(p, uint32(n))
	return rtmp.Message{Type: rtmp.TypeVideo, StreamID: 1, Timestamp: uint32(n * 33), ChunkStream: 6, Payload: append(p, make([]byte, 300)...)}
}

func sound(n int) rtmp.Message {
	return rtmp.Message{Type: rtmp.TypeAudio, StreamID: 1, ChunkStream: 4,
		Payload: binary.BigEndian.AppendUint32([]byte{0xaf, 1}, uint32(n))}
}

func chunks(messages ...rtmp.Message) []byte {
	var b []byte
	for _, m := range messages {
		b = rtmp.AppendMessage(b, m, rtmp.DefaultChunkSize)
	}
	return b
}

func TestTrafficCountsBothWays(t *testing.T) {
	const header = 14 + 20 + 20 // Ethernet, IP, TCP; a frame of nothing else is padded to 60
	tp := newTape(t)
	tp.tcp(ms(-1), viewer, cdn, 1, true, nil) // too early
	tp.tcp(ms(0), viewer, cdn, 2, false, handshake()[:100])
	tp.tcp(ms(999), cdn, viewer, 1, false, make([]byte, 200))
	tp.tcp(ms(2000), cdn, viewer, 1, false, make([]byte, 200))
	tp.tcp(ms(2500), netip.MustParseAddrPort("10.0.0.9:80"), viewer, 1, false, make([]byte, 400))
	captured := tp.out.Bytes()
	got, err := Traffic(bytes.NewReader(captured), 1935, epoch, time.Second)
	if want := []int64{2*header + 300, 0, header + 200}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, error %v, want %v", got, err, want)
	}
	all, err := Connections(bytes.NewReader(captured), 1935)
	if err != nil || len(all) != 1 || all[0].Up != 60+header+100 || all[0].Down != 2*header+400 {
		t.Errorf("%+v, error %v", all, err)
	}
}

func TestConnectionsPutsFramesTogether(t *testing.T) {
	header := rtmp.Message{Type: rtmp.TypeVideo, StreamID: 1, ChunkStream: 6, Payload: []byte{0x17, 0, 0, 0, 0, 1, 2, 3}}
	body := append(handshake(), chunks(header, picture(0, true), sound(0), picture(1, false))...)
	cut1, cut2 := len(handshake())+40, len(body)-100
	const isn = 0xffffff00 // so that the sequence numbers wrap within the handshake

	tp := newTape(t)
	tp.tcp(0, viewer, cdn, 77, true, nil)
	tp.tcp(ms(1), viewer, cdn, 77, true, nil) // a repeated SYN is no second connection
	tp.tcp(ms(2), cdn, viewer, isn, true, nil)
	seq := func(offset int) uint32 { return isn + 1 + uint32(offset) }
	tp.tcp(ms(10), cdn, viewer, seq(0), false, body[:cut1])
	tp.tcp(ms(20), cdn, viewer, seq(cut2), false, body[cut2:])                   // early
	tp.tcp(ms(30), cdn, viewer, seq(cut1-25), false, body[cut1-25:cut1+300])     // overlaps what came
	tp.tcp(ms(40), cdn, viewer, seq(cut1), false, body[cut1:cut1+100])           // wholly old
	tp.tcp(ms(50), cdn, viewer, seq(cut1+300), false, body[cut1+300:cut2])       // fills the hole
	tp.tcp(ms(60), netip.MustParseAddrPort("10.0.0.9:80"), viewer, 1, true, nil) // other traffic
	got, err := Connections(&tp.out, 1935)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 {
		t.Fatalf("%d connections, want 1", len(got))
	}
	c := got[0]
	if c.Client != viewer || c.Server != cdn || !c.Dialled.Equal(epoch) || c.Gap || len(c.Sent) != 0 {
		t.Errorf("connection %v to %v dialled %v gap %v sent %d", c.Client, c.Server, c.Dialled, c.Gap, len(c.Sent))
	}
	want := []struct {
		at         time.Duration
		video, key bool
	}{{ms(50), true, true}, {ms(50), false, false}, {ms(50), true, false}}
	if len(c.Received) != len(want) {
		t.Fatalf("%d frames, want %d: the codec header is none", len(c.Received), len(want))
	}
	for i, w := range want {
		f := c.Received[i]
		if !f.At.Equal(epoch.Add(w.at)) || f.Video != w.video || f.Key != w.key {
			t.Errorf("frame %d: at %v video %v key %v, want %+v", i, f.At.Sub(epoch), f.Video, f.Key, w)
		}
	}
}

func TestConnectionsTimesAFrameByItsLastByte(t *testing.T) {
	body := append(handshake(), chunks(picture(0, true), picture(1, false))...)
	end := len(handshake()) + len(chunks(picture(0, true)))
	tp := newTape(t)
	tp.tcp(0, viewer, cdn, 0, true, nil)
	tp.tcp(ms(5), viewer, cdn, 1, false, body[:end-1])
	tp.tcp(ms(6), viewer, cdn, uint32(end), false, body[end-1:end])
	tp.tcp(ms(7), viewer, cdn, uint32(end+1), false, body[end:])
	got, err := Connections(&tp.out, 1935)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got[0].Sent); n != 2 {
		t.Fatalf("%d frames, want 2", n)
	}
	if at := got[0].Sent[0].At.Sub(epoch); at != ms(6) {
		t.Errorf("the first frame at %v, want its last byte's 6 ms", at)
	}
}

func TestConnectionsTellsAGap(t *testing.T) {
	body := append(handshake(), chunks(picture(0, true), picture(1, false))...)
	tp := newTape(t)
	tp.tcp(0, viewer, cdn, 0, true, nil)
	tp.tcp(ms(5), viewer, cdn, 1, false, body[:3200])
	tp.tcp(ms(6), viewer, cdn, 1+3300, false, body[3300:])
	got, err := Connections(&tp.out, 1935)
	if err != nil {
		t.Fatal(err)
	}
	if !got[0].Gap {
		t.Error("100 bytes are missing and nothing says so")
	}
}

func TestConnectionsRefuses(t *testing.T) {
	t.Run("what is not RTMP", func(t *testing.T) {
		tp := newTape(t)
		tp.tcp(0, viewer, cdn, 0, true, nil)
		tp.tcp(1, viewer, cdn, 1, false, []byte("GET / HTTP/1.1\r\n"))
		if _, err := Connections(&tp.out, 1935); !errors.Is(err, rtmp.ErrNotRTMP) {
			t.Errorf("error %v, want ErrNotRTMP", err)
		}
	})
	t.Run("cut packets", func(t *testing.T) {
		tp := newTape(t)
		tp.tcp(0, viewer, cdn, 0, true, nil)
		b := tp.out.Bytes()
		binary.LittleEndian.PutUint32(b[24+12:], 9999) // the record's original length
		if _, err := Connections(&tp.out, 1935); err == nil {
			t.Error("a capture with too small a snapshot length is taken for whole")
		}
	})
	t.Run("another link type", func(t *testing.T) {
		var out bytes.Buffer
		if err := pcapgo.NewWriter(&out).WriteFileHeader(100, layers.LinkTypeRaw); err != nil {
			t.Fatal(err)
		}
		if _, err := Connections(&out, 1935); err == nil {
			t.Error("a capture without Ethernet headers is taken for an empty one")
		}
	})
}

func TestConnectionsReadsAnUnfinishedFile(t *testing.T) {
	tp := newTape(t)
	tp.tcp(0, viewer, cdn, 0, true, nil)
	tp.tcp(ms(1), viewer, cdn, 1, false, append(handshake(), chunks(picture(0, true))...))
	tp.tcp(ms(2), viewer, cdn, 1, false, make([]byte, 100))
	got, err := Connections(bytes.NewReader(tp.out.Bytes()[:tp.out.Len()-30]), 1935)
	if err != nil || len(got) != 1 || len(got[0].Sent) != 1 {
		t.Errorf("%d connections, error %v; want one with one frame", len(got), err)
	}
}

// frame makes a frame of its own hash, seen at a time.
func frame(n int, at time.Duration, video bool) Frame {
	return Frame{Hash: Hash{byte(n), byte(n >> 8), 1}, At: epoch.Add(at), Video: video, Bytes: 10}
}

func TestCompare(t *testing.T) {
	var published []Frame
	for n := range 10 {
		published = append(published, frame(n, ms(100*n), true))
	}
	published = append(published, frame(3, ms(2000), true)) // a repeated picture
	received := []Frame{
		frame(1, ms(350), true), // backlog: the viewer came when 3 was out
		frame(3, ms(360), true),
		frame(4, ms(610), true), // the first that counts
		frame(5, ms(700), true),
		frame(5, ms(690), true), // twice, and the other one came first
		frame(7, ms(900), true), // 6 is lost
		frame(99, ms(950), true),
		frame(8, ms(1100), true),
	}
	m := Compare(published, received)
	want := Counts{Sent: 6, Received: 4, Unmatched: 2 + 1, Duplicate: 1, Backlog: 2}
	if got := m.Counts(); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if m.Repeated != 1 || m.Foreign != 1 || !m.First().Equal(epoch.Add(ms(350))) {
		t.Errorf("repeated %d, foreign %d, first %v", m.Repeated, m.Foreign, m.First().Sub(epoch))
	}
	spread := SpreadOf(m.Live())
	if spread != (Spread{Min: 190, P50: 200, P95: 300, P99: 300, Max: 300}) {
		t.Errorf("spread %+v", spread)
	}
}

func TestCompareJoinsPictureAndSoundApart(t *testing.T) {
	published := []Frame{frame(0, 0, false), frame(1, ms(10), true), frame(2, ms(400), false), frame(3, ms(410), true),
		frame(4, ms(800), false), frame(5, ms(900), true)}
	// Sound comes at once, the picture from its second frame on.
	received := []Frame{frame(0, ms(200), false), frame(2, ms(600), false), frame(3, ms(610), true), frame(4, ms(1000), false), frame(5, ms(1100), true)}
	m := Compare(published, received)
	if got, want := m.Counts(), (Counts{Sent: 3, Received: 3, Backlog: 2}); got != want {
		t.Errorf("counts %+v, want %+v: a picture from before the first one shown is not lost", got, want)
	}
	if at := m.First().Sub(epoch); at != ms(610) {
		t.Errorf("first picture at %v", at)
	}
}

func TestCompareNothingReceived(t *testing.T) {
	m := Compare([]Frame{frame(0, 0, true)}, nil)
	if got := m.Counts(); got != (Counts{}) || !m.First().IsZero() || len(m.Live()) != 0 {
		t.Errorf("counts %+v, first %v, live %d", got, m.First(), len(m.Live()))
	}
	if s := SpreadOf(nil); s != (Spread{}) {
		t.Errorf("spread of nothing %+v", s)
	}
}

func TestStalls(t *testing.T) {
	tests := []struct {
		name   string
		delays []int // ms, of frames 100 ms apart
		want   int
	}{
		{"steady", []int{200, 210, 190, 205}, 0},
		{"within the buffer", []int{200, 650, 700, 200}, 0},
		{"one late frame", []int{200, 701, 700, 200}, 1},
		{"a delay that stays is one stall", []int{200, 900, 900, 1300, 900}, 1},
		{"a growing delay stalls again and again", []int{200, 701, 1202, 1703}, 3},
		{"none", nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var live []Delivery
			for i, d := range test.delays {
				f := frame(i, ms(100*i), true)
				live = append(live, Delivery{Frame: f, Arrived: f.At.Add(ms(d)), Copies: 1})
			}
			if got := Stalls(live, ms(500)); got != test.want {
				t.Errorf("%d stalls, want %d", got, test.want)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for _, test := range []struct{ q, want float64 }{{0, 1}, {0.5, 50}, {0.95, 95}, {0.99, 99}, {1, 100}} {
		if got := Quantile(hundred, test.q); got != test.want {
			t.Errorf("Quantile(1..100, %v) = %v, want %v", test.q, got, test.want)
		}
	}
}
