//go:build !wasip1

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/airhost/airhost/core/host"
)

// rates is the web service: it has one rate, for those that have a token.
func rates(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/USD" || r.Header.Get("authorization") != "Bearer "+token {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	fmt.Fprint(w, "1.25")
}

const token = "a token of the test"

// call sends a request to the service, and returns the status and the body.
func call(t *testing.T, server *httptest.Server, method, path, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", response.StatusCode, text)
}

// newPlugin builds the plug-in, and returns it with its grants for a web service of the test.
func newPlugin(t *testing.T) host.Deployment {
	t.Helper()
	module := filepath.Join(t.TempDir(), "shop.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", module, "../wasm")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if report, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, report)
	}
	web := httptest.NewServer(http.HandlerFunc(rates))
	t.Cleanup(web.Close)
	plugin, err := deployment(module, web.URL, "../templates")
	if err != nil {
		t.Fatal(err)
	}
	return plugin
}

// session starts the program, lets clients do something and ends it.
func session(t *testing.T, plugin host.Deployment, folder string, do func(server *httptest.Server)) {
	t.Helper()
	shop, err := openShop(t.Context(), plugin, folder, map[string]int{"tea": 450, "cup": 1200})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(shop.routes())
	do(server)
	server.Close()
	if err := shop.close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestShop orders through HTTP, starts the program again, and finds the carts. Then it takes one
// capability after the other.
func TestShop(t *testing.T) {
	t.Setenv("SHOP_TOKEN", token)
	plugin, folder := newPlugin(t), t.TempDir()
	session(t, plugin, folder, func(server *httptest.Server) {
		for _, c := range []struct{ method, customer, article, want string }{
			{"GET", "eve", "", "200 eve has nothing in the cart, for 0.00 USD.\n"},
			{"POST", "eve", "tea", "200 eve has tea in the cart, for 5.62 USD.\n"},
			{"POST", "eve", "cup", "200 eve has tea, cup in the cart, for 20.62 USD.\n"},
			{"POST", "bob%20b", "tea", "200 bob%20b has tea in the cart, for 5.62 USD.\n"},
			{"POST", "eve", "gold", `400 .*no price for "gold"`},
			{"POST", "eve", "", "400 .*no price"},
			{"POST", "eve", strings.Repeat("tea", 20_000), "400 the article is too large"},
		} {
			checkAnswer(t, call(t, server, c.method, "/carts/"+c.customer, c.article), c.want)
		}
	})
	session(t, plugin, folder, func(server *httptest.Server) {
		checkAnswer(t, call(t, server, "GET", "/carts/eve", ""), "200 eve has tea, cup in the cart, for 20.62 USD.\n")
	})
	for _, c := range []struct {
		take func(*host.Deployment)
		want string
	}{
		{func(d *host.Deployment) { d.Capabilities.Call = nil }, "500 .*denied.*price/lookup"},
		{func(d *host.Deployment) { d.Capabilities.KeyValue = nil }, "500 .*access-denied"},
		{func(d *host.Deployment) { d.Capabilities.HTTP = nil }, "500 .*denied.*airhost/fetch"},
		{func(d *host.Deployment) { d.Capabilities.Files = nil }, "500 .*/templates"},
		{func(d *host.Deployment) { d.Secrets = nil }, "500 .*denied.*airhost/secret"},
	} {
		less := plugin
		c.take(&less)
		session(t, less, folder, func(server *httptest.Server) {
			checkAnswer(t, call(t, server, "GET", "/carts/eve", ""), c.want)
		})
	}
}

// checkAnswer compares an answer with a regular expression of its beginning.
func checkAnswer(t *testing.T, got, want string) {
	t.Helper()
	if ok, err := regexp.MatchString("(?s)^"+want, got); !ok || err != nil {
		t.Errorf("got %q, want %q, %v", got, want, err)
	}
}

// TestShopWithoutPlugin: a plug-in that is not there is the start's error.
func TestShopWithoutPlugin(t *testing.T) {
	t.Setenv("SHOP_TOKEN", token)
	plugin, err := deployment("nowhere.wasm", "http://localhost", "../templates")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openShop(t.Context(), plugin, t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "nowhere.wasm") {
		t.Errorf("got the error %v", err)
	}
}
