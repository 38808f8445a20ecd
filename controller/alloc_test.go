package controller

import (
	"bytes"
	"testing"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestKnownPairAllocatesNothing handles packet-ins of hosts that are known: neither those that go to their place, with their
// rule or behind it, nor those that are the copy of what is under way already cost an allocation.
func TestKnownPairAllocatesNothing(t *testing.T) {
	for name, frame := range map[string][]byte{
		"UDP": packet.AppendUDP(nil, packet.UDP{
			SrcMAC: benchRelay.MAC, DstMAC: benchCDN.MAC, SrcIP: benchRelay.IP, DstIP: benchCDN.IP, SrcPort: 5000, DstPort: 5001,
			Payload: make([]byte, 1000),
		}),
		"TCP, from where a peer serves": packet.AppendTCP(nil, packet.TCP{
			SrcMAC: benchRelay.MAC, DstMAC: benchCDN.MAC, SrcIP: benchRelay.IP, DstIP: benchCDN.IP, SrcPort: 1935, DstPort: 5001, Flags: packet.ACK,
		}),
	} {
		t.Run(name, func(t *testing.T) { knownPairAllocatesNothing(t, frame) })
	}
}

// TestDecisionAllocations counts what a new connection costs: what is kept of its session and of its rules, and no more.
func TestDecisionAllocations(t *testing.T) {
	if underRace {
		t.Skip("pools forget under the race detector")
	}
	const connections, most = 50 * fleetSize * fleetBatch / 8, 6
	f := newFleet(t)
	f.dial(t, connections)
	if n := testing.AllocsPerRun(5, func() { f.dial(t, connections) }) / connections; n > most {
		t.Errorf("%.1f allocations a connection, want no more than %d", n, most)
	}
}

func knownPairAllocatesNothing(t *testing.T, frame []byte) {
	t.Helper()
	r := newRig(t)
	in, err := ofproto.Append(nil, 0, &ofproto.PacketIn{BufferID: ofproto.NoBuffer, TotalLen: uint16(len(frame)), InPort: 1, Data: frame})
	if err != nil {
		t.Fatal(err)
	}
	batch := [][]byte{in, in, in, in}
	for _, tt := range []struct {
		name string
		rule bool // each time the pair's rule is to be placed again
	}{{"on its way", false}, {"rule gone", true}} {
		mods, outs := 0, 0
		handle := func() {
			if tt.rule {
				r.d.pairMu.Lock()
				for k, p := range r.d.pairs {
					p.sent = p.sent.Add(-time.Hour)
					r.d.pairs[k] = p
				}
				r.d.pairMu.Unlock()
			}
			r.sent = r.sent[:0]
			if err := r.d.handleBatch(batch); err != nil {
				t.Fatal(err)
			}
			for b := r.sent; len(b) > 0; b = b[int(b[2])<<8|int(b[3]):] {
				switch ofproto.Type(b[1]) {
				case ofproto.TypeFlowMod:
					mods++
				case ofproto.TypePacketOut:
					outs++
				}
			}
		}
		handle() // the first fills the tables
		mods, outs = 0, 0
		const runs = 100
		if n := testing.AllocsPerRun(runs, handle); n != 0 {
			t.Errorf("%s: %v allocations for %d packets", tt.name, n, len(batch))
		}
		wantMods := 0
		if tt.rule {
			wantMods = runs + 1
		}
		if outs != (runs+1)*len(batch) || mods != wantMods {
			t.Errorf("%s: %d packets sent on and %d rules, want %d and %d", tt.name, outs, mods, (runs+1)*len(batch), wantMods)
		}
	}
}

// TestARPAnswerAllocatesNothing has a known host ask for another, as all do again and again.
func TestARPAnswerAllocatesNothing(t *testing.T) {
	r := newRig(t)
	frame := packet.AppendARP(nil, packet.ARP{Op: packet.ARPRequest, SenderMAC: benchRelay.MAC, SenderIP: benchRelay.IP, TargetIP: benchCDN.IP})
	in, err := ofproto.Append(nil, 0, &ofproto.PacketIn{BufferID: ofproto.NoBuffer, TotalLen: uint16(len(frame)), InPort: 1, Data: frame})
	if err != nil {
		t.Fatal(err)
	}
	answer := packet.AppendARP(nil, packet.ARP{
		Op: packet.ARPReply, SenderMAC: benchCDN.MAC, SenderIP: benchCDN.IP, TargetMAC: benchRelay.MAC, TargetIP: benchRelay.IP,
	})
	handle := func() {
		r.sent = r.sent[:0]
		if err := r.d.handleBatch([][]byte{in}); err != nil {
			t.Fatal(err)
		}
	}
	handle()
	if n := testing.AllocsPerRun(100, handle); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if !bytes.HasSuffix(r.sent, answer) {
		t.Errorf("sent %x, want %x", r.sent, answer)
	}
}
