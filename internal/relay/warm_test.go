package relay

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ofctl-live/ofctl-live/internal/rtmp"
)

func TestPieces(t *testing.T) {
	const ms = 1000
	for _, tt := range []struct {
		name string
		info unix.TCPInfo
		want int
	}{
		{"near", unix.TCPInfo{Rtt: 30 * ms, Snd_cwnd: 10}, 1},
		{"new", unix.TCPInfo{Rtt: 400 * ms, Snd_cwnd: 10}, 10},
		{"in use", unix.TCPInfo{Rtt: 400 * ms, Snd_cwnd: 10, Unacked: 4}, 6},
		{"all in use", unix.TCPInfo{Rtt: 400 * ms, Snd_cwnd: 10, Unacked: 10}, 1},
		{"opening", unix.TCPInfo{Rtt: 400 * ms, Snd_cwnd: 20}, 20},
		{"nearly open", unix.TCPInfo{Rtt: 400 * ms, Snd_cwnd: 40}, 24},
		{"open", unix.TCPInfo{Rtt: 400 * ms, Snd_cwnd: 70}, 33},
		{"no more than the distance wants", unix.TCPInfo{Rtt: 100 * ms, Snd_cwnd: 20}, 11},
		{"lost", unix.TCPInfo{Rtt: 400 * ms, Snd_cwnd: 20, Lost: 1}, 1},
		{"was lost", unix.TCPInfo{Rtt: 400 * ms, Snd_cwnd: 20, Total_retrans: 2}, 1},
		{"SYN-ACK twice", unix.TCPInfo{Rtt: 400 * ms, Snd_cwnd: 10, Total_retrans: 1}, 10},
		{"disorder", unix.TCPInfo{Rtt: 400 * ms, Snd_cwnd: 20, Ca_state: 1}, 1},
		{"unknown", unix.TCPInfo{}, 1},
	} {
		if got := pieces(&tt.info); got != tt.want {
			t.Errorf("%s: %d pieces, want %d", tt.name, got, tt.want)
		}
	}
}

// TestSendPieces has the kernel count the segments of what is sent, and the other end read it whole.
func TestSendPieces(t *testing.T) {
	client, server := loopback(t, net.Dialer{})
	raw, err := server.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	sent := make([]byte, 3073)
	for i := range sent {
		sent[i] = byte(i)
	}
	for _, n := range []int{1, 4, 8} {
		var rest []byte
		var segments uint32
		err := raw.Control(func(fd uintptr) {
			before, e := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			if e != nil {
				t.Fatal(e)
			}
			rest = sendPieces(fd, sent, n)
			after, e := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			if e != nil {
				t.Fatal(e)
			}
			segments = after.Data_segs_out - before.Data_segs_out
		})
		if err != nil {
			t.Fatal(err)
		}
		if segments != uint32(n-1) {
			t.Errorf("%d segments before the last of %d", segments, n)
		}
		if _, err := server.Write(rest); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(client, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("in %d pieces something else arrives", n)
		}
	}
}

// TestFilling reads what a viewer is sent while it waits: nothing that a player acts upon.
func TestFilling(t *testing.T) {
	v := &viewer{rtmp: rtmp.NewConn(nil, nil)}
	if b := v.filling(1); len(b) != 0 || v.sent != 0 {
		t.Errorf("%d bytes for one segment", len(b))
	}
	b := v.filling(33)
	if len(b) < 33 || v.sent != uint64(len(b)) {
		t.Errorf("%d bytes for 33 segments, %d counted as sent", len(b), v.sent)
	}
	var r rtmp.ChunkReader
	n := 0
	err := r.Feed(b, func(m rtmp.Message) error {
		n++
		if m.Type != rtmp.TypeWindowAckSize || binary.BigEndian.Uint32(m.Payload) != rtmp.DefaultWindow {
			t.Errorf("message of type %d: %x", m.Type, m.Payload)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Errorf("%d messages, error %v", n, err)
	}
}
