package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// webGuest is a guest that handles requests of HTTP: see core/enginetest/http.go.
func webGuest(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../core/enginetest/testdata/server.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHTTPGuest: a guest that exports wasi:http/incoming-handler answers through the gateway and
// by a raw request; inspect says which route it wants, and check refuses another one.
func TestHTTPGuest(t *testing.T) {
	const route = "gateway: {http: {listen: '127.0.0.1:0', routes: [{path: '/{path...}', target: a/web, pattern: http}]}}\n"
	component := "components: [{id: a/web, source: '" + webGuest(t) + "'}]\n"
	w := airhost(t, "run", writeFile(t, "airhost.yaml", route+component))
	w.when(running, func() {
		for _, c := range []struct{ method, path, body, want string }{
			{"POST", "/echo", "hello", "200 OK hello"},
			{"GET", "/visit", "", "200 OK 2"},
			{"GET", "/nothing", "", `502 Bad Gateway {"error":{"code":"failed","message":"it has returned from handle and set no response (response-outparam.set)"}}` + "\n"},
			{"GET", "/As", "", "599 status code 599"},
		} {
			if got := w.get(c.method, c.path, c.body); strings.TrimSpace(got) != strings.TrimSpace(c.want) {
				t.Errorf("%s %s: got %q, want %q", c.method, c.path, got, c.want)
			}
		}
		w.send(syscall.SIGTERM)()
	})
	w.ends(exitDone, "msg=stopped")

	w = airhost(t, "inspect", webGuest(t))
	var text strings.Builder
	w.Stdout = &text
	w.ends(exitDone)
	if want := "it handles requests of HTTP, and no other messages: a route to it has pattern: http\nit meets the contract\n"; !strings.HasSuffix(text.String(), want) {
		t.Errorf("got %s", text.String())
	}

	text.Reset()
	w = airhost(t, "call", writeFile(t, "airhost.yaml", route+component), "a/web", "--data", "POST /echo HTTP/1.1\r\nhost: a\r\n\r\nhello")
	w.Stdout = &text
	w.ends(exitDone)
	if want := "HTTP/1.1 200 OK\r\nx-made-by: by\r\ncontent-length: 5\r\n\r\nhello"; strings.TrimSuffix(text.String(), "\n") != want {
		t.Errorf("got %q, want %q", text.String(), want)
	}
	airhost(t, "call", writeFile(t, "airhost.yaml", route+component), "a/web", "--data", "hello").ends(exitFailed, "invalid-message: the message is no HTTP request")

	airhost(t, "check", writeFile(t, "airhost.yaml", route+component)).ends(exitDone)
	airhost(t, "check", writeFile(t, "airhost.yaml", strings.Replace(route, ", pattern: http", "", 1)+component)).ends(exitUsage,
		"gateway.http.routes[0].target: a/web handles whole requests (it exports wasi:http/incoming-handler): add pattern: http to the route")
	airhost(t, "check", writeFile(t, "airhost.yaml", strings.Replace(route, "pattern: http", "pattern: http, envelope: cloudevents", 1)+component)).ends(exitUsage,
		"the pattern http passes the whole request: leave out the envelope")
}
