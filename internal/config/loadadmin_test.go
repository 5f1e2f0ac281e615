package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLoadAdmin: the address of a file's host is read from files with other mistakes too, and
// paths are relative to the file.
func TestLoadAdmin(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("AIRHOST_TEST_ADMIN", "/run/b.sock")
	for _, test := range []struct {
		text string
		want Admin
	}{
		{"components: [{id: x, sauce: y}]\n", Admin{}},
		{"host: {workers: many, admin: off}\n", Admin{Address: AdminOff}},
		{"host:\n  admin: run/a.sock\n", Admin{Address: filepath.Join(folder, "run", "a.sock")}},
		{"host: {admin: '${AIRHOST_TEST_ADMIN}'}\n", Admin{Address: "/run/b.sock"}},
		{"host:\r\n  admin: /run/a.sock\r\n", Admin{Address: "/run/a.sock"}},
		{"host: {admin: '127.0.0.1:7000', admin_token_file: token}\n", Admin{"127.0.0.1:7000", filepath.Join(folder, "token")}},
		{"host: {admin: 'localhost:7000', admin_token_file: /etc/token}\n", Admin{"localhost:7000", "/etc/token"}},
	} {
		path := filepath.Join(folder, "airhost.yaml")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := LoadAdmin(path, Built{}); err != nil || got != test.want {
			t.Errorf("%q: got %+v and %v, want %+v", test.text, got, err, test.want)
		}
	}
	for text, want := range map[string]string{"host: [": "airhost.yaml:1:", "host: {admin: [a]}\n": "host.admin: ", "host: {admin: '${AIRHOST_TEST_NONE}'}\n": "AIRHOST_TEST_NONE", "\xff": "UTF-8"} {
		path := filepath.Join(folder, "airhost.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadAdmin(path, Built{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want …%s…", text, err, want)
		}
	}
	if _, err := LoadAdmin(filepath.Join(folder, "none.yaml"), Built{}); err == nil || !strings.HasSuffix(err.Error(), "none.yaml: no such file") {
		t.Errorf("no file: %v", err)
	}
}
