package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ofctl-live/ofctl-live/internal/config"
)

func TestListenSaysWhatItIsTold(t *testing.T) {
	l, err := listen("0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := l.Addr().String(); !strings.HasPrefix(got, "0.0.0.0:") {
		t.Errorf("listens on %s, want IPv4 alone", got)
	}
}

// What is wrong with the files for TLS is told with the key that named them. What works is tested end to end.
func TestTLSFiles(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "not.pem")
	if err := os.WriteFile(notPEM, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tls := range map[string]config.TLS{
		"missing": {Cert: "none.pem", Key: "none.pem"},
		"not PEM": {Cert: notPEM, Key: notPEM},
	} {
		c, err := tlsConfig(tls)
		if err == nil || c != nil || !strings.HasPrefix(err.Error(), "controller.tls: cert "+tls.Cert+", key "+tls.Key+": ") {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	if c, err := tlsConfig(config.TLS{}); c != nil || err != nil {
		t.Errorf("no files: %v, %v; want plain TCP", c, err)
	}
}
