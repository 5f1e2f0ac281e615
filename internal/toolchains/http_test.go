package toolchains_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	gateway "github.com/airhost/airhost/gateway/http"
	"github.com/airhost/airhost/internal/toolchains"
)

// TestHTTP: examples/js-http answers requests behind a gateway, on both engines, each in an instance of its
// own.
func TestHTTP(t *testing.T) {
	path := toolchains.ByName(t, "js-http").Build(t)
	engines := []string{wazero.Name}
	if wasmtime.Available {
		engines = append(engines, wasmtime.Name)
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := serve(t, engine, path)
			for range 3 {
				s.answers("GET", "/hello", "", "200 text/plain;charset=UTF-8 Hello, world!\n")
				s.answers("GET", "/hello?name=a%20b", "", "200 text/plain;charset=UTF-8 Hello, a b!\n")
				s.answers("POST", "/sum", "[1, 2, 39]", `200 application/json {"sum":42}`)
				s.answers("PUT", "/sum", "[1]", "404 text/plain;charset=UTF-8 There is no such page.\n")
			}
			long := "[" + strings.Repeat("1,", 100_000) + "1]"
			s.answers("POST", "/sum", long, `200 application/json {"sum":100001}`)
			s.answers("POST", "/sum", "no JSON", `502 application/json {"error":{"code":"failed","message":`)
		})
	}
}

// BenchmarkHTTP: requests to examples/js-http through a gateway, one after the other.
func BenchmarkHTTP(b *testing.B) {
	s := serve(b, wazero.Name, toolchains.ByName(b, "js-http").Build(b))
	for b.Loop() {
		s.answers("GET", "/hello", "", "200 text/plain;charset=UTF-8 Hello, world!\n")
	}
}

// server is a gateway in front of a component.
type server struct {
	*probe
	url string
}

func serve(t testing.TB, engine, path string) *server {
	t.Helper()
	p := start(t, engine, path)
	g, err := gateway.New(p.Host, gateway.Config{
		Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(p.log, nil)),
		Routes: []gateway.Route{{Path: "/{path...}", Target: probeID, Pattern: gateway.HTTP}},
	})
	must(t, err)
	must(t, g.Start(t.Context()))
	t.Cleanup(func() { must(t, g.Stop(context.Background())) })
	return &server{p, "http://" + g.Addr().String()}
}

func (s *server) answers(method, path, body, want string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	must(s.TB, err)
	response, err := http.DefaultClient.Do(r)
	must(s.TB, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(s.TB, err)
	if got := fmt.Sprint(response.StatusCode, " ", response.Header.Get("Content-Type"), " ", string(text)); !strings.HasPrefix(got, want) {
		s.Errorf("%s %s: got %q, want %q", method, path, got, want)
	}
}
