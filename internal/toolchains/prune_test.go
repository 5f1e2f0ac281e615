package toolchains

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestPrune: files that nobody has used for long are removed, and no others.
func TestPrune(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	if err := os.Mkdir(filepath.Join(dir, "code"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"old.wasm": 2 * keptFor, "new.wasm": 0, "code/old": 2 * keptFor, "code/new": 0} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	prune(dir, now.Add(-keptFor))
	for name, want := range map[string]bool{"old.wasm": false, "new.wasm": true, "code": true, "code/old": false, "code/new": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: it is there: %t, want %t", name, err == nil, want)
		}
	}
}
