package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// TestLateAnswer has the controller answer too late: who waits for something asks again, and who does not is told.
func TestLateAnswer(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3, which runs the experiment's networks")
	}
	if _, err := os.Stat("hosts.py"); err != nil { // and go test knows that this depends on it
		t.Fatal(err)
	}
	var asked atomic.Int32
	controller := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/peers" && asked.Add(1) == 3 {
			_, _ = w.Write([]byte(`["well"]`))
			return
		}
		<-r.Context().Done()
	}))
	defer controller.Close()
	out, err := exec.CommandContext(t.Context(), python, "-B", "-c", `
import sys, hosts
hosts.CONTROLLER = sys.argv[1]
hosts.wait_until("peers", lambda: hosts.controller_says("peers", 0.2) == ["well"], 60)
for late in lambda: hosts.controller_says("links", 0.2), lambda: hosts.wait_until(
        "links", lambda: hosts.controller_says("links", 0.2), 0):
    try:
        late()
    except RuntimeError as error:
        print(error)
`, controller.URL+"/").CombinedOutput()
	want := "the controller was asked for links: timed out\n"
	if want += "links: not within 0 s (the controller was asked for links: timed out)\n"; err != nil || string(out) != want {
		t.Errorf("%v:\n%s\nwant\n%s", err, strings.TrimSpace(string(out)), want)
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times, want 3", asked.Load())
	}
}
