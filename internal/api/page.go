package api

import (
	_ "embed"
	"net/http"
	"strings"
)

//go:embed page.html
var pageHTML string

// page serves the status page: one file that loads nothing from elsewhere and fills itself from /v1.
func page(version string) http.HandlerFunc {
	html := strings.ReplaceAll(pageHTML, "{{version}}", version)
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'")
		_, _ = w.Write([]byte(html))
	}
}
