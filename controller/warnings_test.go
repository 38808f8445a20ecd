package controller

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/ofctl-live/ofctl-live/ofproto"
)

// TestHostileWords has one who connects, and one who is up, say what is wrong a thousand times each. The log grows by a
// few lines, and tells how many were left out; what others do is told of meanwhile.
func TestHostileWords(t *testing.T) {
	inLab(t, single, func(l *lab) {
		const times = 1000
		for range times {
			c := l.call()
			c.say([]byte("GET / HTTP/1.1\r\n\r\n")...)
			c.closed(time.Second)
		}
		up := l.callUp(66)
		go func() { _, _ = io.Copy(io.Discard, up.nc) }()
		for range times {
			up.say(1, 12, 0, 9, 0, 0, 0, 42, 0)          // a PORT_STATUS of one byte
			up.say(1, 1, 0, 12, 0, 0, 0, 42, 0, 1, 0, 1) // an ERROR that nothing was asked for
		}
		l.after(time.Second)
		if n := len(l.logs.AllEntries()); n > 200 {
			l.t.Errorf("%d lines", n)
		}
		late := l.call()
		late.send(1, &ofproto.Hello{})
		l.Host("hv1").Wire().SetUp(false)
		l.after(time.Second)
		if l.logged("port down") != 1 {
			l.t.Error("what another does is not told of")
		}
		l.after(2 * time.Minute)
		told := map[string]int{"switch refused": l.logged("switch refused"), "malformed message": l.logged("malformed message"),
			"switch reports an error": l.logged("switch reports an error")}
		for _, e := range l.logs.AllEntries() {
			if left, ok := e.Data["left_out"].(int); ok {
				what, ok := e.Data["what"].(string)
				if !ok {
					what = e.Message
				}
				told[what] += left
			}
		}
		told["switch refused"]-- // late, who never said more
		for _, what := range []string{"switch refused", "malformed message", "switch reports an error"} {
			if n := told[what]; n != times {
				l.t.Errorf("%s: %d told of or counted, want %d", what, n, times)
			}
		}
	})
}

// TestManyCulprits has ever new ones do the same thing wrong: neither the log nor what is remembered of them grows on.
func TestManyCulprits(t *testing.T) {
	var w warnings
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	now, told := time.Unix(1, 0), 0
	for i := range 100_000 {
		if _, ok := w.due(warning{"switch up", fmt.Sprint(i)}, now); ok {
			told++
		}
	}
	if told > kindBurst || len(w.known) > maxCulprits {
		t.Errorf("%d lines, %d culprits remembered", told, len(w.known))
	}
	w.settle(log, now.Add(time.Second))
	if n := bytes.Count(out.Bytes(), []byte("\n")); n > 25 {
		t.Errorf("%d lines about lines left out", n)
	}
	w.settle(log, now.Add(2*time.Hour))
	if len(w.known) != 0 {
		t.Errorf("%d culprits remembered after two hours", len(w.known))
	}
	if left, ok := w.due(warning{"switch up", "1"}, now.Add(3*time.Hour)); !ok || left != 0 {
		t.Errorf("told %v with %d left out, want a fresh start", ok, left)
	}
}
