package wazero_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"testing"

	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
	"github.com/airhost/airhost/internal/codecache/codecachetest"
	"github.com/airhost/airhost/internal/precompiled"
)

// works compiles the suite's guests with a new engine and this cache directory, and
// sends a message to each.
func works(t *testing.T, dir string, log *slog.Logger, limits core.Limits) {
	t.Helper()
	e, err := wazero.New(wazero.Config{CacheDir: dir, Logger: log})
	must(t, err)
	for _, source := range []core.Source{enginetest.ActorWasm(), enginetest.ResponderWasm()} {
		c, err := e.Compile(t.Context(), source, limits)
		must(t, err)
		in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: sink{}, Limits: limits})
		must(t, err)
		must(t, in.HandleMessage(self, padded("e"), nil))
		must(t, errors.Join(in.Close(), c.Close(t.Context())))
	}
	must(t, e.Close(t.Context()))
}

// TestDamagedCaches: a damaged cache costs time and one warning.
func TestDamagedCaches(t *testing.T) {
	codecachetest.Run(t, func(t *testing.T, dir string, log *slog.Logger) { works(t, dir, log, core.Limits{}) })
}

// TestCacheKeepsCode: code in the directory is not compiled again, and limits that
// are enforced at run time do not change the code.
func TestCacheKeepsCode(t *testing.T) {
	dir := t.TempDir()
	entries := func() int {
		all, err := os.ReadDir(dir)
		must(t, err)
		return len(all)
	}
	works(t, dir, nil, core.Limits{})
	if n := entries(); n != 2 {
		t.Fatalf("got %d entries, want 2", n)
	}
	works(t, dir, nil, core.Limits{Memory: 1 << 20, Stack: 100 << 10, MessageSize: 1 << 16, TableElements: 77})
	if n := entries(); n != 2 {
		t.Errorf("got %d entries with other limits, want the same 2", n)
	}
	works(t, dir, nil, core.Limits{Fuel: 1 << 30})
	works(t, dir, nil, core.Limits{Fuel: 1 << 31})
	if n := entries(); n != 4 {
		t.Errorf("got %d entries with code that counts, want 4", n)
	}
}

// TestInterpreterKeepsNothing: the interpreter keeps no code.
func TestInterpreterKeepsNothing(t *testing.T) {
	dir := t.TempDir()
	e, err := wazero.New(wazero.Config{CacheDir: dir, Interpreter: true})
	must(t, err)
	must(t, errors.Join(compile(t, e).Close(t.Context()), e.Close(t.Context())))
	if all, err := os.ReadDir(dir); err != nil || len(all) > 0 {
		t.Errorf("got %v, %v, want an empty directory", all, err)
	}
}

// TestCompilingAtOnce: components with equal and different code can be compiled,
// used and closed concurrently.
func TestCompilingAtOnce(t *testing.T) {
	open := func(dir string) (core.Engine, error) { return wazero.New(wazero.Config{CacheDir: dir}) }
	codecachetest.AtOnce(t, open, padded("e"), enginetest.ActorWasm(), enginetest.ResponderWasm())
}

// TestPrecompiled: code that comes with a module is used, if a trusted key has signed it.
func TestPrecompiled(t *testing.T) {
	codecachetest.Precompiled(t, codecachetest.Kind{
		Name: wazero.Name, Version: wazero.CodeVersion(), Guest: enginetest.ActorWasm().Code,
		Open: func(dir string, keys []ed25519.PublicKey, log *slog.Logger) (core.Engine, error) {
			return wazero.New(wazero.Config{CacheDir: dir, TrustedKeys: keys, Logger: log})
		},
		Works: func(t *testing.T, c core.Component) {
			in, err := c.Instantiate(t.Context(), core.Environment{ID: self, Host: sink{}})
			must(t, err)
			must(t, errors.Join(in.HandleMessage(self, padded("e"), nil), in.Close()))
		},
	})
}

// TestInterpreterTakesPrecompiled: the interpreter takes the module of a file, and says nothing
// about the code.
func TestInterpreterTakesPrecompiled(t *testing.T) {
	var file, log bytes.Buffer
	must(t, precompiled.Write(&file, precompiled.Header{}, enginetest.ActorWasm().Code, nil, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))))
	e, err := wazero.New(wazero.Config{Interpreter: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	c, err := e.Compile(t.Context(), core.Source{Code: file.Bytes()}, core.Limits{})
	must(t, err)
	must(t, errors.Join(c.Close(t.Context()), e.Close(t.Context())))
	if log.Len() > 0 {
		t.Errorf("the log has %s", log.String())
	}
}
