package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ofctl-live/ofctl-live/internal/api"
)

// A migration of very many sessions is shown whole: its answer is larger than any other.
func TestLargeAnswer(t *testing.T) {
	const sessions = 20_000
	moves := make([]api.Move, sessions)
	for i := range moves {
		moves[i] = api.Move{Client: "10.0.0.3:40000", Dialed: "10.0.0.2:1935", From: "cdn", To: "hb-relay", Reason: "hb-relay: 1 hop; cdn 2 hops"}
	}
	body, err := json.Marshal(api.PolicyChanged{Policy: api.Policy{Policy: "bypass"}, Moves: moves})
	if err != nil || len(body) < 2<<20 {
		t.Fatalf("%d bytes, %v; want some MiB", len(body), err)
	}
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	defer daemon.Close()
	defer http.DefaultClient.CloseIdleConnections()
	out, err := execute("policy", "set", "bypass", "--migrate", "--http", strings.TrimPrefix(daemon.URL, "http://"))
	if n := strings.Count(out, "moves 10.0.0.3:40000"); err != nil || n != sessions {
		t.Errorf("%d moves shown, %v; want %d", n, err, sessions)
	}
}

func TestReadAnswer(t *testing.T) {
	const answer = `{"policy":"bypass","services":{}}`
	tests := []struct {
		name, body string
		limit      int64
		want       string // in the error
	}{
		{"as long as it may be", answer, int64(len(answer)), ""},
		{"longer", answer, int64(len(answer)) - 1, "is over 32 bytes"},
		{"not JSON", "<html>", 100, "is not a daemon's"},
		{"cut off", answer[:20], 100, "is not a daemon's: unexpected EOF"},
	}
	for _, tt := range tests {
		got, err := readAnswer(strings.NewReader(tt.body), tt.limit)
		if tt.want == "" && (err != nil || got.Policy.Policy != "bypass") {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
		if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}
