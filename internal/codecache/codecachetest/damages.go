// Package codecachetest damages caches of compiled code for the tests of engines.
package codecachetest

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// damages are ways to damage a cache with several entries.
var damages = []struct {
	name  string
	do    func(r *rand.Rand, dir string, entries []string) error
	stays bool // the directory stays unusable
}{
	{"cut", each(func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] }), false},
	{"flipped", each(func(r *rand.Rand, b []byte) []byte { b[r.IntN(len(b))] ^= 1 << r.IntN(8); return b }), false},
	{"overwritten", each(func(r *rand.Rand, b []byte) []byte {
		for i := r.IntN(len(b)); i < len(b); i += 1 + r.IntN(100) {
			b[i]++
		}
		return b
	}), false},
	{"longer", each(func(r *rand.Rand, b []byte) []byte { return append(b, make([]byte, 1+r.IntN(5000))...) }), false},
	{"swapped", func(_ *rand.Rand, dir string, entries []string) error {
		for i, entry := range entries { // rotate: no entry stays in its place
			if err := os.Rename(entry, filepath.Join(dir, fmt.Sprint("tmp", (i+1)%len(entries)))); err != nil {
				return err
			}
		}
		for i, entry := range entries {
			if err := os.Rename(filepath.Join(dir, fmt.Sprint("tmp", i)), entry); err != nil {
				return err
			}
		}
		return nil
	}, false},
	{"writable by others", func(_ *rand.Rand, _ string, entries []string) error {
		for _, entry := range entries {
			if err := os.Chmod(entry, 0o666); err != nil {
				return err
			}
		}
		return nil
	}, false},
	{"directories", func(_ *rand.Rand, _ string, entries []string) error {
		for _, entry := range entries {
			if err := os.Remove(entry); err != nil {
				return err
			}
			if err := os.Mkdir(entry, 0o700); err != nil {
				return err
			}
		}
		return nil
	}, false},
	{"a file in the folder's place", func(_ *rand.Rand, dir string, _ []string) error {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		return os.WriteFile(dir, []byte("x"), 0o600)
	}, true},
	{"a folder that others may write to", func(_ *rand.Rand, dir string, _ []string) error { return os.Chmod(dir, 0o777) }, true},
}

func each(change func(*rand.Rand, []byte) []byte) func(*rand.Rand, string, []string) error {
	return func(r *rand.Rand, _ string, entries []string) error {
		for _, entry := range entries {
			content, err := os.ReadFile(entry)
			if err != nil {
				return err
			}
			if err := os.WriteFile(entry, change(r, content), 0o600); err != nil {
				return err
			}
		}
		return nil
	}
}

// Run calls use with a hundred damaged caches. use compiles and runs guests of
// different code with the cache in dir. Each call must log one warning that names
// the directory, and must repair the cache if that is possible.
func Run(t *testing.T, use func(t *testing.T, dir string, log *slog.Logger)) {
	kept := filepath.Join(t.TempDir(), "kept")
	warnings := func(dir string) string {
		var log bytes.Buffer
		use(t, dir, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
		return log.String()
	}
	if log := warnings(kept); log != "" {
		t.Fatalf("got warnings of a cache that is new: %s", log)
	}
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 0))
		damage := damages[r.IntN(len(damages))]
		dir := filepath.Join(t.TempDir(), "cache")
		if err := os.CopyFS(dir, os.DirFS(kept)); err != nil {
			t.Fatal(err)
		}
		entries, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(entries) < 2 {
			t.Fatalf("got %v, %v, want several entries", entries, err)
		}
		if err := secure(dir, entries); err != nil {
			t.Fatal(err)
		}
		if err := damage.do(r, dir, entries); err != nil {
			t.Fatal(err)
		}
		if log := warnings(dir); strings.Count(log, "\n") != 1 || !strings.Contains(log, "cache="+dir) {
			t.Errorf("seed %d, %s: got log %q, want one warning", seed, damage.name, log)
		}
		if log := warnings(dir); (log != "") != damage.stays {
			t.Errorf("seed %d, %s: got log %q the second time", seed, damage.name, log)
		}
	}
}

// secure sets the permissions of a copied cache.
func secure(dir string, entries []string) error {
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.Chmod(entry, 0o600); err != nil {
			return err
		}
	}
	return nil
}
