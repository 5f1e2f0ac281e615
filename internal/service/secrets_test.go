package service

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
)

// TestNoSecretIsShown: no answer of the admin API has a value that came from a variable, nor one of
// env, nor the token, also when it tells differences and failures.
func TestNoSecretIsShown(t *testing.T) {
	const secret, next, token = "s3cr3t-of-now", "s3cr3t-of-then", "s3cr3t-of-the-host"
	f := newFolder(t)
	if err := os.Chmod(f.write("ends.sh", "#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHOP_KEY", secret)
	const text = `
components:
  - {id: a/echo, source: echo.wasm, config: {key: "${SHOP_KEY}"}}
  - {id: a/ends, source: ends.sh, engine: process, env: {KEY: "${SHOP_KEY}"}, config: {key: "${SHOP_KEY}"}}
`
	s := f.serve(text)
	log := admin.NewLog(slog.DiscardHandler, slog.LevelDebug-4)
	server, err := admin.New(admin.Config{Host: s.Host, Manager: s, Log: log, Logger: slog.New(log.Handler()), Token: token, File: f.file("airhost.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	ask := func(method, path, body, accept string) string {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, r)
		answer, err := io.ReadAll(w.Result().Body)
		if err != nil || w.Code == http.StatusUnauthorized {
			t.Fatal(w.Code, err)
		}
		for _, hidden := range []string{secret, next, token} {
			if strings.Contains(string(answer), hidden) {
				t.Errorf("%s %s shows %s: %s", method, path, hidden, answer)
			}
		}
		return string(answer)
	}
	if got := ask("GET", "/v1/components/a/ends", "", ""); !strings.Contains(got, `"state":"failed"`) {
		t.Errorf("the process has not failed: %s", got)
	}
	t.Setenv("SHOP_KEY", next)
	for _, accept := range []string{"application/json", "text/event-stream"} {
		f.write("airhost.yaml", text)
		if got := ask("POST", "/v1/apply", "{}", accept); !strings.Contains(got, "components[1].source") {
			t.Errorf("the mistake is missing: %s", got)
		}
		f.write("airhost.yaml", strings.Replace(text, "  - {id: a/ends", "# {id: a/ends", 1))
		if got := ask("POST", "/v1/apply", `{"dry_run": true}`, accept); !strings.Contains(got, `"config.key"`) {
			t.Errorf("the difference is missing: %s", got)
		}
	}
	ask("POST", "/v1/apply", "{}", "text/event-stream")
	ask("POST", "/v1/components/a/ends/restart", "", "")
	ask("PUT", "/v1/components/a/echo", `{id: a/echo, source: echo.wasm, config: {key: "${SHOP_KEY}-${SHOP_KEY}"}}`, "")
	if _, err := s.Request(t.Context(), core.MustComponentID("a/echo"), []byte("x")); err != nil {
		t.Error(err)
	}
	for _, path := range []string{
		"/livez", "/readyz", "/metrics", "/v1/openapi.json", "/v1/snapshot", "/v1/components", "/v1/components/a/echo", "/v1/components/a/ends",
		"/v1/dead-letters", "/v1/events", "/v1/logs", "/v1/log-level",
	} {
		ask("GET", path, "", "")
	}
}
