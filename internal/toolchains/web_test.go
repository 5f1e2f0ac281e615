package toolchains_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/toolchains"
)

// TestWeb: fetch of a component in JavaScript works as it does elsewhere.
func TestWeb(t *testing.T) {
	f := toolchains.ByName(t, "js-web")
	engines := []string{wazero.Name}
	if wasmtime.Available {
		engines = append(engines, wasmtime.Name)
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) { fetches(t, engine, f.Build(t)) })
	}
}

// site answers with the request itself, but for the body.
func site(t testing.TB) *httptest.Server {
	release := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/never", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 300_000)) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Answer", r.Header.Get("X-Asked"))
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s %s %d", r.Method, r.URL, len(body))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(func() { close(release); s.Close() })
	return s
}

func fetches(t *testing.T, engine, path string) {
	s := site(t)
	p := start(t, engine, path, s.URL+"/a*", s.URL+"/large", s.URL+"/never")
	p.answers("get "+s.URL+"/a?b=c", `[202,"","GET /a?b=c 0"]`)
	p.answers("post "+s.URL+"/a hello there", `[202,"yes","POST /a 11"]`)
	p.answers("both "+s.URL+"/a1 "+s.URL+"/a2", `[[202,"","GET /a1 0"],[202,"","GET /a2 0"]]`)
	p.answers("read "+s.URL+"/large", "300000")
	p.answers("write "+s.URL+"/a 70", `[202,"","PUT /a 70000"]`)
	p.answers("race "+s.URL+"/never 5", `"timer"`)
	p.answers("race "+s.URL+"/a 60000", `"response"`)
	for _, refused := range []string{s.URL + "/b", "http://127.0.0.1:1/a", "https://example.com/"} {
		if got, err := p.ask("get " + refused); err != nil || !strings.Contains(got, "refused") {
			t.Errorf("get %s: got %s, %v", refused, got, err)
		}
	}
	p.answers("get "+s.URL+"/a", `[202,"","GET /a 0"]`)
}

func rules(t testing.TB, urls []string) (rules core.HTTPRules) {
	t.Helper()
	for _, u := range urls {
		r, err := core.ParseHTTPRule(u)
		must(t, err)
		rules = append(rules, r)
	}
	return rules
}
