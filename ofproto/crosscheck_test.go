package ofproto

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// Open vSwitch and this package agree on which messages have wrong lengths: among all examples and captures, cut at
// every place with the header's length to match, and lengthened.
func TestOpenVSwitchAgreesOnLengths(t *testing.T) {
	ovsOfctl(t)
	var frames [][]byte
	seen := map[string]bool{}
	add := func(b []byte, n int) {
		b = append(bytes.Clone(b[:min(n, len(b))]), make([]byte, max(0, n-len(b)))...)
		be.PutUint16(b[2:], uint16(n))
		if !seen[string(b)] {
			seen[string(b)] = true
			frames = append(frames, b)
		}
	}
	all := examples(t)
	for _, c := range captured(t) {
		all = append(all, c...)
	}
	for _, b := range all {
		for n := HeaderLen; n <= min(len(b), 600)+16; n++ {
			add(b, n)
		}
	}
	accepted := 0
	for i, text := range ovsPrint(t, frames) {
		wire := frames[i]
		_, m, err := Decode(wire)
		if err == nil {
			accepted++
		}
		wrongLength := strings.Contains(text, "BAD_LEN")
		switch {
		case err == nil && wrongLength && !ovsOnly(m):
			t.Errorf("%x: decoded, but ovs-ofctl says %s", wire, firstLine(text))
		case err != nil && !strings.Contains(text, "***"):
			t.Errorf("%x: %v, but ovs-ofctl says %s", wire, err, firstLine(text))
		}
	}
	t.Logf("%d messages compared, %d of them well-formed", len(frames), accepted)
}

// ovsOnly reports whether Open vSwitch checks more of a message than OpenFlow 1.0 says of it.
func ovsOnly(m Message) bool {
	return false
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

var _ = fmt.Sprint
