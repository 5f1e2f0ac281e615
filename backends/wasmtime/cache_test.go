//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/codecache/codecachetest"
)

// files returns the contents of a directory's files, by name.
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

// works compiles the suite's guest with a new engine over the directory, and lets it
// echo a message.
func works(t *testing.T, dir string, limits core.Limits) {
	t.Helper()
	uses(t, dir, nil, limits)
}

func uses(t *testing.T, dir string, log *slog.Logger, limits core.Limits) {
	t.Helper()
	e, err := wasmtime.New(wasmtime.Config{CacheDir: dir, Logger: log})
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

// TestCacheDirectory: code in the directory is not compiled again, and so not
// written again.
func TestCacheDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by wasmtime")
	works(t, dir, core.Limits{})
	first := files(t, dir)
	equal(t, "files: the guest and its shim", len(first), 2)
	works(t, dir, core.Limits{})
	works(t, dir, core.Limits{Memory: 1 << 20, MessageSize: 1 << 16, TableElements: 77}) // the same code
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

// TestDamagedCaches: any damage of a cache costs time and one warning.
func TestDamagedCaches(t *testing.T) {
	codecachetest.Run(t, func(t *testing.T, dir string, log *slog.Logger) { uses(t, dir, log, core.Limits{}) })
}

// TestCacheDirectoryThatIsNoMore: guests are compiled without the directory.
func TestCacheDirectoryThatIsNoMore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	e := newEngine(t, wasmtime.Config{CacheDir: dir})
	must(t, compile(t, e, enginetest.ResponderWasm().Code, core.Limits{}).Close(t.Context()))
	must(t, os.RemoveAll(dir))
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
		equal(t, "the end of "+name, filepath.Ext(name), ".code")
	}
	works(t, dir, core.Limits{})
	equal(t, "files: the guest and its shim", len(files(t, dir)), 2)
}

// TestCompilingAtOnce: components of the same and of other code are compiled, used and
// closed at the same time.
func TestCompilingAtOnce(t *testing.T) {
	open := func(dir string) (core.Engine, error) { return wasmtime.New(wasmtime.Config{CacheDir: dir}) }
	codecachetest.AtOnce(t, open, padded("e"), enginetest.ActorWasm(), enginetest.ResponderWasm())
}

// TestPrecompiled: code that comes with a module is used, if a trusted key has signed it.
func TestPrecompiled(t *testing.T) {
	codecachetest.Precompiled(t, codecachetest.Kind{
		Name: wasmtime.Name, Version: wasmtime.CodeVersion(), Guest: actor(),
		Open: func(dir string, keys []ed25519.PublicKey, log *slog.Logger) (core.Engine, error) {
			return wasmtime.New(wasmtime.Config{CacheDir: dir, TrustedKeys: keys, Logger: log})
		},
		Works: func(t *testing.T, c core.Component) {
			in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: sink{}})
			must(t, err)
			must(t, errors.Join(in.HandleMessage(self, padded("e"), nil), in.Close()))
		},
	})
}
