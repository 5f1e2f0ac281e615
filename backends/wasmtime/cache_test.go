//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
)

// files returns what is in a directory, by name.
func files(t *testing.T, dir string) map[string]os.FileInfo {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	all := make(map[string]os.FileInfo)
	for _, entry := range entries {
		info, err := entry.Info()
		must(t, err)
		all[entry.Name()] = info
	}
	return all
}

// works compiles the suite's guest with a new engine over the directory, and
// has it echo.
func works(t *testing.T, dir string, limits core.Limits) {
	t.Helper()
	e, err := wasmtime.New(wasmtime.Config{CacheDir: dir})
	must(t, err)
	c, err := e.Compile(t.Context(), core.Source{Code: actor()}, limits)
	must(t, err)
	in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: sink{}, Limits: limits})
	must(t, err)
	var response []byte
	must(t, in.HandleMessage(self, []byte("eon"), &response))
	equal(t, "response", string(response), "on")
	must(t, errors.Join(in.Close(), c.Close(t.Context()), e.Close(t.Context())))
}

// TestCacheDirectory: what is in the directory is not compiled again, and so not
// written again.
func TestCacheDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by wasmtime")
	works(t, dir, core.Limits{})
	first := files(t, dir)
	equal(t, "files: the guest and its shim", len(first), 2)
	works(t, dir, core.Limits{})
	works(t, dir, core.Limits{Memory: 32 << 20}) // the same code: this is the default
	second := files(t, dir)
	equal(t, "files", len(second), 2)
	for name, file := range second {
		if !os.SameFile(file, first[name]) {
			t.Errorf("%s was written again", name)
		}
	}
	works(t, dir, core.Limits{Fuel: 1 << 30})
	equal(t, "files, with code that counts", len(files(t, dir)), 3)
}

// TestDamagedCache: what is damaged is compiled again, and replaced.
func TestDamagedCache(t *testing.T) {
	damages := map[string]func([]byte) []byte{
		"empty":              func([]byte) []byte { return nil },
		"cut in its sum":     func(b []byte) []byte { return b[:sha256.Size-1] },
		"the sum alone":      func(b []byte) []byte { return b[:sha256.Size] },
		"cut short":          func(b []byte) []byte { return b[:len(b)-1] },
		"longer":             func(b []byte) []byte { return append(b, 0) },
		"another sum":        func(b []byte) []byte { b[0] ^= 1; return b },
		"a bit of its code":  func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"no code, right sum": func([]byte) []byte { return withSum([]byte("no code")) },
		"of nothing":         func([]byte) []byte { return withSum(nil) },
		"cut, right sum":     func(b []byte) []byte { return withSum(b[sha256.Size : len(b)/2]) },
	}
	dir := t.TempDir()
	works(t, dir, core.Limits{})
	for what, damage := range damages {
		damaged := make(map[string][]byte)
		for name := range files(t, dir) {
			code, err := os.ReadFile(filepath.Join(dir, name))
			must(t, err)
			damaged[name] = damage(bytes.Clone(code))
			must(t, os.WriteFile(filepath.Join(dir, name), damaged[name], 0o600))
		}
		works(t, dir, core.Limits{})
		equal(t, what+": files", len(files(t, dir)), len(damaged))
		for name, before := range damaged {
			if after, err := os.ReadFile(filepath.Join(dir, name)); err != nil || bytes.Equal(after, before) {
				t.Errorf("%s: %s was not replaced, %v", what, name, err)
			}
		}
	}
}

// withSum returns a file of the cache with this code.
func withSum(code []byte) []byte {
	sum := sha256.Sum256(code)
	return append(sum[:], code...)
}

func TestCacheDirectoryThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if e, err := wasmtime.New(wasmtime.Config{CacheDir: dir}); err == nil || e != nil {
			t.Errorf("%s: got %v, %v, want an error alone", dir, e, err)
		}
	}
}

// TestCacheDirectoryThatIsNoMore: guests are compiled all the same.
func TestCacheDirectoryThatIsNoMore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	e := newEngine(t, wasmtime.Config{CacheDir: dir})
	must(t, os.Remove(dir))
	in := instantiate(t, compile(t, e, actor(), core.Limits{}), core.Environment{Host: sink{}})
	must(t, in.HandleMessage(self, padded("e"), nil))
}

// TestCacheOfSeveralEngines: engines that share a directory, as those of several
// processes do, neither disturb each other nor leave anything but code.
func TestCacheOfSeveralEngines(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		e := newEngine(t, wasmtime.Config{CacheDir: dir})
		all.Go(func() {
			c, err := e.Compile(t.Context(), core.Source{Code: actor()}, core.Limits{})
			if err == nil {
				err = c.Close(t.Context())
			}
			errs[i] = err
		})
	}
	all.Wait()
	must(t, errors.Join(errs...))
	for name := range files(t, dir) {
		equal(t, "the end of "+name, filepath.Ext(name), ".cwasm")
	}
	works(t, dir, core.Limits{})
	equal(t, "files: the guest and its shim", len(files(t, dir)), 2)
}
