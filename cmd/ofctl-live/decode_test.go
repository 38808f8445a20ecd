package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runDecode runs the command alone and returns what it prints.
func runDecode(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	cmd := newDecodeCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetIn(strings.NewReader(in))
	cmd.SetArgs(append([]string{}, args...))
	err := cmd.Execute()
	return out.String(), err
}

const flowMod = "010e0050 00000001 0038204f 0000 000000000000 000000000000 0000 00 00 0800 00 06 0000 " +
	"00000000 00000000 0000 078f 0000000000000000 0000 0000 0000 0064 ffffffff ffff 0000 0000 0008 0002 0000"

func TestDecodeText(t *testing.T) {
	got, err := runDecode(t, "", "0x0102000800000001", "01 02 00 08\t00 00 00 02", "0x01 0x02 0x0008 0x00000003")
	want := "OFPT_ECHO_REQUEST (xid=0x1): 0 bytes of payload\n" +
		"OFPT_ECHO_REQUEST (xid=0x2): 0 bytes of payload\n" +
		"OFPT_ECHO_REQUEST (xid=0x3): 0 bytes of payload\n"
	if err != nil || got != want {
		t.Errorf("decode = %q, %v; want %q", got, err, want)
	}
}

func TestDecodeLines(t *testing.T) {
	in := "# a capture\n\n  0112000800000007  \r\n\t# more\n0112000900000008\n0112000800000009"
	got, err := runDecode(t, in)
	want := "OFPT_BARRIER_REQUEST (xid=0x7):\n" +
		"error: ofproto: decode BARRIER_REQUEST at byte 8: 8 bytes of 9: too short\n" +
		"OFPT_BARRIER_REQUEST (xid=0x9):\n"
	if got != want {
		t.Errorf("decode = %q, want %q", got, want)
	}
	if err == nil || err.Error() != "decode: 1 of 3 messages refused" {
		t.Errorf("error %v, want one message refused of three", err)
	}
}

// What cannot be a message at all costs its own line only.
func TestDecodeLongLine(t *testing.T) {
	in := "0112000800000007\n" + strings.Repeat("00", 3*maxLine) + "\n" + strings.Repeat("01", 70_000) + "\n0112000800000009\n"
	got, err := runDecode(t, in)
	want := "OFPT_BARRIER_REQUEST (xid=0x7):\n" +
		"error: line 2 is longer than 1048576 bytes\n" +
		"error: ofproto: decode ERROR at byte 2: message length 257 in 70000 bytes: wrong length\n" +
		"OFPT_BARRIER_REQUEST (xid=0x9):\n"
	if got != want || err == nil {
		t.Errorf("decode = %q, %v; want %q", got, err, want)
	}
}

func TestDecodeJSON(t *testing.T) {
	got, err := runDecode(t, flowMod+"\n", "--json")
	want := `{"ok":true,"type":"FLOW_MOD","xid":1,"length":80,"message":{"match":"tcp,tp_dst=1935","cookie":"0",` +
		`"command":"add","idle_timeout":0,"hard_timeout":0,"priority":100,"buffer_id":4294967295,"out_port":"NONE",` +
		`"flags":0,"actions":["output:2"]},"reencoded":"` + strings.ReplaceAll(flowMod, " ", "") + "\"}\n"
	if err != nil || got != want {
		t.Errorf("decode --json = %s, %v\nwant %s", got, err, want)
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	cut := strings.Replace(flowMod, "0000 0008 0002 0000", "0000 0004 0002 0000", 1)
	for _, tt := range []struct {
		in, want string
	}{
		{cut, `{"ok":false,"error":"ofproto: decode FLOW_MOD at byte 72: action length 4: too short","offset":72}`},
		{"01 02 0g", `{"ok":false,"error":"'g' in byte 2 is no hexadecimal digit","offset":2}`},
		{"01 02 0", `{"ok":false,"error":"odd number of hexadecimal digits: byte 2 is cut","offset":2}`},
		{"0x", `{"ok":false,"error":"ofproto: decode a header at byte 0: header of 0 bytes: too short","offset":0}`},
	} {
		got, err := runDecode(t, "", "--json", tt.in)
		if got != tt.want+"\n" || err == nil {
			t.Errorf("decode --json %s = %s, %v\nwant %s", tt.in, got, err, tt.want)
		}
	}
}

// Whole files of captured messages pass through, each encoded again to what it was.
func TestDecodeCaptures(t *testing.T) {
	files, err := filepath.Glob("../../ofproto/testdata/captures/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				want = append(want, line)
			}
		}
		out, err := runDecode(t, string(text), "--json")
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if len(got) != len(want) {
			t.Fatalf("%s: %d lines for %d messages", file, len(got), len(want))
		}
		for i := range got {
			var v struct {
				OK        bool
				Length    int
				Reencoded string
			}
			if err := json.Unmarshal([]byte(got[i]), &v); err != nil || !v.OK || v.Reencoded != want[i] || v.Length != len(want[i])/2 {
				t.Errorf("%s: %s came back as %s (%v)", file, want[i], got[i], err)
			}
		}
	}
}

// A long list must come out as it goes in, at tens of thousands of messages a second.
func TestDecodeStreams(t *testing.T) {
	const n = 100_000
	in := strings.Repeat(flowMod+"\n", n)
	before := processorTime(t)
	got, err := runDecode(t, in, "--json")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for s := bufio.NewScanner(strings.NewReader(got)); s.Scan(); lines++ {
		var v struct{ OK bool }
		if lines%1000 == 0 && (json.Unmarshal(s.Bytes(), &v) != nil || !v.OK) {
			t.Fatalf("line %d: %s", lines, s.Text())
		}
	}
	if lines != n {
		t.Errorf("%d lines out of %d", lines, n)
	}
	if took := processorTime(t) - before; took > 30*time.Second {
		t.Errorf("%d messages took %v of processor", n, took)
	} else {
		t.Logf("%d messages in %v of processor", n, took)
	}
}

// processorTime is how much of it this program has had: unlike a clock's, it does not depend on what else runs.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
