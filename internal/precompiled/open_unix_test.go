//go:build unix

package precompiled_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/airhost/airhost/internal/precompiled"
)

// TestNoFiles: a pipe in place of a module or key does not block, and a device without an end
// is not read.
func TestNoFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "key.pub")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "zero.wasm")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		pipe: "want a file, this is a pipe", filepath.Join(dir, "zero.wasm"): "want a file, this is a device", dir: "want a file, this is a directory",
	} {
		_, err := precompiled.Open(precompiled.Path(path), 1<<20)
		_, _, err2 := precompiled.ReadFile(path, 1<<20)
		_, err3 := precompiled.LoadKey(path)
		for _, err := range []error{err, err2, err3} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", path, err, want)
			}
		}
	}
	if keys, err := precompiled.Trusted(dir); len(keys) > 0 || err == nil || !strings.Contains(err.Error(), "this is a pipe") {
		t.Errorf("a folder of keys with a pipe: %d keys, %v", len(keys), err)
	}
}

// TestReadFile: a file above the limit is not read, and its size is told.
func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.wasm")
	if err := os.WriteFile(path, []byte("12345"), fs.FileMode(0o600)); err != nil {
		t.Fatal(err)
	}
	if data, size, err := precompiled.ReadFile(path, 5); string(data) != "12345" || size != 5 || err != nil {
		t.Errorf("a file at the limit: %q, %d bytes, %v", data, size, err)
	}
	if data, size, err := precompiled.ReadFile(path, 4); data != nil || size != 5 || err != nil {
		t.Errorf("a file above the limit: %q, %d bytes, %v", data, size, err)
	}
}
