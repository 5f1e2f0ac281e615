package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/core/enginetest"
)

// TestHTTPOut: a component reaches the URLs that its file grants, as the file says, and an operator
// sees it.
func TestHTTPOut(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(hostVariable, "")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a/redirect" {
			http.Redirect(w, r, "/a/end", http.StatusFound)
			return
		}
		fmt.Fprint(w, "here is ", r.URL.Path)
	}))
	defer server.Close()
	file := writeFile(t, "airhost.yaml", "")
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "actor.wasm"), enginetest.ActorWasm().Code, 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(settings, capabilities string) {
		text := settings + "components: [{id: t/a, source: actor.wasm, limits: {handler_time: 10s}, capabilities: {" + capabilities + "}}]\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fetch := func(path string) []string {
		return []string{"call", file, "t/a", "--data", "j\rairhost/fetchGET " + server.URL + path + " HTTP/1.1\r\nhost: x\r\n\r\n"}
	}
	granted := "http: ['" + server.URL + "/a/*']"
	write("http: {redirects: 0}\n", granted)
	end := startHost(t, file)
	runCases(t, []commandCase{
		{[]string{"check", file}, exitDone, "REACHES"},
		{[]string{"check", file}, exitDone, server.URL + "/a/*"},
		{fetch("/a/x"), exitDone, "here is /a/x"},
		{fetch("/a/redirect"), exitDone, "HTTP/1.1 302 Found"},
		{fetch("/b"), exitDone, "HTTP-request-denied: capabilities.http does not grant"},
		{[]string{"ps", file, "--output", "json"}, exitDone, `"http_requests": 3`},
		{[]string{"ps", file, "--output", "json"}, exitDone, `"failed_http": 1`},
	})
	write("http: {redirects: 0}\n", "")
	runCases(t, []commandCase{
		{[]string{"apply", file}, exitDone, "t/a"},
		{fetch("/a/x"), exitDone, "airhost/fetch: capabilities.http grants nothing"},
	})
	write("http: {redirects: 1}\n", granted)
	runCases(t, []commandCase{{[]string{"apply", file}, exitUsage, "a running host keeps the value that it was started with"}})
	end()
	write("", granted)
	runCases(t, []commandCase{{fetch("/a/redirect"), exitDone, "here is /a/end"}})
	write("http: {ca_file: none.pem}\n", granted)
	runCases(t, []commandCase{{[]string{"check", file}, exitUsage, "none.pem"}})
	write("http: {ca_file: actor.wasm}\n", granted)
	if got := runArgs(fetch("/a/x")...); got.code != exitUsage || !strings.Contains(got.stderr, "has no certificate in PEM") {
		t.Errorf("a file of authorities that has none: %+v", got)
	}
}
