package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// hooked remembers a callback, and redirects what plays to elsewhere.
type hooked struct{ got Hook }

func (h *hooked) Hook(got Hook) (string, error) {
	h.got = got
	switch {
	case got.Relay == "stranger":
		return "", ErrUnknown
	case got.Call == "play":
		return "rtmp://10.0.0.9:1935/live/" + got.Name, nil
	}
	return "", nil
}

func TestHooks(t *testing.T) {
	tests := []struct {
		name, query, form string
		status            int
		location          string
		want              Hook
	}{
		{
			name: "a viewer is redirected", query: "?relay=r1", form: "call=play&app=live&name=a&addr=10.0.0.3&clientid=7&tcurl=x",
			status: http.StatusFound, location: "rtmp://10.0.0.9:1935/live/a",
			want: Hook{Relay: "r1", Call: "play", App: "live", Name: "a", Addr: "10.0.0.3", Client: "7"},
		},
		{
			name: "a relay known by its address", form: "call=publish&app=live&name=a&addr=10.0.0.1", status: http.StatusOK,
			want: Hook{Relay: "192.0.2.1", Call: "publish", App: "live", Name: "a", Addr: "10.0.0.1"},
		},
		{name: "a stranger", query: "?relay=stranger", form: "call=play", status: http.StatusOK, want: Hook{Relay: "stranger", Call: "play"}},
		{name: "no callback", form: "a=b", status: http.StatusBadRequest},
		{name: "no form", form: "%zz", status: http.StatusBadRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := new(hooked)
			r := httptest.NewRequest("POST", "/hooks/nginx-rtmp"+tt.query, strings.NewReader(tt.form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			(&Options{Hooks: h}).postHook(w, r)
			if w.Code != tt.status || w.Header().Get("Location") != tt.location || h.got != tt.want {
				t.Errorf("%d %q, told %+v; want %d %q, %+v", w.Code, w.Header().Get("Location"), h.got, tt.status, tt.location, tt.want)
			}
		})
	}
}
