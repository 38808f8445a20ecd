package api

import (
	"errors"
	"net"
	"net/http"
)

// A Hook is one callback of an nginx-rtmp server, as its notify module posts it (ngx_rtmp_notify_module, on_play and the
// like): what happened, to which stream, and who did it.
type Hook struct {
	Relay  string // name of the peer it runs on, or the address it called from where that is not said
	Call   string // publish, play, publish_done, play_done, update_publish, update_play, done, ...
	App    string
	Name   string // the stream's key
	Addr   string // address of the client; of a relay's own connection "address:port/app"
	Client string // number of the connection on that server
}

// Hooks takes the callbacks of nginx-rtmp servers.
type Hooks interface {
	// Hook notes what happened and answers where a player's stream should be pulled from, "rtmp://address:port/app/key", or
	// "" where the server should go on as it is configured. ErrUnknown: no peer is known there.
	Hook(Hook) (redirect string, err error)
}

const maxForm = 64 << 10

// postHook answers a callback. A 302 makes the server pull that stream from the location it names, for which its server
// block needs `notify_relay_redirect on`; an error refuses the client, so it is only given where the request itself is
// nonsense: the clients of a server that is no peer, or no longer, are left alone.
func (o *Options) postHook(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); errors.As(err, new(*http.MaxBytesError)) {
		problem(w, http.StatusRequestEntityTooLarge, "form over 64 KiB")
		return
	} else if err != nil {
		problem(w, http.StatusBadRequest, "want a form: "+err.Error())
		return
	}
	h := Hook{
		Relay: r.URL.Query().Get("relay"), Call: r.PostForm.Get("call"), App: r.PostForm.Get("app"),
		Name: r.PostForm.Get("name"), Addr: r.PostForm.Get("addr"), Client: r.PostForm.Get("clientid"),
	}
	if h.Call == "" {
		problem(w, http.StatusBadRequest, "want a form of nginx-rtmp's notify module: no call")
		return
	}
	if h.Relay == "" {
		h.Relay, _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	to, err := o.Hooks.Hook(h)
	if err != nil && !errors.Is(err, ErrUnknown) {
		fail(w, err)
		return
	}
	if to != "" {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
		return
	}
	plain(w, http.StatusOK, "go on")
}
