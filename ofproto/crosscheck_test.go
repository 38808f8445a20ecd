package ofproto

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ovsOfctl returns the path of ovs-ofctl, or skips the test.
func ovsOfctl(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("ovs-ofctl")
	if err != nil {
		t.Skip("SKIPPED: ovs-ofctl is not installed; nothing was checked against Open vSwitch")
	}
	return path
}

// ovsPrint returns what ovs-ofctl prints for each message.
func ovsPrint(t *testing.T, frames [][]byte) []string {
	t.Helper()
	// An echo between the messages shows where the text of one ends.
	mark := unhex(t, "01 02 0008 feedface")
	file := filepath.Join(t.TempDir(), "messages")
	var all []byte
	for _, b := range frames {
		all = append(append(all, b...), mark...)
	}
	if err := os.WriteFile(file, all, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(ovsOfctl(t), "-voff", "ofp-parse", file)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ovs-ofctl ofp-parse: %v", err)
	}
	texts := strings.Split(string(out), "OFPT_ECHO_REQUEST (xid=0xfeedface): 0 bytes of payload\n")
	if len(texts) != len(frames)+1 {
		t.Fatalf("ovs-ofctl printed %d messages of %d", len(texts)-1, len(frames))
	}
	return texts[:len(frames)]
}

// Open vSwitch and this package agree on which messages have wrong lengths, among all examples and captures: cut at
// every place with the header's length to match, lengthened, and with wrong numbers wherever a length might stand.
func TestOpenVSwitchAgreesOnLengths(t *testing.T) {
	ovsOfctl(t)
	all := examples(t)
	for _, c := range captured(t) {
		all = append(all, c...)
	}
	var frames [][]byte
	seen := map[string]bool{}
	add := func(b []byte) {
		if !seen[string(b)] {
			seen[string(b)] = true
			frames = append(frames, b)
		}
	}
	numbers := []uint16{0, 4, 7, 8, 12, 16, 24, 88, 0xffff}
	for _, b := range all {
		b = b[:min(len(b), 600)]
		for n := HeaderLen; n <= len(b)+16; n++ {
			cut := append(bytes.Clone(b[:min(n, len(b))]), make([]byte, max(0, n-len(b)))...)
			be.PutUint16(cut[2:], uint16(n))
			add(cut)
		}
		for at := HeaderLen; at+1 < min(len(b), 240); at += 2 { // two entries or so of a list
			for _, n := range numbers {
				changed := bytes.Clone(b)
				be.PutUint16(changed[2:], uint16(len(b)))
				be.PutUint16(changed[at:], n)
				add(changed)
			}
		}
	}
	accepted := 0
	for i, text := range ovsPrint(t, frames) {
		wire := frames[i]
		_, m, err := Decode(wire)
		if err == nil {
			accepted++
		}
		switch {
		case err == nil && strings.Contains(text, "BAD_LEN") && !opaque(m):
			t.Errorf("%x: decoded, but ovs-ofctl says %s", wire, firstLine(text))
		case err != nil && !strings.Contains(text, "***") && !strings.Contains(err.Error(), "for type 0"):
			// (Open vSwitch skips a queue property of type 0, which has no content, without looking at its length.)
			t.Errorf("%x: %v, but ovs-ofctl says %s", wire, err, firstLine(text))
		}
	}
	t.Logf("%d messages compared, %d of them well-formed", len(frames), accepted)
}

// opaque reports whether ovs-ofctl looks deeper into a message than this package: into other vendors' messages, where it
// wants a subtype as in its own, into the fields of extensible matches, and into the arguments of its own actions. And
// it says BAD_LEN of an error with that very name, and of those it does not know.
func opaque(m Message) bool {
	var actions []Action
	switch m := m.(type) {
	case *Error, *Vendor:
		return true
	case *StatsRequest:
		return m.Body.Kind() == StatsVendor
	case *StatsReply:
		if flows, ok := m.Body.(FlowStats); ok {
			for _, f := range flows {
				actions = append(actions, f.Actions...)
			}
		}
		if m.Body.Kind() == StatsVendor {
			return true
		}
	case *FlowMod:
		actions = m.Actions
	case *PacketOut:
		actions = m.Actions
	}
	return slices.ContainsFunc(actions, func(a Action) bool { return a.Type() == ActionVendor })
}

// Of its own vendor messages Open vSwitch checks more than lengths, but cut anywhere they are refused here too.
func TestOpenVSwitchAgreesOnCutNiciraMessages(t *testing.T) {
	ovsOfctl(t)
	var frames [][]byte
	for _, c := range captured(t) {
		for _, b := range c {
			if _, m, _ := Decode(b); m == nil || !opaque(m) || m.Type() == TypeError {
				continue
			}
			for n := HeaderLen + niciraHeaderLen; n < min(len(b), 600); n++ {
				cut := bytes.Clone(b[:n])
				be.PutUint16(cut[2:], uint16(n))
				frames = append(frames, cut)
			}
		}
	}
	for i, text := range ovsPrint(t, frames) {
		_, _, err := Decode(frames[i])
		if err == nil && strings.Contains(text, "BAD_LEN") || err != nil && !strings.Contains(text, "***") {
			t.Errorf("%x: %v, but ovs-ofctl says %s", frames[i], err, firstLine(text))
		}
	}
	t.Logf("%d messages compared", len(frames))
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// What FlowMod.String writes, ovs-ofctl reads as that very flow: it prints the same for the text and for the bytes.
func TestOpenVSwitchReadsFlows(t *testing.T) {
	var flows, frames = []string{}, [][]byte{}
	add := func(m *FlowMod) {
		if m.deletes() || m.Match.Wildcards == 0 {
			return // parse-flows is for flows to add; and Open vSwitch raises the priority of exact matches
		}
		m.Command, m.BufferID, m.OutPort = FlowAdd, NoBuffer, PortNone // what the syntax does not say, or cannot
		frame, err := Append(nil, 1, m)
		if err != nil {
			t.Fatal(err)
		}
		flows, frames = append(flows, m.String()), append(frames, frame)
	}
	for _, c := range captured(t) {
		for _, b := range c {
			if _, m, err := Decode(b); err == nil && m.Type() == TypeFlowMod && !opaque(m) {
				if f := m.(*FlowMod); f.Command <= FlowDeleteStrict && f.Flags&Emergency == 0 {
					add(f)
				}
			}
		}
	}
	for _, text := range []string{
		"cookie=0xfc7000000000001,idle_timeout=180,hard_timeout=3600,send_flow_rem,priority=40000,tcp,in_port=3,dl_vlan=0xffff,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=49153,tp_dst=1935 actions=mod_dl_dst:02:00:00:00:00:03,mod_nw_dst:10.0.0.3,output:2,IN_PORT",
		"priority=0 actions=CONTROLLER:65535", "actions=drop", "priority=0,in_port=LOCAL actions=NORMAL", "ip,nw_src=10.0.0.0/9 actions=FLOOD,ALL,LOCAL",
		"dl_src=02:00:00:00:00:0a,dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x88cc actions=CONTROLLER:128", "check_overlap,dl_vlan=5,dl_vlan_pcp=3 actions=strip_vlan,output:1",
		"dl_vlan=9 actions=mod_vlan_vid:5,mod_vlan_pcp:6,output:1", "arp,arp_spa=10.0.0.1,arp_tpa=10.0.0.0/24,arp_op=2 actions=output:1", "rarp actions=output:1",
		"icmp,nw_tos=184,icmp_type=8,icmp_code=0 actions=mod_nw_tos:184,output:1", "udp,tp_src=53 actions=mod_nw_src:10.0.0.9,mod_tp_src:54,mod_tp_dst:55,enqueue:1:2",
		"sctp,tp_dst=9 actions=mod_dl_src:02:00:00:00:00:04,output:4", "ip,nw_proto=47 actions=output:65279",
		"tcp actions=resubmit:5,resubmit(10,5),set_tunnel:0x12345678,set_tunnel64:0xc426384d49c53d60,set_queue:7,pop_queue,note:11.e9.9a.ad.67.f3,dec_ttl,exit",
		"tcp,tp_dst=1935 actions=fin_timeout(idle_timeout=5),output:1", "tcp actions=output:1,fin_timeout(idle_timeout=5,hard_timeout=60)",
	} {
		m, err := ParseFlow(text)
		if err != nil {
			t.Fatal(err)
		}
		add(m)
	}
	file := filepath.Join(t.TempDir(), "flows")
	if err := os.WriteFile(file, []byte(strings.Join(flows, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(ovsOfctl(t), "-voff", "-F", "OpenFlow10", "parse-flows", file)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ovs-ofctl parse-flows: %v\n%s", err, complaint.String())
	}
	var fromText []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "OFPT_FLOW_MOD") {
			fromText = append(fromText, line[strings.Index(line, "): "):])
		}
	}
	if len(fromText) != len(flows) {
		t.Fatalf("ovs-ofctl read %d flows of %d:\n%s", len(fromText), len(flows), out)
	}
	for i, text := range ovsPrint(t, frames) {
		if want := text[strings.Index(text, "): "):]; fromText[i] != want {
			t.Errorf("%s\nread as  %sshould be %s", flows[i], fromText[i], want)
		}
	}
	t.Logf("%d flows read", len(flows))
}
