//go:build !wasip1

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestShop(t *testing.T) {
	plugin := filepath.Join(t.TempDir(), "prices.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", plugin, "../wasm")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if report, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, report)
	}
	shop, err := openShop(t.Context(), plugin, map[string]int{"tea": 450, "cup": 1200})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(shop)
	defer func() {
		server.Close()
		if err := shop.host.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		order, want string
		status      int
	}{
		{"tea 2\ncup 1", "2100", http.StatusOK},
		{"tea 2", "900", http.StatusOK},
		{"gold 1", `no price for "gold"`, http.StatusBadRequest},
		{"tea", "not an article and a number", http.StatusBadRequest},
		{strings.Repeat("tea 1\n", 20_000), "too large", http.StatusBadRequest},
	} {
		response, err := http.Post(server.URL, "text/plain", strings.NewReader(c.order))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != c.status || !strings.Contains(string(got), c.want) || err != nil {
			t.Errorf("%.20q: got %d %q, %v, want %d %q", c.order, response.StatusCode, got, err, c.status, c.want)
		}
	}
}

// TestShopWithoutPlugin: a plug-in that is not there is the start's error.
func TestShopWithoutPlugin(t *testing.T) {
	if _, err := openShop(t.Context(), "nowhere.wasm", nil); err == nil {
		t.Error("got no error")
	}
}
