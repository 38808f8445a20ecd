package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const rtmpsConfig = `
policy: bypass
services:
  - {name: cdn, address: 10.0.0.2, port: 443}
peers:
  - {name: hb-relay, address: 10.0.0.1, port: 443}
bypass: {strategy: nearest} # no link has a delay here
`

// A stream over TLS tells the controller nothing, not even that it is one: its viewer is redirected all the same, and the
// certificate of the service is the peer's too.
func TestRTMPS(t *testing.T) {
	t.Parallel()
	n := newLab(t).single(1)
	ca := n.authority("ca")
	ca.issue("cdn")
	d := n.daemon(rtmpsConfig)
	d.connected("1")
	n.servers()
	n.hb.terminatesTLS("cdn")
	n.hs.terminatesTLS("cdn")
	d.healthy("hb-relay")
	p := n.publish()
	v := n.viewers[0].watch("rtmps://10.0.0.2/live/a")
	v.plays(30)

	sessions := d.list("/v1/sessions")
	if len(sessions) != 1 || sessions[0]["source"] != "hb-relay" || sessions[0]["stream"] != nil {
		t.Errorf("want one session, of hb-relay, of a stream that nobody knows: %v", sessions)
	}
	sent := p.finish(2 * time.Second)
	v.sawAll(sent)
	if in, out := n.hs.received(), n.hs.sent(); out > in/5 {
		t.Errorf("the CDN took %d bytes and gave %d, want next to nothing", in, out)
	}
}

// terminatesTLS puts a TLS server, port 443, before the RTMP server on the host.
func (h *host) terminatesTLS(certificate string) {
	h.lab.t.Helper()
	dir := h.lab.path("tls-" + h.name)
	conf := fmt.Sprintf(`
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
pid nginx.pid;
error_log error.log warn;
events {}
stream {
    server {
        listen 443 ssl;
        ssl_certificate %s;
        ssl_certificate_key %s;
        proxy_pass 127.0.0.1:1935;
    }
}
`, h.lab.path(certificate+".pem"), h.lab.path(certificate+".key"))
	if err := os.Mkdir(dir, 0o755); err != nil {
		h.lab.t.Fatal(err)
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		h.lab.t.Fatal(err)
	}
	h.start("nginx", "-e", "stderr", "-p", dir, "-c", file, "-g", "daemon off;")
	h.listens(443)
}
