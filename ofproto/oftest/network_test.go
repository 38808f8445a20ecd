package oftest

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ofctl-live/ofctl-live/internal/packet"
	"github.com/ofctl-live/ofctl-live/ofproto"
)

func flows(t *testing.T, sw *Switch, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := sw.AddFlow(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// single is a switch with a viewer, a CDN and a peer, which forwards by address.
func single(t *testing.T, delay time.Duration) (n *Network, viewer, cdn, peer *Host) {
	n = NewNetwork()
	sw := n.AddSwitch("s1", Options{DPID: 1})
	viewer = n.AddHost("hv1", "10.0.0.3", "s1", 3, delay)
	cdn = n.AddHost("hs", "10.0.0.2", "s1", 2, 3*delay)
	peer = n.AddHost("hb", "10.0.0.1", "s1", 1, delay)
	flows(t, sw, "priority=20,arp,actions=FLOOD",
		"priority=10,ip,nw_dst=10.0.0.1,actions=output:1",
		"priority=10,ip,nw_dst=10.0.0.2,actions=output:2",
		"priority=10,ip,nw_dst=10.0.0.3,actions=output:3")
	cdn.Listen(1935)
	peer.Listen(1935)
	return n, viewer, cdn, peer
}

// redirect adds the two rules by which a viewer that dials the CDN is served by the peer.
func redirect(t *testing.T, n *Network, local uint16) {
	sw, port := n.Switch("s1"), "tp_src="+itoa(local)
	flows(t, sw, "priority=40,tcp,in_port=3,nw_src=10.0.0.3,nw_dst=10.0.0.2,"+port+",tp_dst=1935,"+
		"actions=mod_dl_dst:"+n.Host("hb").MAC.String()+",mod_nw_dst:10.0.0.1,output:1",
		"priority=40,tcp,in_port=1,nw_src=10.0.0.1,nw_dst=10.0.0.3,tp_src=1935,tp_dst="+itoa(local)+","+
			"actions=mod_dl_src:"+n.Host("hs").MAC.String()+",mod_nw_src:10.0.0.2,output:3")
}

func itoa(n uint16) string { return ofproto.Port(n).String() }

func TestRedirect(t *testing.T) {
	n, viewer, cdn, peer := single(t, 0)
	direct := viewer.Dial(cdn.IP, 1935)
	if !direct.Established() || len(cdn.Accepted()) != 1 {
		t.Fatalf("direct: %v, %d at the CDN", direct.State(), len(cdn.Accepted()))
	}
	redirect(t, n, 50000)
	c := viewer.DialFrom(50000, cdn.IP, 1935)
	if !c.Established() || len(peer.Accepted()) != 1 || len(cdn.Accepted()) != 1 {
		t.Fatalf("redirected: state %v, %d at the peer, %d at the CDN", c.State(), len(peer.Accepted()), len(cdn.Accepted()))
	}
	c.Write([]byte("play"))
	server := peer.Accepted()[0]
	server.Write([]byte("chunk 1,"))
	server.Write([]byte("chunk 2"))
	if got := string(server.Read()); got != "play" {
		t.Errorf("the peer got %q", got)
	}
	if got := string(c.Read()); got != "chunk 1,chunk 2" {
		t.Errorf("the viewer got %q", got)
	}
	if mac, _ := viewer.Knows(cdn.IP); mac != cdn.MAC {
		t.Errorf("the viewer takes %v for the CDN's address", mac)
	}
	server.CloseWrite()
	if c.State() != Closed {
		t.Errorf("after FIN: %v", c.State())
	}
	n.Check(t)
}

// TestLostRule takes the rules of a running redirection away: the next segment meets the CDN, which knows nothing of it.
func TestLostRule(t *testing.T) {
	n, viewer, cdn, _ := single(t, 0)
	redirect(t, n, 50000)
	c := viewer.DialFrom(50000, cdn.IP, 1935)
	all := ofproto.MatchAll
	mustApply(t, n.Switch("s1"), with(add(0, all), func(m *ofproto.FlowMod) {
		m.Command, m.OutPort, m.Match = ofproto.FlowDelete, 1, tcpTo(cdn.IP, 32)
	}))
	if c.Write([]byte("x")); c.State() != Reset {
		t.Errorf("a stranger's segment is not reset: %v", c.State())
	}
}

// TestChallenge ends a connection from outside, as a controller ends that of a viewer whose peer is dead: RFC 5961.
func TestChallenge(t *testing.T) {
	n, viewer, cdn, peer := single(t, 0)
	redirect(t, n, 50000)
	c := viewer.DialFrom(50000, cdn.IP, 1935)
	peer.Accepted()[0].Write([]byte("some data"))
	peer.SetSilent(true)
	peer.Frames()

	forged := packet.TCP{DstMAC: viewer.MAC, SrcMAC: cdn.MAC, SrcIP: cdn.IP, DstIP: viewer.IP, SrcPort: 1935, DstPort: 50000}
	inject := func(flags uint8, seq uint32) {
		forged.Flags, forged.Seq = flags, seq
		sw := n.Switch("s1")
		n.run(n.leave(end{sw: sw, port: 3}, packet.AppendTCP(nil, forged), 0))
	}
	inject(packet.SYN, 12345)
	answers := peer.Frames() // along the viewer's own rule
	if len(answers) != 1 {
		t.Fatalf("%d answers to the SYN", len(answers))
	}
	var p packet.Peeked
	if err := packet.Peek(answers[0], &p); err != nil || p.TCPFlags != packet.ACK || p.DstPort != 1935 {
		t.Fatalf("challenge: %+v, %v", p, err)
	}
	inject(packet.RST, p.Ack+1)
	if len(peer.Frames()) != 1 || c.State() != Established {
		t.Error("a RST beside the sequence is not challenged")
	}
	if inject(packet.RST, p.Ack); c.State() != Reset {
		t.Errorf("RST in sequence: %v", c.State())
	}
}

func TestRefusedConnection(t *testing.T) {
	n, viewer, cdn, _ := single(t, 0)
	if c := viewer.Dial(cdn.IP, 80); c.State() != Reset {
		t.Errorf("a port nobody listens on: %v", c.State())
	}
	if c := viewer.Dial(ofproto.IPv4{10, 0, 0, 99}, 80); c.State() != Dialling {
		t.Errorf("an address nobody has: %v", c.State())
	}
	flows(t, n.Switch("s1"), "priority=50,tcp,actions=mod_nw_src:1.2.3.4,output:2")
	if c := viewer.Dial(cdn.IP, 1935); c.State() != Dialling {
		t.Errorf("answers go astray: %v", c.State())
	}
	n.Check(t)
}

func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, viewer, cdn, _ := single(t, 100*time.Millisecond)
		start := time.Now()
		c := viewer.Dial(cdn.IP, 1935)
		Eventually(t, "connected", c.Established)
		// ARP there and back, SYN there and back, 400 ms each way.
		if d := time.Since(start); d < 1600*time.Millisecond || d > 1610*time.Millisecond {
			t.Errorf("connected after %v, want 1.6 s", d)
		}
		const segments = 100
		for i := range segments {
			c.Write([]byte{byte(i)})
		}
		time.Sleep(time.Second)
		if got := cdn.Accepted()[0].Read(); len(got) != segments || got[99] != 99 {
			t.Errorf("%d bytes in order, want %d", len(got), segments)
		}
		n.Check(t)
	})
}

func TestLoopIsNoticed(t *testing.T) {
	n := NewNetwork()
	for _, name := range []string{"s1", "s2", "s3"} {
		flows(t, n.AddSwitch(name, Options{}), "actions=ALL")
	}
	n.Join("s1", 1, "s2", 2, 0)
	n.Join("s2", 1, "s3", 2, 0)
	n.Join("s3", 1, "s1", 2, 0)
	n.AddHost("h", "10.0.0.1", "s1", 3, 0).ARP(ipB)
	if n.looped != 2 { // one each way round
		t.Errorf("%d frames found looping, want 2", n.looped)
	}
}

func TestCutAndMove(t *testing.T) {
	n, viewer, cdn, _ := single(t, 0)
	sw := n.Switch("s1")
	viewer.Wire().SetUp(false)
	if p := sw.Port(3); p.Up() {
		t.Error("the switch does not see the cut")
	}
	if c := viewer.Dial(cdn.IP, 1935); c.Established() {
		t.Error("connected over a wire that is cut")
	}
	viewer.Wire().SetUp(true)
	if c := viewer.Dial(cdn.IP, 1935); !c.Established() {
		t.Error("not connected over a wire that is mended")
	}
	viewer.Wire().SetLossy(true)
	if p := sw.Port(3); viewer.Dial(cdn.IP, 1935).Established() || !p.Up() {
		t.Error("a lossy wire is none, or is seen")
	}
	n.Move("hv1", "s1", 9)
	flows(t, sw, "priority=11,ip,nw_dst=10.0.0.3,actions=output:9")
	if c := viewer.Dial(cdn.IP, 1935); !c.Established() {
		t.Error("not connected after a move")
	}
	if frames, bytes := viewer.Wire().Carried(); frames[0] != 2 || frames[1] != 1 || bytes[0] != 120 {
		t.Errorf("carried %d frames, %d bytes", frames, bytes)
	}
}

func TestWrongChecksumIsNoticed(t *testing.T) {
	n, viewer, cdn, _ := single(t, 0)
	frame := tcp(func(t *packet.TCP) { t.DstMAC, t.DstIP = cdn.MAC, cdn.IP })
	frame[50]++
	viewer.Send(frame)
	if c := cdn.Complaints(); len(c) != 1 || !strings.Contains(c[0], "checksum") {
		t.Errorf("%q", c)
	}
	if len(cdn.Accepted()) != 0 || len(n.Switch("s1").Violations()) != 0 {
		t.Error("it was accepted nevertheless")
	}
}

// TestConnectAgain has switches connect, be dropped and connect again to a controller that floods everything.
func TestConnectAgain(t *testing.T) {
	n := NewNetwork()
	n.AddSwitch("s1", Options{DPID: 1})
	n.AddSwitch("s2", Options{DPID: 2})
	n.Join("s1", 1, "s2", 1, 0)
	a, b := n.AddHost("a", "10.0.0.1", "s1", 2, 0), n.AddHost("b", "10.0.0.2", "s2", 2, 0)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n.Connect(ctx, func(context.Context) (net.Conn, error) {
		near, far := Pipe()
		go flood(far)
		return near, nil
	})
	b.Listen(80)
	for range 2 {
		Eventually(t, "connected", func() bool { return n.Switch("s1").Connected() && n.Switch("s2").Connected() })
		a.Forget()
		c := a.Dial(b.IP, 80)
		Eventually(t, "established", c.Established)
		n.Switch("s1").Disconnect()
	}
	if got := n.Switch("s2").Received(ofproto.TypePacketOut); got == 0 {
		t.Error("no packet went through the controller")
	}
	n.Check(t)
}

// flood is a controller that has every packet flooded.
func flood(end net.Conn) {
	conn := ofproto.NewConn(end, ofproto.ConnOptions{})
	defer conn.Close()
	if conn.Write(1, &ofproto.Hello{}) != nil || conn.Write(2, &ofproto.SetConfig{MissSendLen: 0xffff}) != nil {
		return
	}
	for conn.Flush() == nil {
		frames, err := conn.ReadBatch()
		if err != nil {
			return
		}
		for _, f := range frames {
			if _, m, err := ofproto.Decode(f); err == nil {
				if in, ok := m.(*ofproto.PacketIn); ok {
					_ = conn.Write(3, &ofproto.PacketOut{BufferID: ofproto.NoBuffer, InPort: in.InPort, Data: in.Data,
						Actions: []ofproto.Action{ofproto.Output{Port: ofproto.PortFlood}}})
				}
			}
		}
	}
}

func TestHostTakesOnlyItsOwn(t *testing.T) {
	n, viewer, cdn, peer := single(t, 0)
	flows(t, n.Switch("s1"), "priority=30,tcp,nw_dst=10.0.0.2,actions=FLOOD")
	if c := viewer.Dial(cdn.IP, 1935); !c.Established() {
		t.Error("not connected")
	}
	// The peer sees the SYN and the ACK too, for another's addresses.
	if got := len(peer.Frames()); got != 2 || len(peer.Accepted()) != 0 {
		t.Errorf("the peer saw %d frames and accepted %d connections", got, len(peer.Accepted()))
	}
	viewer.Send(tcp(func(t *packet.TCP) { t.DstMAC, t.SrcIP, t.DstIP = macA, viewer.IP, cdn.IP }))
	if got := len(cdn.Accepted()); got != 1 {
		t.Errorf("a frame for another station was taken: %d connections", got)
	}
}
