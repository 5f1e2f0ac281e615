package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/config"
)

// TestDirectories: directories are joined to the folder of the file that names them, are there, and are
// apart if components change them.
func TestDirectories(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
	}{
		{"good", "data", ""},
		{"missing", "missing", "missing: no such directory: make it, or correct the path"},
		{"a file", "a.wasm", "a.wasm is no directory: name the one that it is in"},
		{"within", "data/sub", "are both rw, and one is within the other"},
	} {
		dir := t.TempDir()
		for _, sub := range []string{"data/sub", "more"} {
			if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range map[string]string{
			"a.wasm": "\x00asm\x01\x00\x00\x00",
			"x.yaml": "include: [more/y.yaml]\ndefaults: {capabilities: {files: [{path: data, as: /data, mode: rw}]}}\ncomponents:\n" +
				"  - {id: demo/a, source: a.wasm}\n  - {id: demo/b, source: a.wasm, capabilities: {files: [{path: " + c.text + ", as: /other, mode: rw}]}}\n",
			"more/y.yaml": "components: [{id: demo/c, source: ../a.wasm, capabilities: {files: [{path: ., as: /here}]}}]\n",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		file, err := config.Load(filepath.Join(dir, "x.yaml"), built)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "x.yaml:") > 2 {
				t.Errorf("%s: got %v, want one mistake with %q", c.name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"data", "data", "more"} {
			if got := file.Components[i].Capabilities.Files[0].Path; got != filepath.Join(dir, want) {
				t.Errorf("%s: component %d has %s, want %s", c.name, i, got, want)
			}
		}
	}
}
