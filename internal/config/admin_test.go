package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/config"
)

// TestAdmin: paths are relative to the file, host:port and off are not paths, and the token's file must
// exist.
func TestAdmin(t *testing.T) {
	dir := t.TempDir()
	load := func(host string) (*config.File, error) {
		path := filepath.Join(dir, "a.yaml")
		if err := os.WriteFile(path, []byte("host: {"+host+"}\ncomponents: [{id: a/b, source: echo, engine: native}]"), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Load(path, built)
	}
	if err := os.WriteFile(filepath.Join(dir, "token"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]config.Host{
		"admin: ./a.sock, interpreter: true": {Admin: filepath.Join(dir, "a.sock"), Interpreter: true},
		"admin: a.sock":                      {Admin: filepath.Join(dir, "a.sock")},
		"admin: /run/a.sock":                 {Admin: "/run/a.sock"},
		"admin: off":                         {Admin: "off"},
		"admin: '127.0.0.1:7070', admin_token_file: token":        {Admin: "127.0.0.1:7070", AdminTokenFile: filepath.Join(dir, "token")},
		"admin: '[::1]:0', admin_token_file: '${NONE:-./}/token'": {Admin: "[::1]:0", AdminTokenFile: filepath.Join(dir, "token")},
	} {
		f, err := load(host)
		if err != nil || !reflect.DeepEqual(f.Host, want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", host, f, err, want)
		}
	}
	if _, err := load("admin: 'localhost:7070', admin_token_file: nothing"); err == nil || !strings.Contains(err.Error(), "host.admin_token_file: "+filepath.Join(dir, "nothing")+": no such file") {
		t.Errorf("no file with a token: %v", err)
	}
}
